//! What az shows of itself and of what it keeps: its version, the accounts, a cloud, as the results of its commands
//! (azure-cli 2.91.0). It is read from where az reads it, its own sources among them; what is not wholly understood, and every
//! case in which az has more to say, is `None`, and whoever asks then leaves the matter to the real az.

mod accounts;
mod clouds;
mod extensions;

use std::path::Path;

pub use accounts::{account, account_columns, accounts};

use super::ConfigDir;
use super::clouds::Cloud;
use super::ini::Ini;
use super::installation::Installation;
use super::output::{Map, Value};
use crate::context::Context;
use extensions::Extensions;

/// The versions of azure-cli-core of which it is known what these commands print.
const KNOWN: [&str; 1] = ["2.91.0"];

/// An az of which that is known, and what is installed with it.
#[derive(Debug)]
pub struct Az {
    installation: Installation,
    version: String,
    extensions: Extensions,
}

impl Az {
    /// The one at `real_az`, if it is such a one and its extensions are no others than they seem.
    #[must_use]
    pub fn at(real_az: &Path, context: &Context, config_dir: &ConfigDir, config: &Ini) -> Option<Self> {
        let installation = Installation::of(real_az).filter(|installation| installation.is_certain(context))?;
        let version = version_in(&installation.source("azure/cli/core/__init__.py")?)?;
        if !KNOWN.contains(&version.as_str()) {
            return None;
        }
        let extensions = Extensions::read(&installation, context, config_dir, config)?;
        Some(Self { installation, version, extensions })
    }

    /// Whether a command that begins with `word` is az's own and no extension's.
    #[must_use]
    pub fn has_to_itself(&self, word: &str, config_dir: &ConfigDir) -> bool {
        self.extensions.leave_alone(word, &self.version, config_dir)
    }

    /// What `az version` results in (azure-cli-core 2.91.0, `util.py`, `get_az_version_json`).
    #[must_use]
    pub fn version(&self) -> Option<Value<'_>> {
        let telemetry = version_in(&self.installation.source("azure/cli/telemetry/__init__.py")?)?;
        let own = |name: &'static str, version: &str| (name.into(), Value::text(version.to_owned()));
        Some(Value::Map(Map::of(vec![
            ("extensions".into(), self.extensions.versions()?),
            own("azure-cli", &self.version),
            own("azure-cli-core", &self.version),
            own("azure-cli-telemetry", &telemetry),
        ])))
    }

    /// What `az cloud show` results in, of the cloud of this name, or the active one.
    #[must_use]
    pub fn cloud(&self, named: Option<&str>, active: &Cloud, config_dir: &ConfigDir) -> Option<Value<'static>> {
        clouds::cloud(&self.installation.source("azure/cli/core/cloud.py")?, named, active, config_dir)
    }
}

/// Whether a command that begins with `word` is the own one of the az at `real_az`, whose libraries are in `site_packages`, and
/// no extension has a part in it.
#[cfg(target_os = "linux")]
#[must_use]
pub(crate) fn is_own_command(
    real_az: &Path,
    site_packages: &Path,
    context: &Context,
    config_dir: &ConfigDir,
    word: &str,
) -> bool {
    let config = Ini::read(&config_dir.path().join("config")).unwrap_or_default();
    extensions::are_none(&site_packages.join(extensions::SYSTEM), context, config_dir, &config)
        || Az::at(real_az, context, config_dir, &config).is_some_and(|az| az.has_to_itself(word, config_dir))
}

/// The version that a package's source says it has.
fn version_in(source: &str) -> Option<String> {
    let version = source.lines().find_map(|line| line.strip_prefix("__version__ = \""))?.strip_suffix('"')?;
    version.bytes().all(|byte| byte == b'.' || byte.is_ascii_alphanumeric()).then(|| version.to_owned())
}
