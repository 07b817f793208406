//! Logins of an unwrapped az, and copies of a config directory: which of several refresh tokens is good the endpoint says.

use std::fs;

use entra::{Rolling, User};

use super::{By, redeem, sandbox, status};
use crate::support::fake_az::json::Json;
use crate::support::{BY_AZ, BY_AZWARD, Invocation, Sandbox};

#[test]
fn a_plain_login_is_adopted_by_the_next_invocation_of_any_kind() {
    let (sandbox, entra) = sandbox(Rolling::Strict);
    let is_in_the_clear = || sandbox.config().refresh_token_count() == 1;
    sandbox.plain_login(&entra, User::Alice);
    sandbox.azward(["status"]).run().exited(1);
    let lying = "`msal_token_cache.json`: 1 refresh token, which no az needs there";
    assert_eq!(status(&sandbox), (0, lying.to_owned()));
    assert!(is_in_the_clear(), "looking changes nothing");
    let adopted = || {
        sandbox.assert_nothing_in_the_clear();
        let (logins, clear) = status(&sandbox);
        assert!(logins == 1 && clear.starts_with("nothing, in all "), "{clear}");
    };

    sandbox.az(["account", "show"]).run().ok().silent();
    adopted();
    redeem(&sandbox, &entra, "one", By::Az);

    // From here on the vault has one already, and the newer wins.
    sandbox.plain_login(&entra, User::Alice);
    assert!(is_in_the_clear());
    sandbox.azward(["scrub"]).run().ok().silent();
    adopted();
    redeem(&sandbox, &entra, "two", By::AzwardBeforeAz);

    sandbox.plain_login(&entra, User::Alice);
    redeem(&sandbox, &entra, "three", By::AzwardBeforeAz);
    adopted();

    sandbox.plain_login(&entra, User::Alice);
    redeem(&sandbox, &entra, "four", By::Azward);
    adopted();

    // An older token cache, as out of a backup, is not newer for being there.
    sandbox.plain_login(&entra, User::Alice);
    let old = sandbox.config().token_cache_text();
    redeem(&sandbox, &entra, "five", By::AzwardBeforeAz);
    for by in [By::Az, By::Azward] {
        fs::write(sandbox.config().token_cache_path(), &old).expect("it can be written");
        redeem(&sandbox, &entra, "six", by);
        adopted();
    }
}

/// Says of the refresh token in the file that it changed at `time`, in seconds since the epoch.
fn set_changed(sandbox: &Sandbox, time: &str) {
    sandbox.config().edit_token_cache(|cache| {
        let Some(Json::Object(entries)) = cache.get_mut("RefreshToken") else { panic!("no refresh tokens") };
        entries.iter_mut().for_each(|(_, entry)| entry.set("last_modification_time", time.to_owned()));
    });
}

/// Long ago, and later than whatever is written today.
fn times() -> [String; 2] {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("it is after 1970").as_secs();
    ["1600000000".to_owned(), (now + 600).to_string()]
}

/// A token for an API that nobody has asked for yet, by an unwrapped az.
fn redeem_plainly(sandbox: &Sandbox, api: &str) {
    let resource = format!("https://{api}.example");
    sandbox.plain_az(["account", "get-access-token", "--resource", &resource]).run().ok().silent();
}

/// Who redeems a token first, az or azward.
#[derive(Clone, Copy, Debug)]
enum First {
    Az,
    Azward,
}

/// What must hold whichever copy of a token cache was put where: the login works, by the real az and by azward, it is one
/// login, and nothing is in the clear.
fn works(sandbox: &Sandbox, first: First) {
    let (name, ways) = match first {
        First::Az => ("az", [BY_AZ, BY_AZWARD]),
        First::Azward => ("azward", [BY_AZWARD, BY_AZ]),
    };
    let redeem = |how: &str, api: &str| {
        let resource = format!("https://{api}-{name}.example");
        sandbox
            .az(["account", "get-access-token", "--resource", &resource, how, "--output", "json"])
            .run()
            .ok()
            .silent();
        sandbox.assert_nothing_in_the_clear();
    };
    redeem(ways[0], "first");
    redeem(ways[1], "second");
    redeem(ways[0], "third");
    assert_eq!(status(sandbox).0, 1);
}

#[test]
fn a_copy_older_than_the_vault_remembers_never_costs_the_login() {
    let (sandbox, entra) = sandbox(Rolling::Strict);
    sandbox.plain_login(&entra, User::Alice);
    let old = sandbox.config().token_cache_text();
    for number in 0..80 {
        let resource = format!("https://n{number}.example");
        sandbox.az(["account", "get-access-token", "--resource", &resource]).run().ok().silent();
    }
    for time in times() {
        for first in [First::Azward, First::Az] {
            fs::write(sandbox.config().token_cache_path(), &old).expect("it can be written");
            set_changed(&sandbox, &time);
            works(&sandbox, first);
        }
    }
}

#[test]
fn a_copy_with_a_token_that_the_vault_never_had_is_as_good_as_the_endpoint_says() {
    for is_copy_good in [false, true] {
        for time in times() {
            for first in [First::Azward, First::Az] {
                let (sandbox, entra) = sandbox(Rolling::Strict);
                sandbox.plain_login(&entra, User::Alice);
                let old = sandbox.config().token_cache_text();
                let copy = if is_copy_good {
                    // Another machine's, which went on with the login after it was taken in here.
                    sandbox.az(["account", "show"]).run().ok().silent();
                    fs::write(sandbox.config().token_cache_path(), &old).expect("it can be written");
                    redeem_plainly(&sandbox, "elsewhere");
                    sandbox.config().token_cache_text()
                } else {
                    redeem_plainly(&sandbox, "before");
                    sandbox.az(["account", "show"]).run().ok().silent();
                    old
                };
                for _ in 0..2 {
                    fs::write(sandbox.config().token_cache_path(), &copy).expect("it can be written");
                    set_changed(&sandbox, &time);
                    works(&sandbox, first);
                }
            }
        }
    }
}

#[test]
fn where_no_copy_is_good_az_says_so_and_a_new_login_is() {
    let (sandbox, entra) = sandbox(Rolling::Strict);
    sandbox.plain_login(&entra, User::Alice);
    let copy = sandbox.config().token_cache_text();
    redeem_plainly(&sandbox, "before");
    sandbox.az(["account", "show"]).run().ok().silent();
    fs::write(sandbox.config().token_cache_path(), &copy).expect("it can be written");
    set_changed(&sandbox, &times()[1]);
    entra.revoke(User::Alice);
    let refused = sandbox.az(["account", "get-access-token", "--resource", "https://one.example"]).run().exited(1);
    assert!(refused.err().contains("AADSTS"), "{refused:?}");
    sandbox.assert_nothing_in_the_clear();
    sandbox.login(&entra, User::Alice);
    works(&sandbox, First::Az);
}

#[test]
fn a_copied_config_directory_is_worth_nothing_once_its_access_tokens_expired() {
    let (sandbox, entra) = sandbox(Rolling::Strict);
    sandbox.login(&entra, User::Alice);
    let copy = sandbox.config().copy_to(sandbox.root().join("copy"));
    let stolen = ["account", "get-access-token"];
    let with_copy = |az: Invocation<'_>| az.env("AZURE_CONFIG_DIR", copy.path()).run();
    with_copy(sandbox.plain_az(stolen)).ok().silent();
    copy.age_access_tokens(-1, "");
    let refreshes = entra.refreshes();
    for outcome in [with_copy(sandbox.plain_az(stolen)), with_copy(sandbox.az(stolen))] {
        let outcome = outcome.exited(1);
        assert!(outcome.err().starts_with("ERROR: Can't find token from MSAL cache.\n"), "{outcome:?}");
        assert!(outcome.err().contains("az login"), "{outcome:?}");
    }
    assert_eq!(entra.refreshes(), refreshes, "there was nothing to ask with");
    redeem(&sandbox, &entra, "one", By::Az);
}
