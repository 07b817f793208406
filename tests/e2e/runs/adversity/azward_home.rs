//! The azward home: where it is without `HOME`, who may look into it, settings that make no sense, times that jump.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::{ALICE, assert_kept, logged_in, look, status};
use crate::support::{Sandbox, in_shell};

#[test]
fn without_a_home_the_passwd_database_has_it() {
    let sandbox = Sandbox::new().with_fake_az();
    let az = |words: &[&str]| sandbox.isolated(None, &[&["az"], words].concat()).run().ok().silent();
    az(&["login", ALICE]);
    sandbox.assert_nothing_in_the_clear();
    assert!(sandbox.home().join(".azward/vaults").exists());
    az(&["roll"]);
    assert_kept(&sandbox, 1);
}

#[test]
fn an_azward_home_that_others_could_look_into_is_closed() {
    let sandbox = logged_in();
    let home = sandbox.azward_home();
    sandbox.shell("chmod -R a+rwX .azward").run().ok();
    sandbox.az(["roll"]).run().ok().silent();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&home), mode(&home.join("vaults"))), (0o700, 0o700));
    assert_kept(&sandbox, 1);
}

#[test]
fn a_clock_that_jumps_loses_nothing() {
    let sandbox = logged_in();
    let fake = sandbox.root().join("real/fake");
    fs::rename(sandbox.wrapped_az(), &fake).unwrap();
    let cache = sandbox.config().token_cache_path();
    let script = "if [ $1 = at ]; then
            text=$(sed 's/\"last_modification_time\": \"[0-9]*\"/\"last_modification_time\": \"'$2'\"/' CACHE)
            printf '%s' \"$text\" >CACHE; touch -d @$2 CACHE; shift 2; fi";
    let script = script.replace("CACHE", &in_shell(&cache));
    sandbox.make_script(
        sandbox.wrapped_az(),
        &format!("{fake} roll || exit\n{script}\nexec {fake} look", fake = in_shell(&fake)),
    );
    // A token that was rolled when the clock said so is newer than the one before, whatever it said then.
    for time in ["4000000000", "1000", "2000000000", "1"] {
        sandbox.az(["at", time]).run().ok().silent();
        sandbox.assert_nothing_in_the_clear();
        let rolled = look(&sandbox)["fingerprint"].clone();
        sandbox.az(["plain"]).env("AZWARD_REAL_AZ", &fake).env("FAKE_AZ_DO", "look").run().ok().silent();
        assert_eq!(look(&sandbox)["fingerprint"], rolled, "rolled at {time}");
    }
    File::options()
        .write(true)
        .open(&cache)
        .unwrap()
        .set_modified(SystemTime::now() + Duration::from_secs(86400))
        .unwrap();
    fs::write(
        sandbox.azward_home().join("journal.jsonl"),
        "{\"time\":99999999999999999,\"deed\":\"warning\",\"outcome\":\"x\"}\n",
    )
    .unwrap();
    assert_kept(&sandbox, 1);
    assert!(status(&sandbox).contains("in the clear      nothing"));
}

#[test]
fn settings_that_make_no_sense_are_said_and_passed_over() {
    let sandbox = logged_in();
    let first_version = ["{\"key_store\": \"teapot\"}", "{", "", "[]", "\u{feff}{}"].map(|text| ("config.json", text));
    let now = ["key_store = \"teapot\"", "{", "\0", "[]", "teapot = 1"].map(|text| ("config.toml", text));
    let path = sandbox.azward_home().join("config.toml");
    for (name, text) in first_version.into_iter().chain(now) {
        let _ = fs::remove_file(&path);
        fs::write(sandbox.azward_home().join(name), text).unwrap();
        assert_kept(&sandbox, 1);
        sandbox.az(["version"]).run().ok().silent();
        let report = status(&sandbox);
        assert!(report.contains("warning") && report.contains("cannot be understood"), "{report}");
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert_kept(&sandbox, 1);
    assert!(status(&sandbox).contains("cannot read"));
}
