//! `seal = "all-tokens"`: while no az needs them no token of any kind is in a file, and nobody notices but who copies the files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use entra::{Entra, SERVICE_PRINCIPAL, TENANT_A, User};

use crate::support::canary::holds;
use crate::support::native::{ARM_SCOPE, claims};
use crate::support::{ConfigDir, LOUD, Sandbox, Signal, in_shell, wait_until};

const TOKEN: [&str; 2] = ["account", "get-access-token"];
const VAULT: &str = "https://vault.azure.net";

/// How every token begins that says of itself what it is: longer than what may stand in sealed bytes by chance.
const JWT: &str = "eyJ0eXAiOiJKV1Qi";

/// A box with the real az in which alice is logged in and all tokens are sealed.
fn logged_in() -> (Sandbox, Entra) {
    let sandbox = Sandbox::new().with_real_az();
    sandbox.set("seal", "all-tokens");
    let entra = sandbox.start_entra(|_| {});
    sandbox.login(&entra, User::Alice);
    assert_sealed(&sandbox);
    (sandbox, entra)
}

/// The files below `directory` that have a token in them.
fn with_tokens(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type().unwrap() {
            kind if kind.is_dir() && !path.ends_with("bin") => found.extend(with_tokens(&path)),
            kind if kind.is_file() && holds(&fs::read(&path).unwrap_or_default(), JWT) => found.push(path),
            _ => {}
        }
    }
    found
}

#[track_caller]
fn assert_sealed(sandbox: &Sandbox) {
    sandbox.assert_nothing_in_the_clear();
    let found = with_tokens(&sandbox.home());
    assert!(found.is_empty(), "a token is in the clear in {found:?}");
    assert!(!sandbox.config().accounts().is_empty(), "the cache still says who is signed in");
}

fn is_sealed(sandbox: &Sandbox) -> bool {
    sandbox.is_nothing_in_the_clear() && with_tokens(&sandbox.home()).is_empty()
}

fn sealed_files(sandbox: &Sandbox) -> usize {
    fs::read_dir(sandbox.azward_home().join("tokens")).map_or(0, Iterator::count)
}

#[test]
fn answers_come_from_the_vault_and_az_uses_what_is_sealed() {
    let (sandbox, entra) = logged_in();
    let first = sandbox.az(TOKEN).run().ok().silent();
    entra.clear_journal();
    // Every command of az's that needs a token has the one that is there.
    sandbox.az(["group", "list"]).run().ok();
    assert_sealed(&sandbox);
    let by_az = sandbox.az(TOKEN).args(["--only-show"]).run().ok().silent();
    assert_sealed(&sandbox);
    assert_eq!(by_az.token(), first.token());
    assert_eq!(entra.token_requests(), 0, "{:?}", entra.journal());
    // What az stores is sealed when it ends.
    let other = sandbox.az(TOKEN).args(["--resource", VAULT, "--only-show"]).run().ok().silent();
    assert_sealed(&sandbox);
    sandbox.wrap_script(LOUD);
    entra.clear_journal();
    assert_eq!(sandbox.az(TOKEN).run().ok().silent().out(), first.out());
    assert_eq!(sandbox.az(TOKEN).args(["--resource", VAULT]).run().ok().silent().token(), other.token());
    assert_eq!(entra.token_requests(), 0);
    let status = sandbox.azward(["status"]).run().ok().out();
    assert!(status.contains("all tokens\n"), "{status}");
}

#[test]
fn a_token_that_is_renewed_is_never_in_a_file() {
    let (sandbox, entra) = logged_in();
    sandbox.wrap_script(LOUD);
    entra.knobs(|knobs| knobs.refresh_in = Some(2));
    let first = sandbox.az(TOKEN).args(["--resource", VAULT]).run().ok().silent().token();
    assert_sealed(&sandbox);
    std::thread::sleep(Duration::from_secs(4));
    entra.clear_journal();
    let second = sandbox.az(TOKEN).args(["--resource", VAULT]).run().ok().silent().token();
    assert!(first != second && entra.refreshes() == 1, "{:?}", entra.journal());
    assert_sealed(&sandbox);
    sandbox.azward(["refresh"]).run().ok();
    assert_sealed(&sandbox);
    assert_eq!(sealed_files(&sandbox), 1);
}

#[test]
fn a_copy_of_the_directory_is_worthless_at_once() {
    let (sandbox, entra) = logged_in();
    let secret = entra.client_secret();
    let application = ["--username", SERVICE_PRINCIPAL.client_id, "--tenant", TENANT_A.id, "--password", secret];
    sandbox.az(["login", "--service-principal"]).args(application).run().ok();
    sandbox.az(TOKEN).args(["--resource", VAULT]).run().ok();
    assert_sealed(&sandbox);
    let copy = sandbox.config().copy_to(sandbox.root().join("copy"));
    entra.clear_journal();
    for resource in [VAULT, "https://management.core.windows.net/"] {
        for subscription in sandbox.config().subscriptions() {
            let id = subscription["id"].as_str().unwrap();
            let words = ["--resource", resource, "--subscription", id];
            let stolen = sandbox.plain_az(TOKEN).args(words).env("AZURE_CONFIG_DIR", copy.path()).run().exited(1);
            assert!(!stolen.out().contains(JWT), "{stolen:?}");
        }
    }
    assert!(entra.journal().iter().all(|request| request.status != Some(200) || !request.is_token_request()));
}

#[test]
fn what_is_set_holds_at_once_both_ways() {
    let sandbox = Sandbox::new().with_real_az();
    let entra = sandbox.start_entra(|_| {});
    sandbox.login(&entra, User::Alice);
    let view = ConfigDir::at(sandbox.home().join("view"));
    sandbox.azward(["view".as_ref(), view.path()]).run().ok();
    sandbox.az(TOKEN).env("AZURE_CONFIG_DIR", view.path()).run().ok();
    let before = sandbox.config().token_cache_text();
    assert!(holds(before.as_bytes(), JWT) && !with_tokens(view.path()).is_empty());
    let doctor = sandbox.azward(["doctor"]).run();
    assert!(doctor.out().contains("azward config set seal all-tokens"), "{doctor:?}");
    let said = sandbox.azward(["config", "set", "seal", "all-tokens"]).run().ok();
    assert!(!said.out().contains("not in"), "{said:?}");
    assert_sealed(&sandbox);
    assert_eq!(sealed_files(&sandbox), 2);
    assert!(!sandbox.azward(["doctor"]).run().out().contains("config set seal"));
    sandbox.azward(["config", "unset", "seal"]).run().ok();
    assert_eq!((sandbox.config().token_cache_text(), sealed_files(&sandbox)), (before, 0));
    assert!(!with_tokens(view.path()).is_empty());
}

#[test]
fn a_run_that_was_killed_leaves_no_token_behind() {
    for exposure in ["private", "memory", "in-place"] {
        let (sandbox, _entra) = logged_in();
        sandbox.set_exposure(exposure);
        let real = in_shell(sandbox.wrapped_az());
        sandbox.wrap_script(&format!("{real} \"$@\"; echo stored; sleep 20"));
        let az = sandbox.az(["group", "list", "--output", "none"]).start();
        az.wait_for("stored");
        az.signal_group(Signal::KILL);
        az.finish();
        wait_until(&format!("{exposure}: the guardian seals them"), || is_sealed(&sandbox));
        sandbox.wrap_script(LOUD);
        wait_until("the cache is where it was", || !sandbox.config().token_cache_path().is_symlink());
        sandbox.az(TOKEN).run().ok().silent();
        assert_sealed(&sandbox);
    }
}

#[test]
fn what_an_az_beside_azward_stores_is_sealed_by_the_next_one() {
    let (sandbox, entra) = logged_in();
    sandbox.expect_clear(sandbox.config_dir());
    sandbox.plain_login(&entra, User::Bob);
    assert!(!with_tokens(&sandbox.config_dir()).is_empty());
    sandbox.az(["version"]).run().ok();
    assert!(is_sealed(&sandbox), "{:?}", with_tokens(&sandbox.home()));
    sandbox.wrap_script(LOUD);
    sandbox.az(TOKEN).run().ok().silent();
    let mine = sandbox.config().subscriptions();
    let of = |user: User| mine.iter().find(|own| own["user"]["name"] == user.username()).unwrap()["id"].clone();
    for user in [User::Alice, User::Bob] {
        let id = of(user);
        let told = sandbox.az(TOKEN).args(["--subscription", id.as_str().unwrap()]).run().ok().silent();
        assert_eq!(claims(&told.token())["oid"], user.home_object_id());
    }
}

#[test]
fn who_signs_out_has_nothing_left_and_who_stays_has() {
    let (sandbox, entra) = logged_in();
    sandbox.login(&entra, User::Bob);
    let alice = User::Alice.username();
    sandbox.az(["logout", "--username", alice]).run().ok();
    assert_sealed(&sandbox);
    assert_eq!(sandbox.config().accounts(), [User::Bob.username()]);
    // To have it in the file again shows what was sealed.
    sandbox.azward(["config", "set", "seal", "refresh-tokens"]).run().ok();
    let owners: Vec<_> =
        sandbox.config().entries("AccessToken").iter().map(|own| own["home_account_id"].clone()).collect();
    assert!(!owners.is_empty() && owners.iter().all(|owner| *owner == User::Bob.home_account_id()), "{owners:?}");
    sandbox.azward(["config", "set", "seal", "all-tokens"]).run().ok();
    sandbox.az(["logout"]).run().ok();
    assert_eq!(sealed_files(&sandbox), 0);
    sandbox.login(&entra, User::Alice);
    sandbox.az(["account", "clear"]).run().ok();
    assert!(is_sealed(&sandbox));
    sandbox.az(TOKEN).run().exited(1);
}

#[test]
fn an_uninstall_puts_everything_back() {
    let (sandbox, entra) = logged_in();
    let token = sandbox.az(TOKEN).run().ok().token();
    sandbox.azward(["install", "--no-modify-path"]).run().ok();
    assert_sealed(&sandbox);
    sandbox.expect_clear(sandbox.config_dir());
    sandbox.azward(["uninstall"]).run().ok();
    assert!(!sandbox.azward_home().exists());
    entra.clear_journal();
    assert_eq!(sandbox.plain_az(TOKEN).run().ok().token(), token);
    assert_eq!(entra.token_requests(), 0);
}

#[test]
fn what_does_not_open_is_renewed() {
    let (sandbox, entra) = logged_in();
    sandbox.wrap_script(LOUD);
    let first = sandbox.az(TOKEN).run().ok().token();
    let sealed = fs::read_dir(sandbox.azward_home().join("tokens")).unwrap().next().unwrap().unwrap().path();
    let whole = fs::read(&sealed).unwrap();
    let tear = |bytes: &[u8]| fs::write(&sealed, bytes).unwrap();
    tear(&whole[..whole.len() / 2]);
    let second = sandbox.az(TOKEN).run().ok().silent().token();
    assert_ne!(first, second);
    fs::remove_file(&sealed).unwrap();
    fs::create_dir(&sealed).unwrap();
    // It cannot be sealed, and so it is where az itself would have it.
    let third = sandbox.az(TOKEN).run().ok().silent().token();
    assert_ne!(second, third);
    let kept = sandbox.config().access_token(TENANT_A.id, ARM_SCOPE).unwrap();
    assert_eq!(kept["secret"].as_str(), Some(third.as_str()));
    fs::remove_dir(&sealed).unwrap();
    sandbox.azward(["scrub"]).run().ok();
    assert_sealed(&sandbox);
    entra.clear_journal();
    assert_eq!((sandbox.az(TOKEN).run().ok().silent().token(), entra.token_requests()), (third, 0));
    // The vaults get another key.
    let passphrase = sandbox.root().join("passphrase");
    fs::write(&passphrase, "correct horse\n").unwrap();
    fs::set_permissions(&passphrase, fs::Permissions::from_mode(0o600)).unwrap();
    sandbox.set_env("AZWARD_PASSPHRASE_FILE", passphrase);
    sandbox.azward(["vault", "move", "--to", "passphrase"]).run().ok();
    sandbox.az(TOKEN).run().ok().silent();
    assert_sealed(&sandbox);
}

#[test]
fn a_program_that_reads_the_file_gets_it_by_exec() {
    let (sandbox, _entra) = logged_in();
    let cache = sandbox.config().token_cache_path();
    let read = |sandbox: &Sandbox| {
        let words = ["exec".as_ref(), "--".as_ref(), "cat".as_ref(), cache.as_os_str()];
        sandbox.azward(words).expect_clear_output().run().ok().out()
    };
    assert!(read(&sandbox).contains(JWT));
    assert_sealed(&sandbox);
}

#[test]
fn sessions_have_theirs_sealed_too() {
    let (sandbox, entra) = logged_in();
    let listed = sandbox.azward(["list", "--json"]).run().ok().json();
    let name = listed["sessions"][0]["name"].as_str().unwrap().to_owned();
    sandbox.azward(["start", &name]).run().ok();
    assert_sealed(&sandbox);
    let files = sealed_files(&sandbox);
    assert!(files >= 2, "{files}");
    entra.clear_journal();
    let token = sandbox.azward(["token", &name]).run().ok().silent().out();
    assert!(token.contains(JWT) && entra.token_requests() == 0, "{:?}", entra.journal());
    // How long it is good is known all the same, and so nothing is begun anew that is not due.
    let listed = sandbox.azward(["list", "--json"]).run().ok().json();
    assert!(listed["sessions"][0]["expires_on"].is_number(), "{listed}");
    for words in [&["rotate", &name][..], &["start", &name], &["exec", &name, "--", "true"]] {
        sandbox.azward(words).run().ok();
    }
    assert!(entra.token_requests() == 0, "{:?}", entra.journal());
    assert_sealed(&sandbox);
    sandbox.azward(["stop", &name]).run().ok();
    assert_sealed(&sandbox);
    assert_eq!(sealed_files(&sandbox), files - 1);
}
