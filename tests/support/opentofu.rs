//! OpenTofu, and the provider of `tests/tofu/provider`, each built once from the Go module proxy and kept beside the
//! other libraries (`libraries`).
//!
//! The provider is our own, in the place of Azure's (azapi), which the proxy that these tests reach refuses (403): what
//! gets its tokens from az and what asks Resource Manager with them are the libraries that azapi has for it, the rest is
//! not.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::{libraries, provision};

/// github.com/opentofu/opentofu.
pub(crate) const OPENTOFU: &str = "1.12.6";

/// Azure's own provider.
const AZAPI: &str = "github.com/Azure/terraform-provider-azapi";

/// What is built smaller, and not for a debugger.
const SMALL: [&str; 3] = ["-mod=readonly", "-trimpath", "-ldflags=-s -w"];

/// Both programs.
#[derive(Debug)]
pub(crate) struct Programs {
    pub(crate) tofu: PathBuf,
    /// The directory with the provider in it.
    pub(crate) provider: PathBuf,
}

impl Programs {
    /// Makes what is missing; says so and has none where there is no Go, or no module proxy.
    pub(crate) fn make() -> Option<Self> {
        if !libraries::has_go() {
            provision::announce("MISSING: OpenTofu, for there is no Go here and none can be fetched");
            return None;
        }
        let programs = Self::places();
        if !is_made(&programs.tofu, OPENTOFU) {
            match source_of_tofu() {
                Ok(source) => make_tofu(&programs.tofu, &source),
                Err(trouble) => {
                    provision::announce(&format!("MISSING: OpenTofu {OPENTOFU}, which is not to be had: {trouble}"));
                    return None;
                }
            }
        }
        make_provider(&programs.provider);
        Some(programs.whole())
    }

    /// Those that were made before.
    pub(crate) fn made() -> Option<Self> {
        let programs = Self::places();
        (is_made(&programs.tofu, OPENTOFU) && is_made(&programs.provider, "1")).then(|| programs.whole())
    }

    /// The directories of both.
    fn places() -> Self {
        let fingerprint = libraries::fingerprint(&source_of_provider());
        Self {
            tofu: provision::cache_dir().join(format!("opentofu-{OPENTOFU}")),
            provider: provision::cache_dir().join(format!("opentofu-provider-{fingerprint}")),
        }
    }

    fn whole(self) -> Self {
        Self { tofu: self.tofu.join("tofu"), ..self }
    }
}

fn is_made(directory: &Path, stamp: &str) -> bool {
    provision::has_stamp(directory, stamp)
}

fn source_of_provider() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tofu/provider")
}

/// Says what the module proxy says of azapi, Azure's own provider, so that nobody takes ours for it.
pub(crate) fn announce_azapi() {
    let mut go = libraries::go_command();
    let output = go.args(["list", "-m", "-versions", AZAPI]).current_dir("/").stdin(Stdio::null()).output();
    let said = output.map_or_else(
        |error| error.to_string(),
        |output| match output.status.success() {
            true => "it is to be had here, and has no test yet".to_owned(),
            false => String::from_utf8_lossy(&output.stderr).split_whitespace().collect::<Vec<_>>().join(" "),
        },
    );
    provision::announce(&format!("MISSING: azapi, in whose place tests/tofu/provider is: {said}"));
}

/// Where Go has put the module: it is built as its authors build it, with the versions and the sums that are in it,
/// which `go install` refuses to do for a module that replaces others.
fn source_of_tofu() -> Result<PathBuf, String> {
    let module = format!("github.com/opentofu/opentofu@v{OPENTOFU}");
    let mut go = libraries::go_command();
    let output = go.args(["mod", "download", "-json", &module]).current_dir("/").stdin(Stdio::null()).output();
    let output = output.map_err(|error| error.to_string())?;
    let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let said = || told["Error"].as_str().map_or_else(|| String::from_utf8_lossy(&output.stderr).into(), str::to_owned);
    told["Dir"].as_str().map(PathBuf::from).ok_or_else(said)
}

fn make_tofu(directory: &Path, source: &Path) {
    provision::make_once(
        directory,
        OPENTOFU,
        |directory| is_made(directory, OPENTOFU),
        |directory| {
            provision::announce(&format!("building OpenTofu {OPENTOFU}: some minutes, once"));
            build(source, "./cmd/tofu", directory, "tofu");
        },
    );
}

fn make_provider(directory: &Path) {
    provision::make_once(
        directory,
        "1",
        |directory| is_made(directory, "1"),
        |directory| {
            provision::announce("building a provider for OpenTofu: a minute, once");
            // The name by which it is looked for.
            build(&source_of_provider(), ".", directory, "terraform-provider-arm");
        },
    );
}

fn build(source: &Path, package: &str, directory: &Path, name: &str) {
    std::fs::create_dir_all(directory).unwrap_or_else(|error| panic!("`{}`: {error}", directory.display()));
    let log = provision::with_suffix(directory, ".log");
    // That of an attempt before.
    let _ = std::fs::remove_file(&log);
    let go = libraries::go_command();
    let mut nice = Command::new("nice");
    nice.arg(go.get_program()).arg("build").args(SMALL).arg("-o").arg(directory.join(name)).arg(package);
    nice.current_dir(source).envs(go.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let made = provision::step(name, &log, &mut nice);
    made.unwrap_or_else(|trouble| panic!("{trouble}\n{}", libraries::NEED_GO));
}
