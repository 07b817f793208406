//! Logging in and out through the shim: afterwards no refresh token is in the clear, every API can be reached, and
//! exactly the accounts that az forgot are forgotten. The stand-in's refresh tokens roll strictly, so that one that got
//! lost on the way, or an old one put back, fails the next command.

use std::fs;

use entra::{Entra, Fault, Refusal, Request, TENANT_A, TENANT_B, User};

use crate::support::fake_az::json::Json;
use crate::support::{BY_AZ, BY_AZWARD, Outcome, Sandbox, vaults};

/// Whose refresh tokens `azward status` says the vault holds, one line for each, sorted.
fn kept(sandbox: &Sandbox) -> Vec<String> {
    let status = sandbox.azward(["status"]).run().ok().out();
    let logins = status.lines().filter_map(|line| line.strip_prefix("login "));
    let names = logins.map(|line| line.trim().split(',').next().unwrap_or_default().to_owned());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// Who answers a request for a token.
#[derive(Clone, Copy, Debug, PartialEq)]
enum By {
    /// azward, without an az.
    Azward,
    /// The real az in a run: an option's beginning is for argparse to understand.
    Az,
}

/// A token for an API that nobody has asked for yet, so that only the refresh token can get it.
fn redeem<'a>(sandbox: &'a Sandbox, entra: &Entra, by: By, arguments: impl IntoIterator<Item = &'a str>) -> Outcome {
    let before = entra.refreshes();
    let how = if by == By::Az { BY_AZ } else { BY_AZWARD };
    let outcome = sandbox.az(["account", "get-access-token", how, "--output", "json"]).args(arguments).run();
    if outcome.status.success() {
        assert_eq!(entra.refreshes(), before + 1, "{outcome:?}");
        let is_az_s = last_request(entra).user_agent.is_some_and(|agent| !agent.starts_with("azward"));
        assert_eq!(is_az_s, by == By::Az, "{outcome:?}");
    }
    sandbox.assert_nothing_in_the_clear();
    outcome
}

fn last_request(entra: &Entra) -> Request {
    entra.journal().into_iter().rfind(Request::is_token_request).expect("there was a request")
}

/// Who got the last token.
fn last_account(entra: &Entra) -> String {
    last_request(entra).account.expect("it was granted")
}

fn sandbox() -> (Sandbox, Entra) {
    let sandbox = Sandbox::new().with_real_az();
    let entra = sandbox.start_entra(|_| {});
    (sandbox, entra)
}

#[test]
fn after_a_login_every_api_is_reached_and_nothing_is_in_the_clear() {
    let (sandbox, entra) = sandbox();
    let login = sandbox.login(&entra, User::Alice);
    assert!(login.err().starts_with("To sign in, use a web browser"), "{login:?}");
    sandbox.assert_nothing_in_the_clear();
    let alice = User::Alice.username();
    assert_eq!((kept(&sandbox), sandbox.config().refresh_token_count()), (vec![alice.to_owned()], 0));

    for by in [By::Az, By::Azward, By::Az] {
        sandbox.config().drop_access_tokens();
        let tenant = |arguments: &[&'static str]| {
            let outcome = redeem(&sandbox, &entra, by, arguments.iter().copied());
            outcome.ok().silent().json()["tenant"].clone()
        };
        assert_eq!(tenant(&[]), TENANT_A.id, "Resource Manager");
        for arguments in [
            ["--resource", "https://vault.azure.net"],
            ["--resource-type", "ms-graph"],
            ["--scope", "https://storage.azure.com/.default"],
        ] {
            assert_eq!(tenant(&arguments), TENANT_A.id, "{arguments:?}");
        }
        assert_eq!(tenant(&["--tenant", TENANT_B.id, "--resource", "https://vault.azure.net"]), TENANT_B.id);
        // Rotated before, or got by az itself.
        if by == By::Az {
            sandbox.config().drop_access_tokens();
        } else {
            sandbox.config().age_access_tokens(-60, "management");
        }
        let groups = sandbox.az(["group", "list", "--query", "[].name", "--output", "tsv"]).run().ok().silent();
        assert_eq!(groups.out(), "rg-web\nrg-data\n");
        sandbox.assert_nothing_in_the_clear();
    }

    // Logging in again gives a new refresh token; the one before is not put back.
    sandbox.login(&entra, User::Alice);
    sandbox.assert_nothing_in_the_clear();
    redeem(&sandbox, &entra, By::Azward, ["--resource", "https://batch.example"]).ok().silent();
    redeem(&sandbox, &entra, By::Az, ["--resource", "https://media.example"]).ok().silent();
    assert_eq!(kept(&sandbox), [alice]);
    let refused = entra.journal().into_iter().filter(|request| request.error.is_some()).collect::<Vec<_>>();
    assert!(refused.is_empty(), "{refused:?}");
}

#[test]
fn a_logout_forgets_the_account_it_names_and_no_other() {
    let (sandbox, entra) = sandbox();
    let (alice, bob) = (User::Alice.username(), User::Bob.username());
    let (both, only_alice) = (vec![alice.to_owned(), bob.to_owned()], vec![alice.to_owned()]);
    sandbox.login(&entra, User::Alice);
    sandbox.login(&entra, User::Bob);
    sandbox.assert_nothing_in_the_clear();
    assert_eq!((kept(&sandbox), sandbox.config().accounts()), (both.clone(), both.clone()));
    let subscriptions = sandbox.config().subscriptions();
    let of = |user: &str| {
        let own = subscriptions.iter().find(|one| one["user"]["name"] == user && one["tenantId"] == TENANT_A.id);
        let own = own.or_else(|| subscriptions.iter().find(|one| one["user"]["name"] == user));
        own.expect("everybody has one")["id"].as_str().expect("it is a text").to_owned()
    };
    let (of_alice, of_bob) = (of(alice), of(bob));

    // Each by the own refresh token, alice as a guest in bob's tenant too.
    redeem(&sandbox, &entra, By::Az, ["--resource", "https://one.example", "--subscription", &of_alice]).ok().silent();
    assert_eq!(last_account(&entra), alice);
    redeem(&sandbox, &entra, By::Azward, ["--resource", "https://one.example", "--subscription", &of_bob])
        .ok()
        .silent();
    assert_eq!(last_account(&entra), bob);
    sandbox.az(["account", "set", "--subscription", &of_alice]).run().ok().silent();
    let as_guest = ["--resource", "https://two.example", "--tenant", TENANT_B.id];
    assert_eq!(redeem(&sandbox, &entra, By::Az, as_guest).ok().silent().json()["tenant"], TENANT_B.id);
    assert_eq!(last_account(&entra), alice);

    // Nobody is forgotten by a command that fails, and nobody by a logout of somebody unknown.
    sandbox.az(["logout", "--no-such-option"]).run().exited(2);
    sandbox.az(["account", "clear", "--no-such-option"]).run().exited(2);
    sandbox.az(["logout", "--username", "nobody@example.org"]).run().ok();
    redeem(&sandbox, &entra, By::Az, ["--resource", "https://nowhere.invalid"]).exited(1);
    entra.knobs(|knobs| knobs.faults = vec![Fault::refuse(Refusal::Expired)]);
    redeem(&sandbox, &entra, By::Azward, ["--resource", "https://three.example"]).exited(1);
    entra.knobs(|knobs| knobs.faults.clear());
    assert_eq!(kept(&sandbox), both);

    sandbox.az(["logout", "--username", bob]).run().ok().silent();
    sandbox.assert_nothing_in_the_clear();
    assert_eq!((kept(&sandbox), sandbox.config().accounts()), (only_alice.clone(), only_alice.clone()));
    redeem(&sandbox, &entra, By::Az, ["--resource", "https://four.example"]).ok().silent();
    assert_eq!(last_account(&entra), alice);

    sandbox.login(&entra, User::Bob);
    assert_eq!(kept(&sandbox), both);
    // Whoever owns the default subscription: bob, who logged in last.
    sandbox.az(["logout"]).run().ok().silent();
    assert_eq!((kept(&sandbox), sandbox.config().accounts()), (only_alice.clone(), only_alice.clone()));
    sandbox.az(["account", "set", "--subscription", &of_alice]).run().ok().silent();
    redeem(&sandbox, &entra, By::Azward, ["--resource", "https://five.example"]).ok().silent();

    sandbox.login(&entra, User::Bob);
    sandbox.az(["account", "clear"]).run().ok().silent();
    sandbox.assert_nothing_in_the_clear();
    assert!(!sandbox.config().token_cache_path().exists());
    assert_eq!((kept(&sandbox).len(), sandbox.config().subscriptions().len()), (0, 0));
    let nobody = redeem(&sandbox, &entra, By::Az, []).exited(1);
    assert_eq!(nobody.err(), "ERROR: Please run 'az login' to setup account.\n");
    assert_eq!(sandbox.config().refresh_token_count(), 0, "nothing came back");
}

/// The refresh tokens that any file beside the vaults opens to.
fn in_any_vault_file(sandbox: &Sandbox) -> Vec<String> {
    let entries = vaults::entries_in_each(sandbox).into_iter().flat_map(|(_, entries)| entries);
    entries.map(|entry| entry["secret"].as_str().expect("it is a text").to_owned()).collect()
}

#[test]
fn after_a_logout_no_file_opens_to_a_token_that_the_endpoint_takes() {
    for exposure in ["auto", "in-place"] {
        let (sandbox, entra) = sandbox();
        sandbox.set_exposure(exposure);
        let lives = |token: &String| entra.is_refresh_token_good(token);
        sandbox.login(&entra, User::Alice);
        redeem(&sandbox, &entra, By::Azward, ["--resource", "https://one.example"]).ok().silent();
        let bobs_begin = entra.refresh_tokens_issued().len();
        sandbox.login(&entra, User::Bob);
        redeem(&sandbox, &entra, By::Az, ["--resource", "https://one.example"]).ok().silent();
        let bobs = entra.refresh_tokens_issued().split_off(bobs_begin);
        assert!(in_any_vault_file(&sandbox).iter().any(|token| bobs.contains(token) && lives(token)));
        sandbox.az(["logout", "--username", User::Bob.username()]).run().ok().silent();
        let left = in_any_vault_file(&sandbox);
        assert!(!left.iter().any(|token| bobs.contains(token)), "a logout leaves nothing of it");
        assert!(left.iter().any(lives), "alice's is still there");
        // Falling back brings nothing back.
        let vaults = sandbox.azward_home().join("vaults");
        for entry in fs::read_dir(vaults).unwrap().flatten() {
            if entry.path().extension().is_some_and(|extension| extension == "vault") {
                fs::remove_file(entry.path()).unwrap();
            }
        }
        assert_eq!(kept(&sandbox), [User::Alice.username()]);
        sandbox.az(["account", "clear"]).run().ok().silent();
        assert_eq!(in_any_vault_file(&sandbox), [""; 0]);
    }
}

#[test]
fn a_login_without_subscriptions_is_kept() {
    let (sandbox, entra) = sandbox();
    let unsubscribed = ["login", "--use-device-code"];
    // The tenants are listed, then each of them asks for more than a password.
    entra.knobs(|knobs| knobs.faults = vec![Fault::refuse(Refusal::MfaRequired)]);
    let refused = sandbox.az(unsubscribed).run().exited(1);
    assert!(refused.err().contains("No subscriptions found for"), "{refused:?}");
    sandbox.assert_nothing_in_the_clear();
    // az keeps the account that it did not name in the profile, so the vault keeps what belongs to it.
    assert_eq!((kept(&sandbox).len(), sandbox.config().accounts().len()), (1, 1));
    sandbox.az(unsubscribed).args(["--allow-no-subscriptions"]).run().exited(0);
    sandbox.assert_nothing_in_the_clear();
    entra.knobs(|knobs| knobs.faults.clear());
    assert_eq!(kept(&sandbox).len(), 1);

    let bare = ["login", "--use-device-code", "--skip-subscription-discovery", "--tenant", TENANT_B.id];
    sandbox.az(bare).run().ok();
    sandbox.assert_nothing_in_the_clear();
    let subscriptions = sandbox.config().subscriptions();
    assert!(subscriptions.iter().all(|one| one["name"] == "N/A(tenant level account)"), "{subscriptions:?}");
    redeem(&sandbox, &entra, By::Azward, ["--resource", "https://one.example"]).ok().silent();
    sandbox.az(["logout"]).run().ok();
    assert_eq!((kept(&sandbox).len(), sandbox.config().accounts().len()), (0, 0));
}

#[test]
fn accounts_with_one_name_and_two_homes_survive_as_they_are() {
    let (sandbox, entra) = sandbox();
    sandbox.plain_login(&entra, User::Alice);
    let config = sandbox.config();
    // As after a user was removed from a tenant and made again under the same name.
    let (old, new) = (User::Alice.home_account_id(), format!("0ther000-0000-4000-8000-00000000000a.{}", TENANT_A.id));
    config.edit_token_cache(|cache| {
        for section in ["RefreshToken", "Account"] {
            let Some(Json::Object(entries)) = cache.get_mut(section) else { panic!("no {section}") };
            let (key, mut entry) = entries[0].clone();
            entry.set("home_account_id", new.clone());
            entry.set("from_tomorrow", Json::List(vec![Json::Number("1.50".to_owned()), Json::Null]));
            if section == "RefreshToken" {
                entry.set("secret", format!("{}-2", entry.text("secret")));
            }
            entries.push((key.replace(&old, &new), entry));
        }
    });
    let before = config.token_cache_text();
    let complaint = sandbox.plain_az(["group", "list"]).run().exited(1);
    assert!(complaint.err().contains("Found multiple accounts with the same username"), "{complaint:?}");
    assert_eq!(config.token_cache_text(), before, "az only reads");

    let again = || {
        let outcome = sandbox.az(["group", "list"]).run();
        assert_eq!(outcome.visible(), complaint.visible());
        sandbox.assert_nothing_in_the_clear();
        assert_eq!((kept(&sandbox).len(), config.accounts().len(), config.refresh_token_count()), (2, 2, 0));
    };
    again();
    again();
    // What has no vault any more is as it was, byte for byte.
    sandbox.expect_clear(config.token_cache_path());
    sandbox.azward(["uninstall"]).run().ok();
    assert_eq!(config.token_cache_text(), before);
    again();
    sandbox.az(["logout", "--username", User::Alice.username()]).run().ok();
    assert_eq!((kept(&sandbox).len(), config.accounts().len()), (0, 0));
    sandbox.assert_nothing_in_the_clear();
}
