//! What an endpoint says that misbehaves: grants that cannot be one, grants that would lay a refresh token open, refusals
//! that echo what was sent. None of it changes anything, none of it is told, and the login survives.

use std::fs;
use std::path::PathBuf;

use entra::{Entra, Fault, Rolling, Trouble, User};

use crate::support::native::{age, arm_token};
use crate::support::{BY_AZ, Sandbox};

const TOKEN: [&str; 2] = ["account", "get-access-token"];

/// A box that is logged in at an endpoint whose refresh tokens stay good.
fn lenient(sandbox: (Sandbox, Entra)) -> (Sandbox, Entra) {
    let (sandbox, entra) = sandbox;
    entra.knobs(|knobs| knobs.rolling = Rolling::Entra);
    (sandbox, entra)
}

fn forget_denials(sandbox: &Sandbox) {
    for entry in fs::read_dir(sandbox.azward_home().join("run")).unwrap().flatten() {
        if entry.file_name().to_string_lossy().contains(".rotate-") {
            fs::write(entry.path(), "").unwrap();
        }
    }
}

/// Every vault, byte for byte.
fn vaults(sandbox: &Sandbox) -> Vec<(PathBuf, Vec<u8>)> {
    let files = fs::read_dir(sandbox.azward_home().join("vaults")).unwrap().flatten().map(|entry| entry.path());
    let mut vaults: Vec<_> = files.map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    vaults.sort();
    vaults
}

fn alter(entra: &Entra, changes: &[(&'static str, Option<&str>)]) {
    let changes = changes.iter().map(|(name, value)| (*name, value.map(str::to_owned))).collect();
    entra.knobs(|knobs| knobs.faults = vec![Fault::new(Trouble::Alter(changes)).for_grant("refresh_token")]);
}

#[test]
fn a_grant_that_cannot_be_one_changes_nothing() {
    let (sandbox, entra) = lenient(Sandbox::without_az());
    let long = format!("\"{}\"", "a".repeat(70_000));
    let info = |json: &str| {
        use base64::Engine as _;
        format!("\"{}\"", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(json))
    };
    let (stranger, teller) = (info(r#"{"uid": "other", "utid": "tenant"}"#), info(r#"{"uid": "o"}"#));
    for change in [
        ("refresh_token", Some("\"\"")),
        ("refresh_token", Some("\" \"")),
        ("refresh_token", Some("\"\\n\"")),
        ("refresh_token", Some("\"a\\\"b\"")),
        ("refresh_token", Some("\"a\\\\b\"")),
        ("refresh_token", Some(long.as_str())),
        ("refresh_token", Some("7")),
        ("access_token", Some("\"\"")),
        ("access_token", Some("null")),
        ("access_token", None),
        ("access_token", Some(long.as_str())),
        ("expires_in", Some("0")),
        ("expires_in", Some("-3600")),
        ("expires_in", Some("\"-1\"")),
        ("expires_in", Some("2147483647")),
        ("expires_in", Some("null")),
        ("expires_in", None),
        ("refresh_in", Some("-5")),
        ("ext_expires_in", Some("-1")),
        ("token_type", Some("\"pop\"")),
        ("scope", Some("\"\"")),
        ("scope", Some("\"a\\u001b[2J\"")),
        ("foci", Some("\"\"")),
        ("id_token", Some("\"a b\"")),
        ("client_info", Some(stranger.as_str())),
        ("client_info", Some(teller.as_str())),
        ("client_info", Some("\"%\"")),
        ("error", Some("null")),
        // A refresh token where everybody can read it.
        ("access_token", Some("\"$SENT\"")),
        ("access_token", Some("\"$NEW\"")),
        ("id_token", Some("\"x.$SENT.y\"")),
        ("scope", Some("\"https://management.core.windows.net//.default $SENT\"")),
        ("scope", Some("\"$NEW\"")),
    ] {
        forget_denials(&sandbox);
        age(&sandbox, &entra, 600);
        let (cache, vault) = (sandbox.config().token_cache_text(), vaults(&sandbox));
        alter(&entra, &[change]);
        let outcome = sandbox.az(TOKEN).run().ok().silent();
        assert_eq!((outcome.token(), entra.refreshes()), (arm_token(&sandbox.config()), 1), "{change:?}");
        assert!(sandbox.config().token_cache_text() == cache, "{change:?}: the cache has changed");
        assert!(vaults(&sandbox) == vault, "{change:?}: the vault has changed");
        sandbox.assert_nothing_in_the_clear();
    }
    entra.knobs(|knobs| knobs.faults.clear());
    forget_denials(&sandbox);
    age(&sandbox, &entra, 600);
    let old = arm_token(&sandbox.config());
    assert_ne!(sandbox.az(TOKEN).run().ok().silent().token(), old);
}

#[test]
fn az_itself_cannot_lose_the_login_to_an_empty_refresh_token() {
    for exposure in ["auto", "in-place"] {
        let (sandbox, entra) = lenient(Sandbox::logged_in());
        sandbox.set_exposure(exposure);
        let long = format!("\"{}\"", "a".repeat(70_000));
        for empty in ["\"\"", "\" \\n\"", long.as_str()] {
            alter(&entra, &[("refresh_token", Some(empty))]);
            // A form that azward leaves to az, which stores whatever it is given.
            entra.clear_journal();
            sandbox.az(TOKEN).args([BY_AZ, "--scope", "https://one.example/.default"]).run().ok();
            sandbox.config().edit_token_cache(|cache| {
                cache.get_mut("AccessToken").unwrap().retain(|_, entry| !entry.text("target").contains("one.example"));
            });
            assert_eq!(entra.refreshes(), 1);
            entra.knobs(|knobs| knobs.faults.clear());
            age(&sandbox, &entra, 100);
            let old = arm_token(&sandbox.config());
            assert_ne!(sandbox.az(TOKEN).run().ok().silent().token(), old, "{exposure}");
            assert_eq!(sandbox.config().refresh_token_count(), 0, "{exposure}");
            sandbox.assert_nothing_in_the_clear();
        }
        sandbox.az(["logout"]).run().ok();
        sandbox.login(&entra, User::Alice);
    }
}

#[test]
fn nothing_that_an_endpoint_echoes_is_told_or_kept() {
    let (sandbox, entra) = lenient(Sandbox::without_az());
    let journal = sandbox.azward_home().join("journal.jsonl");
    for status in [400, 401, 403, 429, 500, 503, 200, 302, 307, 418] {
        forget_denials(&sandbox);
        age(&sandbox, &entra, 600);
        let old = arm_token(&sandbox.config());
        entra.knobs(|knobs| knobs.faults = vec![Fault::new(Trouble::Echo(status))]);
        let before = fs::metadata(&journal).unwrap().len();
        assert_eq!(sandbox.az(TOKEN).run().ok().silent().token(), old, "{status}");
        assert_eq!(entra.token_requests(), 1, "{status}");
        let grown = fs::metadata(&journal).unwrap().len() - before;
        assert!(grown < 2048, "{status}: {grown} bytes");
        sandbox.assert_nothing_in_the_clear();
    }
    // What is shown is searched as well.
    sandbox.azward(["status"]).run();
}
