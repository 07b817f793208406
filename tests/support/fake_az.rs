//! The fake az (`fake_az/main.rs` says what it can do), compiled with `rustc` once for each version of its source. Every
//! `cargo test` has a `rustc`, and not every machine has a C compiler.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::process::Command;

use super::provision;
use super::sandbox::Sandbox;

/// The fake's JSON, which the harness edits caches with too.
#[path = "fake_az/json.rs"]
pub(crate) mod json;

const SOURCES: [&str; 4] = [
    include_str!("fake_az/main.rs"),
    include_str!("fake_az/cache.rs"),
    include_str!("fake_az/contents.rs"),
    include_str!("fake_az/json.rs"),
];

/// Who logs in to the fake az.
pub(crate) const ALICE: &str = "alice@contoso.example";
/// Another one.
pub(crate) const BOB: &str = "bob@fabrikam.example";

/// A box with the fake az and alice's login in the vault.
pub(crate) fn logged_in() -> Sandbox {
    with_alice(Sandbox::new().with_fake_az())
}

/// The same in an exposure that is set.
pub(crate) fn logged_in_exposed(exposure: &str) -> Sandbox {
    let sandbox = Sandbox::new().with_fake_az();
    sandbox.set_exposure(exposure);
    with_alice(sandbox)
}

impl Sandbox {
    /// Has the az behind the shim be one of which it is known what it starts, by the package beside it.
    pub(crate) fn with_package(self) -> Self {
        let packages = self.root().join("lib/python3.11/site-packages");
        std::fs::create_dir_all(packages.join("azure/cli/core")).expect("the box can be written");
        std::fs::create_dir_all(packages.join("azure_cli-2.91.0.dist-info")).expect("the box can be written");
        std::fs::write(packages.join("azure_cli-2.91.0.dist-info/METADATA"), "Version: 2.91.0\n").expect("it can");
        self
    }
}

/// Logs alice in.
pub(crate) fn with_alice(sandbox: Sandbox) -> Sandbox {
    sandbox.az(["login", ALICE]).run().ok().silent();
    sandbox.assert_nothing_in_the_clear();
    sandbox
}

/// What stands for a text in the name of what was made of it.
pub(super) fn hash_of(text: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// Returns the fake az, compiled first if need be.
pub(crate) fn fake_az() -> PathBuf {
    let stamp = format!("{:016x}", hash_of(SOURCES));
    let directory = provision::target_dir().join("fake-az").join(&stamp);
    let program = directory.join("az");
    provision::make_once(
        &directory,
        &stamp,
        |directory| provision::has_stamp(directory, &stamp),
        |directory| {
            std::fs::create_dir_all(directory).unwrap_or_else(|error| panic!("`{}`: {error}", directory.display()));
            let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/fake_az/main.rs");
            let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
            rustc.args(["--edition=2024", "--crate-name=az", "-O", "-Cpanic=abort", "-Cstrip=symbols", "-o"]);
            let output = rustc.arg(&program).arg(source).output().unwrap_or_else(|error| panic!("rustc: {error}"));
            assert!(
                output.status.success(),
                "the fake az does not compile:\n{}",
                String::from_utf8_lossy(&output.stderr)
            );
        },
    );
    program
}
