//! What `azward status` says of the config directory is what it has just looked at: each file with a long-lived credential is
//! named with what is in it, and "nothing" is said of what was read.

use std::fs;

use super::{ALICE, logged_in};
use crate::support::Sandbox;

/// The lines of `azward status` of this name, and how it ended.
fn status(sandbox: &Sandbox, name: &str) -> (Vec<String>, Option<i32>) {
    let outcome = sandbox.azward(["status"]).run();
    let rows = outcome.out().lines().filter_map(|line| Some(line.strip_prefix(name)?.trim().to_owned())).collect();
    (rows, outcome.status.code())
}

#[test]
fn what_only_looks_makes_nothing() {
    let sandbox = Sandbox::new();
    sandbox.forget_settings();
    for command in [&["status"][..], &["list", "--logins"], &["list", "--logins", "--json"], &["forget", "--gone"]] {
        sandbox.azward(command).run().ok();
        assert_eq!(fs::read_dir(sandbox.home()).unwrap().count(), 0, "{command:?}");
    }
}

#[test]
fn each_file_with_a_credential_is_named() {
    let sandbox = logged_in();
    let directory = sandbox.config_dir();
    let clear = || status(&sandbox, "in the clear ");
    let (rows, code) = clear();
    assert!(rows.len() == 1 && rows[0].starts_with("nothing, in all "), "{rows:?}");
    assert_eq!(code, Some(0));

    // As the wrapped az leaves it on its own: in the box's own home and nowhere near the vault.
    let plain = sandbox.root().join("plain");
    sandbox.plain_az(["login", ALICE]).env("AZURE_CONFIG_DIR", &plain).run().ok();
    sandbox.expect_clear(&plain);
    sandbox.expect_clear(&directory);
    let cache = fs::read_to_string(plain.join("msal_token_cache.json")).unwrap();
    let token = cache
        .split('"')
        .find(|word| word.len() > 40 && word.starts_with("0."))
        .unwrap_or("0.AXoAnotherRefreshTokenOfSomebody");
    fs::create_dir(directory.join("old")).unwrap();
    let adal = format!("[{{\"tokenType\": \"Bearer\", \"refreshToken\": \"{token}\", \"userId\": \"u\"}}]");
    let torn = &cache[..cache.find("\"AppMetadata\"").unwrap_or(cache.len() - 2)];
    let principals = "[{\"client_id\": \"a\", \"tenant\": \"t\", \"client_secret\": \"not for you\"}]";
    for (name, text) in [
        ("msal_token_cache.json.bak", cache.as_str()),
        ("msal_token_cache.json~", cache.as_str()),
        ("old/.msal_token_cache.json.swp", &format!("b0VIM 9.1\0\0{cache}\0")),
        ("msal_token_cache (conflict).json", torn),
        ("accessTokens.json", &adal),
        ("service_principal_entries.json", principals),
    ] {
        fs::write(directory.join(name), text).unwrap();
    }
    fs::write(directory.join("msal_token_cache.bin"), [1, 2, 3]).unwrap();
    let (rows, code) = clear();
    let expected = [
        "`accessTokens.json`: 1 refresh token, which no az needs there",
        "`msal_token_cache (conflict).json`: 1 refresh token, which no az needs there",
        "`msal_token_cache.json.bak`: 1 refresh token, which no az needs there",
        "`msal_token_cache.json~`: 1 refresh token, which no az needs there",
        "`old/.msal_token_cache.json.swp`: 1 refresh token, which no az needs there",
        "`service_principal_entries.json`: 1 client secret, which no az needs there",
    ];
    assert_eq!(rows, expected);
    assert_eq!(code, Some(1));
    let unseen = status(&sandbox, "not looked at ").0;
    assert_eq!(unseen, ["`msal_token_cache.bin`: encrypted by az itself"]);
    let said = sandbox.azward(["scrub"]).run().ok().silent().out();
    assert!(said.starts_with("1 service principal's secret was taken into the vault"), "{said}");
    assert_eq!(said.matches("left as it is: ").count(), expected.len() - 1, "{said}");
    for path in ["accessTokens.json", "msal_token_cache.json~"] {
        assert!(directory.join(path).exists(), "{path} was not azward's to remove");
    }
}

#[test]
fn what_az_keeps_for_itself_is_told_and_no_fault() {
    let sandbox = logged_in();
    let principals = "[{\"client_id\": \"a\", \"tenant\": \"t\", \"client_secret\": \"not for you\"}]";
    fs::write(sandbox.config_dir().join("principals.json"), principals).unwrap();
    let (rows, code) = status(&sandbox, "in the clear ");
    assert_eq!(rows, ["`principals.json`: 1 client secret, not sealed by azward"]);
    assert_eq!(code, Some(0));
    let outcome = sandbox.azward(["status"]).run();
    assert!(!outcome.out().contains("not for you") && !outcome.out().contains("never"), "{outcome:?}");
}

#[test]
fn where_there_is_no_vault_it_says_what_it_looked_at() {
    let sandbox = Sandbox::new().with_fake_az();
    let vault = |sandbox: &Sandbox| status(sandbox, "vault ").0.remove(0);
    assert_eq!(vault(&sandbox), "none yet: the config directory is not there");
    fs::create_dir(sandbox.config_dir()).unwrap();
    assert_eq!(vault(&sandbox), "none yet: azureProfile.json lists nobody");
    let user = |kind: &str| {
        format!("{{\"subscriptions\": [{{\"id\": \"s\", \"user\": {{\"name\": \"n\", \"type\": \"{kind}\"}}}}]}}")
    };
    fs::write(sandbox.config_dir().join("azureProfile.json"), user("servicePrincipal")).unwrap();
    assert!(vault(&sandbox).contains("service principals and managed identities only"), "{}", vault(&sandbox));
    fs::write(sandbox.config_dir().join("azureProfile.json"), user("user")).unwrap();
    assert!(vault(&sandbox).contains("lists a user, of whom azward has stored nothing"), "{}", vault(&sandbox));
    fs::write(sandbox.config_dir().join("config"), "[core]\nencrypt_token_cache = true\n").unwrap();
    fs::write(sandbox.config_dir().join("msal_token_cache.bin"), "").unwrap();
    assert!(vault(&sandbox).contains("az keeps its tokens elsewhere"), "{}", vault(&sandbox));
}
