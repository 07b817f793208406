//! The two programs that the demo shows. Cargo builds an example without its package's binaries, so they are built here,
//! with the demo's own profile and into its own target directory; when they are up to date that takes no time. The demo,
//! which is built already, is named along with them, so that what they depend on is that which was built for it.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// How the variables begin that cargo sets for what it runs, and that it does not read itself.
const TOLD_BY_CARGO: [&str; 3] = ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_PRIMARY_PACKAGE"];

/// Builds `az` and `azward` where need be, and returns the directory that they are in.
///
/// # Errors
/// When cargo cannot be started or the build fails; cargo has then said why.
pub(crate) fn built() -> Result<PathBuf> {
    // target/<profile>/examples/demo
    let own = std::env::current_exe().context("the demo does not know its own file")?;
    let directory = own.ancestors().nth(2).context("the demo is not below a target directory")?;
    let target = directory.parent().context("the demo is not below a target directory")?;
    let profile = match directory.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args([
        "build",
        "--locked",
        "--bin",
        "az",
        "--bin",
        "azward",
        "--bin",
        "azward-inside",
        "--example",
        "demo",
        "--profile",
        profile,
    ]);
    cargo.arg("--manifest-path").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    cargo.arg("--target-dir").arg(target);
    // What `cargo run` tells of this package: a dependency's build script watches it, and would have all built a second time.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| TOLD_BY_CARGO.iter().any(|told| name.starts_with(told))) {
            cargo.env_remove(name);
        }
    }
    let status = cargo.status().context("cannot start cargo to build az and azward")?;
    ensure!(status.success(), "az and azward were not built ({status})");
    Ok(directory.to_owned())
}
