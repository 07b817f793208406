//! Leapp's strategy for Azure, a test a step by that name, the files looked at after each. (Leapp keeps one session at a time, and
//! stops the others first; here that is no step.)

use entra::{SUBSCRIPTION_1, SUBSCRIPTION_2, SUBSCRIPTION_3, TENANT_A, TENANT_B, User};

use super::{directory, login, names, session, signed_out};
use crate::support::{ConfigDir, End, Sandbox};

/// The directory of a login that azward made.
fn login_directory(sandbox: &Sandbox, name: &str) -> ConfigDir {
    ConfigDir::at(sandbox.azward_home().join("logins").join(name))
}

fn subscription_ids(config: &ConfigDir) -> Vec<String> {
    config.subscriptions().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

fn config_text(config: &ConfigDir) -> String {
    std::fs::read_to_string(config.path().join("config")).unwrap()
}

#[test]
fn login_1_the_real_az_signs_in_in_a_directory_of_its_own() {
    let (sandbox, entra) = signed_out();
    login(&sandbox, &entra, "work", User::Alice);
    let config = login_directory(&sandbox, "work");
    assert_eq!(config.accounts(), [User::Alice.username()]);
    // Nothing of it is in the user's own directory.
    assert!(sandbox.config().accounts().is_empty() && sandbox.config().subscriptions().is_empty());
    assert!(!sandbox.config().token_cache_path().exists());
}

#[test]
fn login_2_the_refresh_token_is_in_the_vault() {
    let (sandbox, entra) = signed_out();
    login(&sandbox, &entra, "work", User::Alice);
    // It is good for one use, and what comes of that for the next: both are kept.
    entra.clear_journal();
    for resource in ["https://one.example", "https://two.example"] {
        let az = sandbox.az(["account", "get-access-token", "--resource", resource]);
        az.env("AZURE_CONFIG_DIR", login_directory(&sandbox, "work").path()).run().ok();
    }
    assert_eq!(entra.refreshes(), 2);
}

#[test]
fn login_3_account_and_profile_are_there() {
    let (sandbox, entra) = signed_out();
    login(&sandbox, &entra, "work", User::Alice);
    let config = login_directory(&sandbox, "work");
    assert_eq!(subscription_ids(&config), [SUBSCRIPTION_1.id, SUBSCRIPTION_2.id, SUBSCRIPTION_3.id]);
    assert!(config.subscriptions().iter().all(|one| one["user"]["name"] == User::Alice.username()));
}

#[test]
fn login_4_the_files_are_clean() {
    let (sandbox, entra) = signed_out();
    login(&sandbox, &entra, "work", User::Alice);
    assert_eq!(login_directory(&sandbox, "work").refresh_token_count(), 0);
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn login_5_each_subscription_is_a_session() {
    let (sandbox, entra) = signed_out();
    let said = login(&sandbox, &entra, "work", User::Alice).out();
    assert!(said.contains("+ contoso-production: Contoso Production"), "{said}");
    assert_eq!(names(&sandbox), ["contoso-production", "contoso-development", "fabrikam-shared"]);
    let shared = session(&sandbox, "fabrikam-shared");
    assert_eq!((&shared["tenant"], &shared["state"]), (&TENANT_B.id.into(), &"inactive".into()));
    assert_eq!((&shared["login"], &shared["user"]), (&"work".into(), &User::Alice.username().into()));
}

#[test]
fn login_fails_in_az_s_words_and_leaves_no_login() {
    let (sandbox, _entra) = signed_out();
    let failed = sandbox.azward(["login", "work", "--", "--no-such-option"]).run();
    assert_eq!(failed.end(), End::Code(2));
    assert!(failed.err().contains("unrecognized arguments: --no-such-option"), "{failed:?}");
    assert!(!login_directory(&sandbox, "work").path().exists() && names(&sandbox).is_empty());
}

#[test]
fn who_is_signed_in_with_az_has_sessions_at_once() {
    let (sandbox, _entra) = Sandbox::logged_in();
    assert_eq!(names(&sandbox), ["contoso-production", "contoso-development", "fabrikam-shared"]);
    assert_eq!(session(&sandbox, "contoso-production")["login"], "default");
    sandbox.azward(["start", "contoso-development"]).run().ok();
    let started = session(&sandbox, "contoso-development");
    assert_eq!(started["state"], "active");
}

#[test]
fn start_1_the_config_directory_is_made_and_nobody_else_s() {
    use std::os::unix::fs::PermissionsExt;
    let (sandbox, _entra) = Sandbox::logged_in();
    sandbox.azward(["start", "contoso-development"]).run().ok();
    let config = directory(&sandbox, "contoso-development");
    assert!(config.path().starts_with(sandbox.azward_home()));
    assert_eq!(config.path().metadata().unwrap().permissions().mode() & 0o777, 0o700);
    for name in ["azureProfile.json", "msal_token_cache.json", "config"] {
        assert_eq!(config.path().join(name).metadata().unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    }
}

#[test]
fn start_2_the_profile_has_that_subscription_and_no_other() {
    let (sandbox, _entra) = Sandbox::logged_in();
    sandbox.azward(["start", "contoso-development"]).run().ok();
    assert_eq!(subscription_ids(&directory(&sandbox, "contoso-development")), [SUBSCRIPTION_2.id]);
}

#[test]
fn start_3_it_is_the_default_subscription_and_every_other_field_is_the_login_s() {
    let (sandbox, _entra) = Sandbox::logged_in();
    sandbox.azward(["start", "contoso-development"]).run().ok();
    let own = directory(&sandbox, "contoso-development").subscriptions().remove(0);
    let mut login_s = sandbox.config().subscriptions().into_iter().find(|one| one["id"] == own["id"]).unwrap();
    assert_eq!((&own["isDefault"], &login_s["isDefault"]), (&true.into(), &false.into()));
    login_s["isDefault"] = true.into();
    assert_eq!(own, login_s);
}

#[test]
fn start_4_the_account_is_there() {
    let (sandbox, _entra) = Sandbox::logged_in();
    sandbox.azward(["start", "contoso-development"]).run().ok();
    let config = directory(&sandbox, "contoso-development");
    assert_eq!(config.entries("Account"), sandbox.config().entries("Account"));
}

#[test]
fn start_5_a_fresh_access_token_is_there() {
    let (sandbox, entra) = Sandbox::logged_in();
    sandbox.config().age_access_tokens(100, "management");
    sandbox.azward(["start", "fabrikam-shared"]).run().ok();
    let config = directory(&sandbox, "fabrikam-shared");
    entra.clear_journal();
    let shown = sandbox.az(["account", "get-access-token"]).env("AZURE_CONFIG_DIR", config.path()).run().ok().json();
    assert_eq!((&shown["tenant"], &shown["subscription"]), (&TENANT_B.id.into(), &SUBSCRIPTION_3.id.into()));
    assert_eq!(entra.refreshes(), 0);
    assert!(config.access_token(TENANT_A.id, "x").is_none());
}

#[test]
fn start_6_there_is_never_a_refresh_token() {
    let (sandbox, _entra) = Sandbox::logged_in();
    sandbox.azward(["start", "contoso-development"]).run().ok();
    assert_eq!(directory(&sandbox, "contoso-development").refresh_token_count(), 0);
    sandbox.assert_nothing_in_the_clear();
    // Nor after an az that was handed one.
    let az = sandbox.az(["group", "list"]).env("AZURE_CONFIG_DIR", directory(&sandbox, "contoso-development").path());
    az.run().ok().silent();
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn start_7_the_region_is_az_s_default_location() {
    let (sandbox, _entra) = Sandbox::logged_in();
    sandbox.azward(["start", "contoso-development", "--region", "northeurope"]).run().ok();
    let config = directory(&sandbox, "contoso-development");
    let told = sandbox.az(["config", "get", "defaults.location", "--query", "value", "-o", "tsv"]);
    assert_eq!(told.env("AZURE_CONFIG_DIR", config.path()).run().ok().out(), "northeurope\n");
    assert_eq!(session(&sandbox, "contoso-development")["region"], "northeurope");
    // Another start keeps what was set there, and changes only what it was told.
    let set = sandbox.az(["config", "set", "defaults.group=mine", "--only-show-errors"]);
    set.env("AZURE_CONFIG_DIR", config.path()).run().ok();
    sandbox.azward(["stop", "contoso-development"]).run().ok();
    sandbox.azward(["start", "contoso-development", "--region", "westeurope"]).run().ok();
    let text = config_text(&config);
    assert!(text.contains("location = westeurope") && text.contains("group = mine"), "{text}");
    assert!(!config_text(&sandbox.config()).contains("location"));
}

#[test]
fn start_8_the_expiry_is_known() {
    let (sandbox, _entra) = Sandbox::logged_in();
    sandbox.azward(["start", "contoso-development"]).run().ok();
    let config = directory(&sandbox, "contoso-development");
    let expires_on = || session(&sandbox, "contoso-development")["expires_on"].as_i64();
    let cached = || config.entries("AccessToken")[0]["expires_on"].as_str().unwrap().parse().ok();
    assert_eq!(expires_on(), cached());
    config.age_access_tokens(1000, "management");
    assert_eq!(expires_on(), cached());
    config.age_access_tokens(-1, "management");
    assert_eq!(expires_on(), None);
}

#[test]
fn start_9_it_is_active_and_starting_it_again_is_nothing_new() {
    let (sandbox, entra) = Sandbox::logged_in();
    sandbox.azward(["start", "contoso-development"]).run().ok();
    entra.clear_journal();
    sandbox.azward(["start", "contoso-development"]).run().ok();
    assert_eq!(entra.refreshes(), 0);
    assert_eq!(session(&sandbox, "contoso-development")["state"], "active");
    assert_eq!(session(&sandbox, "contoso-production")["state"], "inactive");
}

#[test]
fn a_start_that_is_refused_leaves_the_session_as_it_was() {
    let (sandbox, entra) = Sandbox::logged_in();
    sandbox.config().age_access_tokens(-1, "management");
    entra.revoke(User::Alice);
    let refused = sandbox.azward(["start", "contoso-development"]).run().exited(3);
    assert!(refused.err().contains("hint: sign in again with `azward login default`"), "{refused:?}");
    assert_eq!(session(&sandbox, "contoso-development")["state"], "inactive");
}

#[test]
fn rotate_renews_within_twenty_minutes_of_expiry_or_when_it_is_forced() {
    let (sandbox, entra) = Sandbox::logged_in();
    let rotate = |more: &[&str]| sandbox.azward([&["rotate", "contoso-development"], more].concat()).run();
    assert!(rotate(&[]).exited(2).err().contains("is not started"));
    sandbox.azward(["start", "contoso-development"]).run().ok();
    let config = directory(&sandbox, "contoso-development");
    for (left, refreshes) in [(1300, 0), (1100, 1)] {
        config.age_access_tokens(left, "management");
        sandbox.config().age_access_tokens(left, "management");
        entra.clear_journal();
        rotate(&[]).ok();
        assert_eq!(entra.refreshes(), refreshes, "{left}");
    }
    let before = config.entries("AccessToken");
    entra.clear_journal();
    rotate(&["--force"]).ok();
    assert_eq!(entra.refreshes(), 1);
    assert_ne!(config.entries("AccessToken"), before);
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn stop_cleans_the_files_and_it_is_inactive() {
    let (sandbox, entra) = Sandbox::logged_in();
    sandbox.azward(["start", "contoso-development"]).run().ok();
    let config = directory(&sandbox, "contoso-development");
    let in_it = |words: &[&str]| sandbox.az(words).env("AZURE_CONFIG_DIR", config.path());
    in_it(&["group", "list"]).run().ok().silent();
    sandbox.azward(["stop", "contoso-development"]).run().ok();
    assert_eq!(session(&sandbox, "contoso-development")["state"], "inactive");
    for name in ["azureProfile.json", "msal_token_cache.json", "msal_http_cache.bin"] {
        assert!(!config.path().join(name).exists(), "{name}");
    }
    // az has nothing to work with there, and the login is what it was.
    assert_eq!(in_it(&["group", "list"]).run().end(), End::Code(1));
    entra.clear_journal();
    sandbox.az(["account", "get-access-token", "--resource", "https://one.example"]).run().ok().silent();
    assert_eq!(entra.refreshes(), 1);
    assert!(sandbox.azward(["stop", "contoso-development"]).run().ok().out().contains("was not started"));
    sandbox.azward(["start", "contoso-development"]).run().ok();
    in_it(&["group", "list"]).run().ok().silent();
}

#[test]
fn logout_forgets_all_of_one_login_and_nothing_of_another() {
    let (sandbox, entra) = signed_out();
    login(&sandbox, &entra, "work", User::Alice);
    login(&sandbox, &entra, "lab", User::Bob);
    assert_eq!(names(&sandbox).len(), 4);
    for name in ["contoso-production", "fabrikam-shared-2"] {
        sandbox.azward(["start", name]).run().ok();
    }
    let (lab, work) = (directory(&sandbox, "fabrikam-shared-2"), directory(&sandbox, "contoso-production"));
    sandbox.azward(["logout", "lab"]).run().ok();
    assert_eq!(names(&sandbox), ["contoso-production", "contoso-development", "fabrikam-shared"]);
    assert!(!lab.path().exists() && !login_directory(&sandbox, "lab").path().exists());
    let kept = sandbox.azward(["forget", "--all", "--yes"]).run().ok().out();
    assert!(kept.contains("alice") && !kept.contains("bob"), "{kept}");
    assert!(work.path().exists());
    assert!(sandbox.azward(["logout", "lab"]).run().exited(2).err().contains("there is no login `lab`"));
}

#[test]
fn sync_brings_what_is_new_and_takes_what_is_gone() {
    let (sandbox, entra) = signed_out();
    login(&sandbox, &entra, "work", User::Alice);
    sandbox.azward(["start", "contoso-development"]).run().ok();
    // As if the one had been granted since, and the other did not exist.
    let profile = login_directory(&sandbox, "work").path().join("azureProfile.json");
    let text = std::fs::read_to_string(&profile).unwrap();
    let mut changed: serde_json::Value = serde_json::from_str(text.trim_start_matches('\u{feff}')).unwrap();
    let all = changed["subscriptions"].as_array_mut().unwrap();
    all.retain(|one| one["id"] != SUBSCRIPTION_3.id);
    let mut gone = all[0].clone();
    gone["id"] = "99999999-aaaa-4999-8999-999999999999".into();
    gone["name"] = "Contoso Gone".into();
    all.push(gone);
    std::fs::write(&profile, changed.to_string()).unwrap();
    assert_eq!(names(&sandbox), ["contoso-production", "contoso-development", "contoso-gone"]);
    sandbox.azward(["start", "contoso-gone"]).run().ok();
    let said = sandbox.azward(["sync", "work"]).run().ok().out();
    assert!(said.contains("+ fabrikam-shared") && said.contains("- contoso-gone"), "{said}");
    assert!(said.contains("stopped `contoso-gone`"), "{said}");
    assert_eq!(names(&sandbox), ["contoso-production", "contoso-development", "fabrikam-shared"]);
    assert_eq!(session(&sandbox, "contoso-development")["state"], "active");
}

#[test]
fn a_name_is_given_once_and_can_be_another() {
    let (sandbox, entra) = signed_out();
    login(&sandbox, &entra, "work", User::Alice);
    login(&sandbox, &entra, "lab", User::Bob);
    sandbox.azward(["rename", "fabrikam-shared-2", "bobs"]).run().ok();
    let taken = sandbox.azward(["rename", "bobs", "contoso-production"]).run().exited(2);
    assert!(taken.err().contains("another session's name"), "{taken:?}");
    for name in ["-x", "a/b", "", "a b"] {
        sandbox.azward(["rename", "bobs", "--", name]).run().exited(2);
    }
    // What comes and goes beside it changes no name.
    sandbox.azward(["logout", "work"]).run().ok();
    assert_eq!(names(&sandbox), ["bobs"]);
    login(&sandbox, &entra, "again", User::Alice);
    assert_eq!(names(&sandbox), ["contoso-production", "contoso-development", "fabrikam-shared", "bobs"]);
    // By its subscription, where that is one session's alone.
    sandbox.azward(["start", SUBSCRIPTION_2.id]).run().ok();
    let both = sandbox.azward(["start", SUBSCRIPTION_3.id]).run().exited(2);
    assert!(both.err().contains("hint: name one of them: fabrikam-shared, bobs"), "{both:?}");
}
