//! Every az command that the tests use, one after the other in a box for each exposure and in one without azward: after each
//! of them the whole config directory is the same, file for file and byte for byte, but for secrets, ids that az makes up,
//! and times; and refresh tokens, which azward has and az alone leaves lying.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use entra::{Entra, SERVICE_PRINCIPAL, SUBSCRIPTIONS, TENANT_A, TENANT_B, User};

use crate::support::fake_az::json::Json;
use crate::support::{BY_AZ, End, Sandbox};

/// Who is to sign in, if anybody, and the words.
type Step = (Option<User>, Vec<String>);

/// Every file of a directory by its name: its mode and its text.
type Files = BTreeMap<String, (u32, String)>;

fn steps(entra: &Entra) -> Vec<Step> {
    let app = SERVICE_PRINCIPAL.client_id;
    let secret = entra.client_secret();
    let words = |line: &str| (None, line.split(' ').map(str::to_owned).collect::<Vec<_>>());
    let login = |user: User| (Some(user), ["login", "--use-device-code"].map(str::to_owned).to_vec());
    let login_app =
        words(&format!("login --service-principal --username {app} --password {secret} --tenant {}", TENANT_A.id));
    let [first, second] = [0, 1].map(|place| SUBSCRIPTIONS[place].id);
    // A form that azward leaves to az.
    let token = format!("account get-access-token {BY_AZ} --output json");
    vec![
        words("version"),
        words("group list"),
        login(User::Alice),
        words("account list"),
        words("account show"),
        words(&token),
        words("account get-access-token"),
        words(&format!("{token} --resource https://vault.azure.net")),
        words("account get-access-token --scope https://storage.azure.com/.default"),
        words(&format!("{token} --tenant {} --resource-type ms-graph", TENANT_B.id)),
        login(User::Bob),
        words(&token),
        words(&format!("account set --subscription {first}")),
        words("group list"),
        words("account list --refresh"),
        words("group show --name no-such-group"),
        words("account set --subscription no-such-subscription"),
        words("logout --username nobody@contoso.example"),
        login(User::Alice),
        login_app.clone(),
        words(&token),
        words(&format!("{token} --resource https://vault.azure.net")),
        // The user's login is the current one when the application is logged out.
        words(&format!("account set --subscription {second}")),
        words(&format!("logout --username {app}")),
        words(&token),
        login_app.clone(),
        words("logout"),
        login_app,
        words("config set core.output=json"),
        words("config unset core.output"),
        words("cloud register --name other --endpoint-resource-manager https://management.other.example"),
        words("cloud set --name AzureCloud"),
        words("account list"),
        words(&format!("cloud set --name {}", entra::CLOUD_NAME)),
        words("cloud unregister --name other"),
        words(&format!("logout --username {}", User::Bob.username())),
        words(&token),
        words("no-such-command"),
        words("account clear"),
        words("account show"),
        login(User::Bob),
        words("logout"),
    ]
}

/// Every file of a config directory: its mode and its text, without what differs from one login to the next.
fn directory(sandbox: &Sandbox, entra: &Entra) -> Files {
    let mut files = BTreeMap::new();
    let mut left = vec![sandbox.config_dir()];
    while let Some(path) = left.pop() {
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        if metadata.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let name = path.strip_prefix(sandbox.config_dir()).unwrap().to_str().unwrap().to_owned();
        // What az writes of its own runs: their times are in the names.
        if ["telemetry", "logs", "commands"].iter().any(|own| name.starts_with(own)) {
            continue;
        }
        files.insert(name.clone(), (metadata.mode(), text(&path, &name, entra)));
    }
    files
}

fn text(path: &Path, name: &str, entra: &Entra) -> String {
    let bytes = fs::read(path).unwrap();
    let Ok(text) = String::from_utf8(bytes) else { return "not text".to_owned() };
    let text = text.replace(&format!(":{}", entra.port()), ":PORT").replace(entra.client_secret(), "SECRET");
    let Some(mut json) = Json::parse(text.trim_start_matches('\u{feff}')) else { return text };
    let before = json.to_lines();
    if name == "msal_token_cache.json" {
        // Where az alone leaves them; there is no such section before the first.
        if json.get("RefreshToken").is_some() {
            json.set("RefreshToken", Json::Object(Vec::new()));
        }
    }
    blank(&mut json);
    // What is laid out as az does it is told from what is not.
    let is_az_s = text == before;
    format!(
        "{}{}",
        if is_az_s || name != "msal_token_cache.json" { "" } else { "laid out in another way\n" },
        json.to_lines()
    )
}

/// Takes out what no two logins have in common.
fn blank(json: &mut Json) {
    const DIFFERENT: [&str; 9] = [
        "secret",
        "cached_at",
        "expires_on",
        "extended_expires_on",
        "refresh_on",
        "last_modification_time",
        "installationId",
        "client_secret",
        "update_time",
    ];
    match json {
        Json::Object(members) => {
            for (name, value) in members {
                match value {
                    Json::Text(text) if DIFFERENT.contains(&name.as_str()) => "…".clone_into(text),
                    value => blank(value),
                }
            }
        }
        Json::List(items) => items.iter_mut().for_each(blank),
        _ => {}
    }
}

/// What every step left, and how it ended.
fn walk(exposure: Option<&str>) -> Vec<(String, End, Files)> {
    let sandbox = Sandbox::new().with_real_az();
    match exposure {
        Some(exposure) => sandbox.set_exposure(exposure),
        None => sandbox.expect_clear(sandbox.config_dir()),
    }
    let entra = sandbox.start_entra(|_| {});
    let mut left = Vec::new();
    for (user, words) in steps(&entra) {
        if let Some(user) = user {
            entra.knobs(|knobs| knobs.next_login = user);
        }
        let az = if exposure.is_some() { sandbox.az(&words) } else { sandbox.plain_az(&words) };
        let outcome = az.run();
        left.push((words.join(" "), outcome.end(), directory(&sandbox, &entra)));
        if exposure.is_some() {
            sandbox.assert_nothing_in_the_clear();
        }
    }
    left
}

#[test]
fn every_command_leaves_the_directory_as_az_alone_does() {
    let [alone, private, memory, in_place] = std::thread::scope(|scope| {
        [None, Some("private"), Some("memory"), Some("in-place")]
            .map(|exposure| {
                std::thread::Builder::new()
                    .name(format!("{exposure:?}"))
                    .spawn_scoped(scope, move || walk(exposure))
                    .unwrap()
            })
            .map(|walk| walk.join().unwrap())
    });
    let mut differences = Vec::new();
    for (exposure, ours) in [("private", private), ("in memory", memory), ("in place", in_place)] {
        for ((words, their_end, theirs), (_, our_end, ours)) in alone.iter().zip(&ours) {
            if their_end != our_end {
                differences.push(format!("{exposure}: {words}: ended {our_end:?}, alone {their_end:?}"));
            }
            let names: std::collections::BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
            for name in names.into_iter().filter(|name| theirs.get(*name) != ours.get(*name)) {
                let told = |file: Option<&(u32, String)>| match file {
                    Some((mode, text)) => format!("{mode:o}\n{text}"),
                    None => "no such file".to_owned(),
                };
                differences.push(format!(
                    "{exposure}: {words}: {name}\n--- alone ---\n{}\n--- ours ---\n{}",
                    told(theirs.get(name)),
                    told(ours.get(name))
                ));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
