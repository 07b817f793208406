//! The file itself: its other bytes, its modes, links to it, and what else may stand in its place.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use entra::{Rolling, User};

use super::{By, mode, redeem, sandbox, status};
use crate::support::fake_az::json::Json;
use crate::support::{BY_AZ, BY_AZWARD, ConfigDir, End, Sandbox};

/// A cache with what could differ from one azward to another taken out: tokens and times.
fn masked(text: &str) -> String {
    let mut cache = Json::parse(text).expect("the token cache is JSON");
    assert_eq!(cache.to_lines(), text, "it has MSAL's layout");
    let Json::Object(sections) = &mut cache else { panic!("it is an object") };
    for (_, section) in sections {
        let Json::Object(entries) = section else { continue };
        for (_, entry) in entries {
            for field in ["secret", "cached_at", "expires_on", "extended_expires_on", "last_modification_time"] {
                if entry.get(field).is_some() {
                    entry.set(field, "…");
                }
            }
        }
    }
    cache.to_lines()
}

#[test]
fn every_byte_of_the_token_cache_that_is_not_a_refresh_token_is_az_s_own() {
    // Two directories with one login.
    let (sandbox, entra) = sandbox(Rolling::Entra);
    sandbox.plain_login(&entra, User::Alice);
    let config = sandbox.config();
    // From a later MSAL: sections in another order, one that nobody knows, fields that nobody knows.
    config.edit_token_cache(|cache| {
        let Json::Object(sections) = cache else { panic!("it is an object") };
        sections.reverse();
        let odd = Json::parse("{\"n\": 1.50, \"e\": 1e3, \"t\": \"\\u00e4\\ud83d\\ude00\", \"l\": [true, null, {}]}");
        sections.insert(2, ("Tomorrow".to_owned(), odd.clone().expect("it is JSON")));
        for (_, section) in sections {
            let Json::Object(entries) = section else { continue };
            for (_, entry) in entries {
                entry.set("from_tomorrow", odd.clone().expect("it is JSON"));
            }
        }
    });
    let before = config.token_cache_text();
    let twin = config.copy_to(sandbox.root().join("twin"));
    sandbox.expect_clear(twin.path());

    // What is only read stays as it was, without the refresh token and with it again.
    for how in [BY_AZWARD, BY_AZ] {
        sandbox.az(["account", "get-access-token", how, "-o", "none"]).run().ok().silent();
        sandbox.assert_nothing_in_the_clear();
        assert_eq!(config.token_cache_text(), without_refresh_tokens(&before));
        sandbox.azward(["uninstall"]).run().ok();
        assert_eq!(config.token_cache_text(), before);
    }

    // What az writes is as it writes it on its own, and what azward gets by itself is as az would have written it.
    for (api, how) in [("vault", BY_AZ), ("storage", BY_AZWARD), ("batch", BY_AZ), ("media", BY_AZWARD)] {
        let command = ["account", "get-access-token", "--resource", api, how, "--output", "none"];
        let command = command.map(|word| if word == api { format!("https://{api}.example") } else { word.to_owned() });
        sandbox.plain_az(&command).env("AZURE_CONFIG_DIR", twin.path()).run().ok().silent();
        sandbox.az(&command).run().ok().silent();
        sandbox.assert_nothing_in_the_clear();
        let az_s = without_refresh_tokens(&masked(&twin.token_cache_text()));
        let ours = masked(&config.token_cache_text());
        assert_eq!(difference(&ours, &az_s), None, "{api}");
    }
    sandbox.azward(["uninstall"]).run().ok();
    let (ours, az_s) = (masked(&config.token_cache_text()), masked(&twin.token_cache_text()));
    assert_eq!(difference(&ours, &az_s), None);
    sandbox.expect_clear(config.token_cache_path());
}

/// The first line that differs.
fn difference(one: &str, other: &str) -> Option<(usize, String, String)> {
    let line = |text: &str, number: usize| text.lines().nth(number).unwrap_or("the end").to_owned();
    let lines = one.lines().count().max(other.lines().count());
    let first = (0..lines).find(|number| line(one, *number) != line(other, *number))?;
    Some((first, line(one, first), line(other, first)))
}

/// The text without the entries of the section of refresh tokens.
fn without_refresh_tokens(text: &str) -> String {
    let mut cache = Json::parse(text).expect("the token cache is JSON");
    cache.set("RefreshToken", Json::Object(Vec::new()));
    cache.to_lines()
}

#[test]
fn it_is_private_whatever_it_was_and_links_are_kept() {
    let (sandbox, entra) = sandbox(Rolling::Strict);
    let config = sandbox.config();
    let cache = config.token_cache_path();
    sandbox.login(&entra, User::Alice);
    assert_eq!(mode(&cache), 0o600);
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o644)).expect("it is ours");
    redeem(&sandbox, &entra, "one", By::Az);
    assert_eq!(mode(&cache), 0o600);
    fs::remove_file(&cache).expect("it is there");
    redeem(&sandbox, &entra, "two", By::Az);
    assert_eq!(mode(&cache), 0o600);

    // As dotfile managers have it: the file elsewhere, then the whole directory elsewhere.
    let elsewhere = sandbox.home().join("dotfiles");
    fs::create_dir(&elsewhere).expect("the home can be written");
    fs::rename(&cache, elsewhere.join("cache")).expect("it is one file system");
    symlink("../dotfiles/cache", &cache).expect("the place is free");
    redeem(&sandbox, &entra, "three", By::Az);
    sandbox.plain_login(&entra, User::Alice);
    sandbox.az(["account", "show"]).run().ok();
    redeem(&sandbox, &entra, "four", By::Azward);
    assert_eq!(fs::read_link(&cache).expect("it is a link still"), Path::new("../dotfiles/cache"));
    assert!(config.access_token(entra::TENANT_A.id, "https://four.example/.default").is_some(), "it is the same file");
    let others = fs::read_dir(&elsewhere).expect("it is there").count() + count_of_caches(config.path());
    assert_eq!(others, 2, "no file is left beside either");
}

#[test]
fn a_config_directory_behind_a_link_is_one_directory() {
    let sandbox = Sandbox::new().with_real_az();
    let real = sandbox.home().join("azure");
    fs::create_dir(&real).expect("the home can be written");
    symlink("azure", sandbox.config_dir()).expect("the place is free");
    let entra = sandbox.start_entra(|_| {});
    sandbox.login(&entra, User::Alice);
    redeem(&sandbox, &entra, "one", By::Az);
    redeem(&sandbox, &entra, "native", By::Azward);
    sandbox.set_env("AZURE_CONFIG_DIR", &real);
    redeem(&sandbox, &entra, "two", By::Az);
    assert_eq!(status(&sandbox).0, 1);
    assert!(fs::symlink_metadata(sandbox.home().join(".azure")).expect("it is there").is_symlink());
}

fn count_of_caches(directory: &Path) -> usize {
    let names = fs::read_dir(directory).expect("it is there").flatten().map(|entry| entry.file_name());
    names.filter(|name| name.to_string_lossy().starts_with("msal_token_cache")).count()
}

#[test]
fn a_token_cache_that_was_removed_or_emptied_comes_back() {
    let (sandbox, entra) = sandbox(Rolling::Strict);
    let cache = sandbox.config().token_cache_path();
    sandbox.login(&entra, User::Alice);
    fs::remove_file(&cache).expect("it is there");
    redeem(&sandbox, &entra, "one", By::Az);
    fs::write(&cache, "").expect("it can be written");
    redeem(&sandbox, &entra, "two", By::Az);
    fs::write(&cache, "").expect("it can be written");
    // Needs no login, and neither mends the file nor takes it for a logout.
    sandbox.az(["account", "show"]).run().ok().silent();
    sandbox.az(["group", "list", "--output", "none"]).run().ok().silent();
    sandbox.assert_nothing_in_the_clear();
    assert_eq!(sandbox.config().accounts(), [User::Alice.username()]);
}

#[test]
fn a_torn_or_foreign_token_cache_is_left_alone() {
    let (sandbox, entra) = sandbox(Rolling::Strict);
    let cache = sandbox.config().token_cache_path();
    sandbox.login(&entra, User::Alice);
    let whole = sandbox.config().token_cache_text();
    let copy = sandbox.config().copy_to(sandbox.root().join("copy"));
    let foreign = ["{\"RefreshToken\": 7}", "[1, 2]", &whole[..whole.len() / 2]];
    for (place, text) in foreign.into_iter().enumerate() {
        let command = ["account", "get-access-token", "--resource", "https://one.example"];
        fs::write(copy.token_cache_path(), text).expect("it can be written");
        fs::write(&cache, text).expect("it can be written");
        let plain = sandbox.plain_az(command).env("AZURE_CONFIG_DIR", copy.path()).run();
        let wrapped = sandbox.az(command).run();
        assert_eq!(wrapped.visible(), plain.visible(), "{text}");
        assert_ne!(wrapped.end(), End::Code(0), "{wrapped:?}");
        sandbox.az(["account", "show"]).run().ok().silent();
        let left = ConfigDir::at(copy.path()).token_cache_text();
        assert_eq!(sandbox.config().token_cache_text(), left, "{text}");
        assert_eq!(left, text);
        let (logins, clear) = status(&sandbox);
        assert_eq!(logins, 1);
        assert!(clear.starts_with("the token cache is not one that azward understands"), "{clear}");
        fs::remove_file(&cache).expect("it is there");
        redeem(&sandbox, &entra, &format!("after-{place}"), By::Az);
    }
}
