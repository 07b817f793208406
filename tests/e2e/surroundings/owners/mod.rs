//! Whose a file is and who may use it: what others own or could have written is not believed, and what others can read is
//! closed. Root in a user's home (`root`), and what a home is in the first place (`homes`).

mod homes;
mod root;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};

use crate::support::fake_az::{ALICE, logged_in};
use crate::support::{Invocation, Sandbox, provision};

/// Somebody else.
const USER: u32 = 65534;

fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        provision::announce("there is no second user where root is not: what is another's is not tested");
    }
    is_root
}

fn key_file(sandbox: &Sandbox) -> PathBuf {
    let mut paths = fs::read_dir(sandbox.azward_home()).unwrap().flatten().map(|entry| entry.path());
    paths.find(|path| path.extension().is_some_and(|ending| ending == "key")).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// How many refresh tokens the fake az saw last.
fn seen(sandbox: &Sandbox) -> serde_json::Value {
    sandbox.fake_log().pop().unwrap()["cache"]["refresh_tokens"].clone()
}

/// An az of somebody's that leaves a trace. Settings that name it are believed where it runs: PATH has no az any more, and the
/// box's own is where installers put one, which is looked at last.
fn trap(sandbox: &Sandbox) -> (PathBuf, PathBuf) {
    let (az, trace) = (sandbox.root().join("trap"), sandbox.root().join("trapped"));
    sandbox.make_script(&az, &format!("echo \"$@\" >>{}", trace.display()));
    let (moved, last) = (sandbox.root().join("moved"), sandbox.home().join(".local/bin"));
    fs::rename(sandbox.wrapped_az().parent().unwrap(), &moved).unwrap();
    fs::create_dir_all(&last).unwrap();
    sandbox.make_script(&last.join("az"), &format!("exec {}/az \"$@\"", moved.display()));
    (az, trace)
}

fn give_all(path: &Path) {
    lchown(path, Some(USER), Some(USER)).unwrap();
    if path.is_dir() && !path.is_symlink() {
        fs::read_dir(path).unwrap().flatten().for_each(|entry| give_all(&entry.path()));
    }
}

/// Everything below a directory that is not the user's.
fn not_the_user_s(path: &Path) -> Vec<PathBuf> {
    let metadata = fs::symlink_metadata(path).unwrap();
    let mut found = Vec::from_iter((metadata.uid() != USER).then(|| path.to_owned()));
    if metadata.is_dir() {
        found.extend(fs::read_dir(path).unwrap().flatten().flat_map(|entry| not_the_user_s(&entry.path())));
    }
    found
}

#[test]
fn no_second_user_reads_the_cache_while_az_runs_in_place() {
    if !is_root() {
        return;
    }
    let sandbox = logged_in();
    sandbox.set_exposure("in-place");
    let cache = sandbox.config().token_cache_path();
    for directory in [sandbox.root(), &sandbox.home(), &sandbox.config_dir()] {
        set_mode(directory, 0o755);
    }
    for words in [
        &["print", "started", "sleep", "3000"][..],
        &["login", "bob@contoso.example", "print", "started", "sleep", "3000"],
    ] {
        set_mode(&cache, 0o644);
        let running = sandbox.az(words).start();
        running.wait_for("started");
        assert_ne!(sandbox.config().refresh_token_count(), 0, "{words:?}");
        assert_eq!(mode(&cache), 0o600, "{words:?}");
        let script = format!("exec setpriv --reuid={USER} --regid={USER} --clear-groups \"$0\" \"$@\"");
        let other = Invocation::new(&sandbox, "cat").args([&cache]).in_script(&script).run();
        assert!(!other.status.success() && other.stdout.is_empty(), "{words:?}");
        running.finish().ok();
        assert_eq!(mode(&cache), 0o600, "{words:?}");
    }
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn a_key_a_vault_and_a_journal_that_others_could_read_are_closed_and_that_is_said() {
    let sandbox = logged_in();
    let home = sandbox.azward_home();
    let mut vault = fs::read_dir(home.join("vaults")).unwrap().flatten().map(|entry| entry.path());
    let vault = vault.find(|path| path.extension().is_some_and(|ending| ending == "vault")).unwrap();
    for open in [0o644, 0o660, 0o666] {
        for path in [key_file(&sandbox), vault.clone(), home.join("journal.jsonl")] {
            set_mode(&path, open);
            sandbox.az(["look"]).run().ok().silent();
            assert_eq!((mode(&path), seen(&sandbox)), (0o600, 1.into()), "{}", path.display());
            let report = sandbox.azward(["status"]).run().ok().out();
            let name = path.file_name().unwrap().to_str().unwrap();
            assert!(report.contains("other users could") && report.contains(name), "{report}");
        }
    }
    // One that is read before any run is closed too.
    set_mode(&home, 0o755);
    sandbox.azward(["status"]).run().ok();
    assert_eq!(mode(&home), 0o700);
}

#[test]
fn settings_that_others_could_write_name_no_real_az() {
    let sandbox = logged_in();
    let (az, trace) = trap(&sandbox);
    let home = sandbox.azward_home();
    let settings = home.join("config.toml");
    for (home_mode, settings_mode) in [(0o755, 0o666), (0o711, 0o620), (0o777, 0o644), (0o770, 0o600)] {
        fs::write(&settings, format!("real_az = {az:?}\n")).unwrap();
        set_mode(&settings, settings_mode);
        set_mode(&home, home_mode);
        for _ in 0..2 {
            sandbox.az(["look"]).run().ok().silent();
            assert_eq!((trace.exists(), seen(&sandbox)), (false, 1.into()), "{home_mode:o} {settings_mode:o}");
        }
        assert_eq!(mode(&home), 0o700);
        let report = sandbox.azward(["status"]).run().ok().out();
        assert!(report.contains("other users could write the settings"), "{report}");
        assert!(!settings.exists(), "they are set aside");
    }
    // Where others do not get to, a file's mode is of no use to them: a group of one's own, as umask 002 has it.
    fs::write(&settings, format!("real_az = {az:?}\n")).unwrap();
    set_mode(&settings, 0o664);
    sandbox.az(["look"]).run().ok();
    assert!(trace.exists() && mode(&settings) == 0o600);
}

#[test]
fn what_another_user_owns_is_not_believed() {
    if !is_root() {
        return;
    }
    let sandbox = logged_in();
    let (az, trace) = trap(&sandbox);
    let (home, settings) = (sandbox.azward_home(), sandbox.azward_home().join("config.toml"));
    fs::write(&settings, format!("real_az = {az:?}\n")).unwrap();
    chown(&settings, Some(USER), None).unwrap();
    sandbox.az(["look"]).run().ok().silent();
    assert_eq!((trace.exists(), seen(&sandbox)), (false, 1.into()));
    assert!(sandbox.azward(["status"]).run().ok().out().contains("not azward's own"));
    fs::remove_file(&settings).unwrap();

    let key = key_file(&sandbox);
    chown(&key, Some(USER), None).unwrap();
    let failed = sandbox.az(["roll"]).run().exited(1);
    assert!(failed.err().contains("not azward's own"), "{failed:?}");
    assert!(sandbox.azward(["status"]).run().exited(4).err().contains("not azward's own"));
    chown(&key, Some(0), None).unwrap();

    // The whole home, with a real az in it.
    fs::write(&settings, format!("real_az = {az:?}\n")).unwrap();
    give_all(&home);
    let before = fs::read(home.join("journal.jsonl")).unwrap();
    sandbox.az(["look"]).run().ok().silent();
    assert_eq!((trace.exists(), seen(&sandbox)), (false, 0.into()), "the real az runs, and alone");
    let report = sandbox.azward(["status"]).run().exited(1);
    assert!(report.err().contains("belongs to another user"), "{report:?}");
    for command in ["scrub", "install", "uninstall"] {
        let refused = sandbox.azward([command]).run().exited(1);
        assert!(refused.err().contains("belongs to another user") && refused.stdout.is_empty(), "{refused:?}");
    }
    assert_eq!(fs::read(home.join("journal.jsonl")).unwrap(), before);
    assert!(not_the_user_s(&home).is_empty(), "nothing was made in it");
}

#[test]
fn a_link_that_another_user_made_is_no_home() {
    if !is_root() {
        return;
    }
    let sandbox = logged_in();
    let (home, elsewhere) = (sandbox.azward_home(), sandbox.root().join("elsewhere"));
    fs::rename(&home, &elsewhere).unwrap();
    symlink(&elsewhere, &home).unwrap();
    sandbox.az(["look"]).run().ok().silent();
    assert_eq!(seen(&sandbox), 1, "one's own link is as good as the directory");
    lchown(&home, Some(USER), None).unwrap();
    sandbox.az(["look"]).run().ok().silent();
    assert_eq!(seen(&sandbox), 0);
    assert!(sandbox.azward(["status"]).run().exited(1).err().contains("another user made"));
}
