//! Whose a file is and who may use it: what others own or could have written is not believed, what others can read is
//! closed, root in a user's home leaves the user's things the user's and follows none of their links, and nothing that
//! azward did not make is given another mode or owner.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};

use crate::support::{Invocation, Sandbox, provision};

const ALICE: &str = "alice@contoso.example";
/// Somebody else.
const USER: u32 = 65534;

fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        provision::announce("there is no second user where root is not: what is another's is not tested");
    }
    is_root
}

fn logged_in() -> Sandbox {
    let sandbox = Sandbox::new().with_fake_az();
    sandbox.az(["login", ALICE]).run().ok().silent();
    sandbox.assert_nothing_in_the_clear();
    sandbox
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

/// An az of somebody's that leaves a trace.
fn trap(sandbox: &Sandbox) -> (PathBuf, PathBuf) {
    let (az, trace) = (sandbox.root().join("trap"), sandbox.root().join("trapped"));
    sandbox.make_script(&az, &format!("echo \"$@\" >>{}", trace.display()));
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
    let settings = home.join("config.json");
    for (home_mode, settings_mode) in [(0o755, 0o666), (0o711, 0o620), (0o777, 0o644), (0o770, 0o600)] {
        fs::write(&settings, serde_json::json!({ "real_az": az }).to_string()).unwrap();
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
    fs::write(&settings, serde_json::json!({ "real_az": az }).to_string()).unwrap();
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
    let (home, settings) = (sandbox.azward_home(), sandbox.azward_home().join("config.json"));
    fs::write(&settings, serde_json::json!({ "real_az": az }).to_string()).unwrap();
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
    fs::write(&settings, serde_json::json!({ "real_az": az }).to_string()).unwrap();
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

/// Root with the user's `HOME`, as `sudo az` has it where that is kept.
#[test]
fn root_in_a_user_s_home_follows_none_of_their_links_and_leaves_them_what_it_makes() {
    if !is_root() {
        return;
    }
    let sandbox = Sandbox::new().with_fake_az();
    let elsewhere = sandbox.root().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    set_mode(&elsewhere, 0o755);
    fs::write(elsewhere.join("there"), "root's").unwrap();
    fs::create_dir(sandbox.config_dir()).unwrap();
    give_all(&sandbox.home());
    sandbox.az(["login", ALICE]).run().ok().silent();
    sandbox.az(["look"]).run().ok().silent();
    assert_eq!(seen(&sandbox), 1);
    assert_eq!(not_the_user_s(&sandbox.azward_home()), Vec::<PathBuf>::new());
    assert_eq!(not_the_user_s(&sandbox.config().token_cache_path()), Vec::<PathBuf>::new());

    let home = sandbox.azward_home();
    let aside = sandbox.root().join("aside");
    let key = key_file(&sandbox).file_name().unwrap().to_str().unwrap().to_owned();
    for (name, target) in [
        ("journal.jsonl", "new"),
        ("journal.jsonl", "there"),
        ("journal.1.jsonl", "there"),
        ("config.json", "there"),
        (&key, "there"),
        ("key.lock", "new"),
        ("azward-home", "new"),
        ("run", ""),
        ("vaults", ""),
        ("bin", ""),
    ] {
        let place = home.join(name);
        let had = fs::rename(&place, &aside).is_ok();
        symlink(elsewhere.join(target), &place).unwrap();
        lchown(&place, Some(USER), None).unwrap();
        // Whatever became of them: az ran.
        for words in [&["print", "x"][..], &["login", ALICE], &["account", "get-access-token"]] {
            sandbox.az(words).run();
        }
        sandbox.azward(["status"]).run();
        sandbox.azward(["install"]).run();
        if fs::symlink_metadata(&place).is_ok_and(|metadata| metadata.is_symlink()) {
            fs::remove_file(&place).unwrap();
        }
        if had && !place.exists() {
            fs::rename(&aside, &place).unwrap();
        } else if had && aside.is_file() {
            fs::remove_file(&aside).unwrap();
        }
        let names: Vec<_> = fs::read_dir(&elsewhere).unwrap().flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(names, ["there"], "{name}");
        assert_eq!(fs::read(elsewhere.join("there")).unwrap(), b"root's", "{name}");
        for path in [elsewhere.clone(), elsewhere.join("there")] {
            assert_eq!(fs::metadata(&path).unwrap().uid(), 0, "{name}");
        }
        assert_eq!(mode(&elsewhere), 0o755, "{name}");
    }
    assert_eq!(not_the_user_s(&home), Vec::<PathBuf>::new(), "what install made is the user's, too");
    sandbox.expect_clear(sandbox.config().token_cache_path());
}

#[test]
fn root_in_a_user_s_config_directory_writes_through_none_of_their_links() {
    if !is_root() {
        return;
    }
    let sandbox = Sandbox::new().with_fake_az();
    let cache = sandbox.config().token_cache_path();
    let elsewhere = sandbox.root().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("there"), "4242 root's").unwrap();
    fs::create_dir(sandbox.config_dir()).unwrap();
    give_all(&sandbox.home());
    let text = || fs::read(elsewhere.join("there")).unwrap();
    // Something to scrub, or something to repair: both want those files.
    for name in ["lockfile", "azward-whole", "azward"] {
        let _ = fs::remove_file(&cache);
        sandbox.plain_az(["login", ALICE]).run().ok();
        if name == "azward-whole" {
            let mut torn = fs::read(&cache).unwrap();
            torn[0] = b'!';
            fs::write(&cache, torn).unwrap();
        }
        let planted = cache.with_file_name(format!("msal_token_cache.json.{name}"));
        symlink(elsewhere.join("there"), &planted).unwrap();
        lchown(&planted, Some(USER), None).unwrap();
        sandbox.azward(["scrub"]).run();
        let _ = fs::remove_file(&planted);
        assert_eq!(text(), b"4242 root's", "{name}");
        assert_ne!(fs::read(&cache).unwrap(), text(), "{name}");
    }
    fs::remove_file(&cache).unwrap();
    symlink(elsewhere.join("made"), &cache).unwrap();
    lchown(&cache, Some(USER), None).unwrap();
    sandbox.az(["print", "x"]).run();
    assert!(!elsewhere.join("made").exists());
}

#[test]
fn what_happens_to_be_called_as_ours_makes_no_home() {
    let sandbox = Sandbox::new().with_fake_az();
    let home = sandbox.home();
    fs::create_dir(home.join("bin")).unwrap();
    fs::copy(sandbox.shim(), home.join("bin/az")).unwrap();
    for settings in ["{}", "{\"key_store\": \"auto\"}", "{\"name\": \"something of a build tool's\"}"] {
        fs::write(home.join("config.json"), settings).unwrap();
        Invocation::new(&sandbox, home.join("bin/az")).args(["login", ALICE]).run().ok().silent();
        assert_eq!(mode(&home), 0o755, "{settings}");
        assert!(!home.join("vaults").exists() && home.join(".azward/vaults").exists(), "{settings}");
    }
}

#[test]
fn a_directory_with_other_things_in_it_is_not_taken_for_a_home() {
    let sandbox = Sandbox::new().with_fake_az();
    let directory = sandbox.root().join("documents");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("letter"), "x").unwrap();
    set_mode(&directory, 0o755);
    sandbox.set_env("AZWARD_HOME", &directory);
    sandbox.az(["print", "x"]).run().ok().silent();
    for command in ["status", "install", "scrub", "uninstall"] {
        let refused = sandbox.azward([command]).run().exited(1);
        assert!(refused.err().contains("it has other things in it"), "{refused:?}");
    }
    assert_eq!((mode(&directory), fs::read_dir(&directory).unwrap().count()), (0o755, 1));

    // An empty one is used as it is.
    fs::remove_file(directory.join("letter")).unwrap();
    sandbox.az(["login", ALICE]).run().ok().silent();
    sandbox.az(["look"]).run().ok().silent();
    assert_eq!((mode(&directory), seen(&sandbox)), (0o755, 1.into()));
    assert_eq!(mode(&directory.join("vaults")), 0o700);
}

#[test]
fn a_home_of_the_first_version_is_one_without_a_word() {
    let sandbox = logged_in();
    let home = sandbox.azward_home();
    for extra in [None, Some("notes")] {
        fs::remove_file(home.join("azward-home")).unwrap();
        if let Some(name) = extra {
            fs::write(home.join(name), "x").unwrap();
        }
        sandbox.az(["look"]).run().ok().silent();
        assert_eq!((seen(&sandbox), home.join("azward-home").exists()), (1.into(), true));
    }
}

#[test]
fn a_marker_that_a_kill_left_torn_is_made_whole() {
    for others in [&[][..], &["vaults", "run"]] {
        let sandbox = Sandbox::new().with_fake_az();
        let home = sandbox.azward_home();
        // In neither case is it a home that somebody else made.
        let _ = fs::remove_dir_all(&home);
        fs::create_dir(&home).unwrap();
        fs::set_permissions(&home, fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["azward-home", "azward-home.new"] {
            fs::write(home.join(name), "azward ho").unwrap();
        }
        for name in others {
            fs::create_dir(home.join(name)).unwrap();
        }
        sandbox.az(["login", ALICE]).run().ok().silent();
        assert!(fs::read_to_string(home.join("azward-home")).unwrap().starts_with("azward home, made by"));
        assert!(!home.join("azward-home.new").exists());
        sandbox.assert_nothing_in_the_clear();
    }
}
