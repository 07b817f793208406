//! Older releases of the real az, each made once like the one that all other tests run (`provision`), and beside it.
//!
//! Of each there is as much as `az login`, `az account`, `az cloud`, `az config` and `az version` need: the core and what it
//! depends on, of the command modules those, and nothing of the services. The Python here is newer than some of them, so
//! that only wheels are taken, and pip may choose what a release leaves open; what decides about an answer does not stay open:
//! knack and MSAL are of the release's own time. One that cannot be made is told as missing, and fails its test.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::provision;

/// A release of azure-cli, and what is pinned beside it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Release {
    pub version: &'static str,
    /// What the core leaves open, or needs and has only by way of the services.
    pins: &'static [&'static str],
    /// Lines that this Python does not take, each with the file that it is taken out of.
    taken_out: &'static [(&'static str, &'static str)],
}

/// The one that all other tests run.
pub(crate) const NEWEST: &str = provision::AZURE_CLI_VERSION;

/// The others, oldest first. The last before `expires_on` is among them, and the first with MSAL.
pub(crate) const OLDER: [Release; 5] = [
    // Its core takes any MSAL from 1.15 on: this one was the newest when it was released. Its parser tells argparse of every
    // command before it adds it, as a way around a fault of Python's (bpo-9253); since 3.11 that is an error (bpo-39716).
    Release {
        version: "2.30.0",
        pins: &[
            "azure-mgmt-resource==19.0.0",
            "msal==1.16.0",
            "msal-extensions==0.3.0",
            "msrestazure==0.6.4",
            "packaging==20.9",
        ],
        taken_out: &[("azure/cli/core/parser.py", "            subparser.choices[command_verb] = command_verb\n")],
    },
    Release { version: "2.45.0", pins: &["azure-mgmt-resource==21.1.0b1"], taken_out: &[] },
    Release { version: "2.53.0", pins: &["azure-mgmt-resource==23.1.0b2"], taken_out: &[] },
    Release { version: "2.60.0", pins: &["azure-mgmt-resource==23.1.0b2"], taken_out: &[] },
    Release { version: "2.75.0", pins: &["azure-mgmt-resource==23.3.0", "msrest==0.7.1"], taken_out: &[] },
];

/// The command modules that are kept.
const MODULES: [&str; 4] = ["cloud", "config", "profile", "util"];

/// The az of a release, made first if it is missing.
///
/// # Panics
/// With what to do about it, when it cannot be made.
pub(crate) fn az_of(version: &str) -> PathBuf {
    let Some(release) = OLDER.into_iter().find(|release| release.version == version) else {
        assert_eq!(version, NEWEST, "there is no such release here");
        return provision::real_az();
    };
    let name = format!("azure-cli-{version}-account-python{}", provision::python_version());
    let venv = provision::cache_dir().join(name);
    let stamp = format!("{release:?} {MODULES:?}");
    let is_whole = |venv: &Path| provision::has_stamp(venv, &stamp) && venv.join("bin/python3").exists();
    provision::make_once(&venv, &stamp, is_whole, |venv| make(venv, release));
    venv.join("bin/az")
}

fn make(venv: &Path, release: Release) {
    let Release { version, pins, taken_out } = release;
    provision::announce(&format!(
        "making `az account` of azure-cli {version} in `{}`: about 20 s, once",
        venv.display()
    ));
    let log = provision::with_suffix(venv, ".log");
    let _ = std::fs::remove_file(&log);
    let python = venv.join("bin/python3");
    let step = |name: &str, command: &mut Command| {
        provision::step(name, &log, command)
            .unwrap_or_else(|trouble| panic!("missing: azure-cli {version}: {trouble}"));
    };
    step("python3 -m venv", Command::new("python3").args(["-m", "venv"]).arg(venv));
    let install = ["-m", "pip", "install", "--no-compile", "--progress-bar=off", "--only-binary=:all:"];
    let core = format!("azure-cli-core=={version}");
    step("pip install azure-cli-core", Command::new(&python).args(install).arg(core).args(pins));
    let commands = format!("azure-cli=={version}");
    step("pip install azure-cli", Command::new(&python).args(install).arg("--no-deps").arg(commands));
    let packages = venv.join(format!("lib/python{}/site-packages", provision::python_version()));
    leave_out_services(&packages.join("azure/cli/command_modules"), &MODULES);
    for (file, line) in taken_out {
        let path = packages.join(file);
        let text = std::fs::read_to_string(&path).expect("the package has it");
        assert!(text.contains(line), "missing: azure-cli {version}: `{}` is another", path.display());
        std::fs::write(&path, text.replace(line, "")).expect("it was just made");
    }
    let compile = ["-m", "compileall", "-q", "-j", "0"];
    // A file that this Python cannot compile is one that it never imports.
    let _ = provision::step("compileall", &log, Command::new(&python).args(compile).arg(venv.join("lib")));
}

/// Leaves of the command modules those that are `kept`.
pub(crate) fn leave_out_services(modules: &Path, kept: &[&str]) {
    for entry in std::fs::read_dir(modules).expect("azure-cli has command modules").flatten() {
        let is_kept = kept.iter().any(|module| entry.file_name() == *module);
        if entry.path().is_dir() && !is_kept {
            std::fs::remove_dir_all(entry.path()).expect("it was just made");
        }
    }
}
