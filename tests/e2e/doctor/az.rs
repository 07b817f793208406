//! The az behind the shim: none, one that is too old, one more, and one that cannot be looked into; and what else may be beside it.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::{assert_healthy, assert_only, findings, found, healthy, set_mode};
use crate::support::Sandbox;
use crate::support::invocation::{end_group, wait_until};

#[test]
fn one_that_is_not_there() {
    let (sandbox, _entra) = healthy();
    let aside = sandbox.root().join("aside");
    fs::rename(sandbox.wrapped_az(), &aside).unwrap();
    if Path::new("/usr/bin/az").exists() || Path::new("/usr/local/bin/az").exists() {
        return;
    }
    assert_only(&sandbox, "real-az-missing", "");
    fs::rename(&aside, sandbox.wrapped_az()).unwrap();
    assert_healthy(&sandbox);
}

#[test]
fn one_that_is_too_old_and_one_that_nobody_knows() {
    let (sandbox, _entra) = healthy();
    let packages = sandbox.root().join("lib/python3.11/site-packages");
    let (now, old) = (packages.join("azure_cli-2.91.0.dist-info"), packages.join("azure_cli-2.29.2.dist-info"));
    let az = sandbox.wrapped_az().to_str().unwrap().to_owned();
    fs::rename(&now, &old).unwrap();
    assert_only(&sandbox, "real-az-too-old", &az);
    fs::rename(&old, &now).unwrap();
    assert_healthy(&sandbox);
    // A script around one, as for a container.
    let aside = sandbox.root().join("inner-az");
    fs::rename(&az, &aside).unwrap();
    let lib = sandbox.root().join("lib");
    fs::rename(&lib, sandbox.root().join("libraries")).unwrap();
    sandbox.make_script(Path::new(&az), &format!("exec '{}' \"$@\"", aside.display()));
    assert_only(&sandbox, "real-az-unknown", &az);
    fs::rename(sandbox.root().join("libraries"), &lib).unwrap();
    fs::rename(&aside, &az).unwrap();
    assert_healthy(&sandbox);
}

#[test]
fn one_more_on_path_and_not_the_same_one_twice() {
    let (sandbox, _entra) = healthy();
    let second = sandbox.root().join("second");
    fs::create_dir(&second).unwrap();
    let path = sandbox.environment()[std::ffi::OsStr::new("PATH")].clone();
    let longer = std::env::split_paths(&path).chain([second.clone()]);
    sandbox.set_env("PATH", std::env::join_paths(longer).unwrap());
    symlink(sandbox.wrapped_az(), second.join("az")).unwrap();
    assert_healthy(&sandbox);
    fs::remove_file(second.join("az")).unwrap();
    sandbox.make_script(&second.join("az"), "exit 3");
    assert_only(&sandbox, "real-az-twice", sandbox.wrapped_az().to_str().unwrap());
    let said = sandbox.azward(["doctor"]).run().out();
    assert!(said.contains(second.join("az").to_str().unwrap()), "{said}");
    fs::remove_file(second.join("az")).unwrap();
    assert_healthy(&sandbox);
}

#[test]
fn one_that_says_something_else() {
    let (sandbox, _entra) = healthy();
    // As azward notes it when it has compared the two, for this very az and its package.
    let stamp = |path: &Path| {
        let file = path.metadata().unwrap();
        format!("{} {} {} {}.{}", file.dev(), file.ino(), file.size(), file.mtime(), file.mtime_nsec())
    };
    let package = sandbox.root().join("lib/python3.11/site-packages/azure_cli-2.91.0.dist-info/METADATA");
    let known = json!([{ "az": stamp(sandbox.wrapped_az()), "package": [package, stamp(&package)], "version": [2, 91, 0],
                         "says_expires_on": null, "agreed": [], "has_disagreed": true, "noted_at": 0 }]);
    let memory = sandbox.azward_home().join("run/az.json");
    fs::write(&memory, known.to_string()).unwrap();
    set_mode(&memory, 0o600);
    assert_only(&sandbox, "real-az-disagrees", sandbox.wrapped_az().to_str().unwrap());
    // Another one: what was found out of that does not hold for it.
    fs::remove_file(&memory).unwrap();
    assert_healthy(&sandbox);
}

#[test]
fn one_that_encrypts() {
    let (sandbox, _entra) = healthy();
    let config = sandbox.config_dir().join("config");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("[core]\n", "[core]\nencrypt_token_cache = true\n")).unwrap();
    // azward has the login, and az is told so.
    assert_healthy(&sandbox);
    fs::write(sandbox.config_dir().join("msal_token_cache.bin"), "").unwrap();
    assert_only(&sandbox, "az-encrypts", "");
    fs::write(&config, text.replace("[core]\n", "[core]\nencrypt_token_cache = false\n")).unwrap();
    assert_healthy(&sandbox);
}

#[test]
fn leapp_running_and_leapp_that_was_used() {
    let (sandbox, _entra) = healthy();
    fs::create_dir(sandbox.home().join(".Leapp")).unwrap();
    assert_only(&sandbox, "leapp", "installed");
    fs::remove_dir(sandbox.home().join(".Leapp")).unwrap();
    assert_healthy(&sandbox);
    // A process of that name.
    let program = sandbox.root().join("leapp");
    fs::copy("/bin/sleep", &program).unwrap();
    let mut leapp = Command::new(&program).arg("600").env("HOME", sandbox.home()).process_group(0).spawn().unwrap();
    wait_until("it has its name", || found(&sandbox, "leapp") == ["running"]);
    end_group(&mut leapp);
    wait_until("it is gone", || findings(&sandbox).is_empty());
}

#[test]
fn what_others_are_called_moves_no_terminal() {
    let sandbox = Sandbox::new();
    let odd = sandbox.root().join("o\u{1b}[2J\u{202e}az login");
    fs::create_dir(&odd).unwrap();
    sandbox.make_script(&odd.join("az"), "exit 3");
    let sandbox = sandbox.with_az(odd.join("az"));
    for words in [&["doctor"][..], &["doctor", "--json"]] {
        let outcome = sandbox.azward(words).run().exited(1);
        let text = outcome.out() + &outcome.err();
        assert!(!text.contains(['\u{1b}', '\u{202e}']) && !text.contains("az login"), "{text:?}");
    }
}
