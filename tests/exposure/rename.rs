//! An az that replaces its token cache by rename, which no mount lets it do: that run fails as the kernel has it, nothing is
//! lost or left lying about, and from then on that az is served in place, until it is another.

use std::fs;
use std::time::{Duration, SystemTime};

use crate::support::Sandbox;
use crate::{fingerprint, last_look, logged_in, look, status_of_exposure};

/// Puts an az in the box's that rolls the refresh token in a copy of the cache and then moves that to the cache's place.
fn rename_cache(sandbox: &Sandbox) {
    let fake = sandbox.wrapped_az().with_file_name("fake");
    fs::rename(sandbox.wrapped_az(), &fake).unwrap();
    let script = r#"
        case $1 in
        renaming)
            config=$HOME/.azure copy=$(mktemp -d)
            cp "$config"/*.json "$copy"
            AZURE_CONFIG_DIR=$copy FAKE look roll look || exit 9
            mv "$copy/msal_token_cache.json" "$config/msal_token_cache.json.new"
            rm -r "$copy"
            exec mv -f "$config/msal_token_cache.json.new" "$config/msal_token_cache.json";;
        esac
        exec FAKE "$@""#;
    sandbox.make_script(sandbox.wrapped_az(), &script.replace("FAKE", &fake.to_string_lossy()));
}

/// What the last two looks, before and after a rolling, saw.
fn seen(sandbox: &Sandbox) -> [String; 2] {
    let looks: Vec<_> = sandbox.fake_log().into_iter().filter(|line| line["event"] == "look").collect();
    [&looks[looks.len() - 2], &looks[looks.len() - 1]].map(|look| look["cache"]["fingerprint"].to_string())
}

#[test]
fn what_it_left_is_kept_and_the_next_run_is_served_in_place() {
    let sandbox = logged_in("auto");
    look(&sandbox);
    rename_cache(&sandbox);
    assert!(status_of_exposure(&sandbox).starts_with("private: "));

    let failed = sandbox.az(["renaming"]).run().exited(1);
    assert!(failed.err().starts_with("mv: ") && failed.err().lines().count() == 1, "as the kernel has it: {failed:?}");
    let rolled = seen(&sandbox)[1].clone();
    sandbox.assert_nothing_in_the_clear();
    assert!(!sandbox.config_dir().join("msal_token_cache.json.new").exists());
    let status = status_of_exposure(&sandbox);
    let az = sandbox.wrapped_az().display();
    assert_eq!(status, format!("in place, while az runs: `{az}` replaces its token cache by rename"));

    sandbox.az(["renaming"]).run().ok().silent();
    let [before, after] = seen(&sandbox);
    assert!(before == rolled && after != rolled, "it went on with what it had left");
    sandbox.assert_nothing_in_the_clear();
    assert_eq!(look(&sandbox), ("run".to_owned(), 1));
    assert_eq!(format!("\"{}\"", fingerprint(&sandbox)), after);
    // Other commands of that az are served in place as well, and it stays so.
    sandbox.az(["renaming"]).run().ok().silent();
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn an_az_that_is_another_now_is_tried_privately_again() {
    let sandbox = logged_in("auto");
    rename_cache(&sandbox);
    sandbox.az(["renaming"]).run().exited(1);
    assert_eq!(look(&sandbox).0, "run");
    let file = fs::File::options().append(true).open(sandbox.wrapped_az()).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
    drop(file);
    assert!(status_of_exposure(&sandbox).starts_with("private: "));
    assert_eq!(look(&sandbox), ("private".to_owned(), 1));
    sandbox.az(["renaming"]).run().exited(1);
    assert_eq!(look(&sandbox).0, "run");
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn where_private_is_set_it_fails_every_time_and_loses_nothing() {
    let sandbox = logged_in("private");
    rename_cache(&sandbox);
    for _ in 0..3 {
        sandbox.az(["renaming"]).run().exited(1);
        sandbox.assert_nothing_in_the_clear();
        let rolled = seen(&sandbox)[1].clone();
        assert_eq!(look(&sandbox), ("private".to_owned(), 1));
        assert_eq!(last_look(&sandbox)["cache"]["fingerprint"].to_string(), rolled);
    }
}
