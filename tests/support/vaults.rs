//! What the files of the vaults open to, each for itself: the current generation, the one before it, and whatever else lies
//! beside them.

use std::fs;

use azward::azure::ConfigDir;
use azward::context::Context;
use azward::helper::{self, Helper};
use azward::settings::Settings;
use azward::vault::Vault;
use serde_json::Value;

use super::sandbox::Sandbox;

/// Every file beside the vaults but the locks, with the refresh token entries that it opens to when it is a vault's only
/// file in an azward home with the same keys. One that opens to nothing is none: it is cut short, or of another key.
pub(crate) fn entries_in_each(sandbox: &Sandbox) -> Vec<(String, Vec<Value>)> {
    let home = sandbox.root().join("each-alone");
    let files = fs::read_dir(sandbox.azward_home().join("vaults")).into_iter().flatten().flatten();
    let mut found = Vec::new();
    for file in files.filter(|file| !file.file_name().to_string_lossy().ends_with(".lock")) {
        // There is none the first time.
        let _ = fs::remove_dir_all(&home);
        fs::create_dir_all(home.join("vaults")).expect("the box can be written");
        for entry in fs::read_dir(sandbox.azward_home()).expect("it is there").flatten() {
            if entry.path().is_file() {
                fs::copy(entry.path(), home.join(entry.file_name())).expect("the box can be written");
            }
        }
        let name = file.file_name().to_string_lossy().into_owned();
        let stem = name.split_once(".vault").map_or(&*name, |(stem, _)| stem);
        fs::copy(file.path(), home.join("vaults").join(format!("{stem}.vault"))).expect("the box can be written");
        let mut environment = sandbox.environment();
        environment.insert("AZWARD_HOME".into(), home.clone().into());
        let context = Context::new(environment, None).helped_by(Helper::Here(helper::here));
        let vault = Vault::of(&context, &Settings::default(), &ConfigDir::at(&sandbox.config_dir()));
        let contents = vault.load().unwrap_or_default();
        let entries = contents.records.iter().map(|kept| kept.entry.expose());
        found.push((name, entries.map(|entry| serde_json::from_slice(entry).unwrap_or_default()).collect()));
    }
    let _ = fs::remove_dir_all(&home);
    found
}
