//! The extensions that are installed beside an az (azure-cli-core 2.91.0, `extension/__init__.py`), as far as they are plain:
//! wheels, each in a directory of its own with one module and one description. Others, and an index that does not say which
//! commands are theirs, are az's own to judge.

use std::fs;
use std::path::{Path, PathBuf};

use crate::azure::ConfigDir;
use crate::azure::ini::Ini;
use crate::azure::installation::Installation;
use crate::azure::output::{Map, Value};
use crate::context::Context;

/// Those that az loads whatever the command is (azure-cli-core 2.91.0, `__init__.py`, `ALWAYS_LOADED_EXTENSIONS`).
const ALWAYS_LOADED: [&str; 2] = ["azext_ai_examples", "azext_next"];

/// The directory of those that are for all users, among az's libraries.
pub(super) const SYSTEM: &str = "azure-cli-extensions";

/// The versions of metadata that nothing is said about on stderr (pkginfo 2.0, `distribution.py`).
const METADATA: [&str; 5] = ["1.0", "1.1", "1.2", "2.0", "2.1"];

/// All that are installed, by their names.
#[derive(Debug)]
pub(super) struct Extensions(Vec<Extension>);

#[derive(Debug)]
struct Extension {
    name: String,
    path: PathBuf,
    module: String,
    /// The directory of its description.
    description: PathBuf,
}

/// Whether an az whose system-wide extensions would be in `system` has none at all, as far as can be seen at a glance.
#[cfg(target_os = "linux")]
pub(super) fn are_none(system: &Path, context: &Context, config_dir: &ConfigDir, config: &Ini) -> bool {
    let own = directory(context, config_dir, config).and_then(|directory| entries(&directory));
    own.is_some_and(|own| own.is_empty()) && system.symlink_metadata().is_err()
}

/// Where a user's extensions are; `None` where az looks elsewhere too, or azward cannot tell.
fn directory(context: &Context, config_dir: &ConfigDir, config: &Ini) -> Option<PathBuf> {
    let is_told = |option: &str| {
        context.has_variable(&format!("AZURE_EXTENSION_{}", option.to_uppercase()))
            || config.get("extension", option).is_some()
    };
    if is_told("sys_dir") || is_told("dev_sources") {
        return None;
    }
    let named = match context.has_variable("AZURE_EXTENSION_DIR") {
        true => context.variable("AZURE_EXTENSION_DIR").map(PathBuf::from),
        false => config.get("extension", "dir").filter(|dir| !dir.is_empty()).map(PathBuf::from),
    };
    match named {
        // Another user's home, and what is relative to a directory that may be gone, are Python's to find.
        Some(named) if !named.is_absolute() && !named.starts_with("~") => None,
        Some(named) => Some(context.expand_user(&named)),
        None => Some(config_dir.path().join("cliextensions")),
    }
}

impl Extensions {
    /// Looks where az looks; `None` where one is not plain.
    pub(super) fn read(
        installation: &Installation,
        context: &Context,
        config_dir: &ConfigDir,
        config: &Ini,
    ) -> Option<Self> {
        if installation.has(SYSTEM) {
            return None;
        }
        let directory = directory(context, config_dir, config)?;
        let mut extensions = Vec::new();
        for entry in entries(&directory)? {
            if entry.1.is_dir()
                && let Some(extension) = Extension::in_directory(entry)?
            {
                extensions.push(extension);
            }
        }
        extensions.sort_by(|one, other| one.name.cmp(&other.name));
        Some(Self(extensions))
    }

    /// Whether none of them has a part in the commands that begin with `word`, as the index of az `version` says.
    pub(super) fn leave_alone(&self, word: &str, version: &str, config_dir: &ConfigDir) -> bool {
        if self.0.is_empty() {
            return true;
        }
        if self.0.iter().any(|extension| ALWAYS_LOADED.contains(&extension.module.as_str())) {
            return false;
        }
        let text = fs::read_to_string(config_dir.path().join("extensionIndex.json")).unwrap_or_default();
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let Ok(Value::Map(index)) = serde_json::from_str(text) else { return false };
        let is_valid = index.get("version") == Some(&Value::text(version))
            && index.get("cloudProfile") == Some(&Value::text("latest"));
        matches!(index.get("commandIndex"), Some(Value::Map(commands)) if is_valid && commands.get(word).is_none())
    }

    /// Their versions, by their names; `None` where one is not plainly told.
    pub(super) fn versions(&self) -> Option<Value<'static>> {
        let version = |extension: &Extension| Some((extension.name.clone().into(), Value::text(extension.version()?)));
        self.0.iter().map(version).collect::<Option<_>>().map(|entries| Value::Map(Map::of(entries)))
    }
}

impl Extension {
    /// The one in a directory, if there is one.
    fn in_directory((name, path): (String, PathBuf)) -> Option<Option<Self>> {
        // az looks with patterns, which a path itself can be.
        if path.to_str()?.contains(['*', '?', '[']) {
            return None;
        }
        let within = entries(&path)?;
        // `*.*-info`
        let is_description = |name: &str| {
            !name.starts_with('.') && name.strip_suffix("-info").is_some_and(|beginning| beginning.contains('.'))
        };
        let mut descriptions = within.iter().filter(|(name, _)| is_description(name));
        let Some((description, at)) = descriptions.next() else { return Some(None) };
        let mut modules = within.iter().filter(|(name, path)| name.starts_with("azext_") && path.is_dir());
        let module = modules.next()?.0.clone();
        let is_plain = description.ends_with(".dist-info")
            && description.starts_with(&name.replace('-', "_"))
            && descriptions.next().is_none()
            && modules.next().is_none();
        is_plain.then(|| Some(Self { name, module, description: at.clone(), path }))
    }

    /// The version in its description.
    fn version(&self) -> Option<String> {
        let described = fs::read_to_string(self.path.join(&self.module).join("azext_metadata.json"));
        match described {
            Ok(text) if matches!(serde_json::from_str(&text), Ok(Value::Map(_))) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            _ => return None,
        }
        let mut files = entries(&self.description)?.into_iter().filter(|(name, _)| name.contains("METADATA"));
        let (_, metadata) = files.next().filter(|(name, _)| name == "METADATA")?;
        let text = fs::read_to_string(metadata).ok().filter(|_| files.next().is_none())?;
        let header = |name: &str| {
            let mut lines = text.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.split_once(':'));
            let (_, value) = lines.find(|(other, _)| other.eq_ignore_ascii_case(name))?;
            Some(value.trim())
        };
        let is_plain = METADATA.contains(&header("Metadata-Version")?) && header("Name")? == self.name;
        let version = header("Version")?;
        (is_plain && version.bytes().all(|byte| byte.is_ascii_graphic())).then(|| version.to_owned())
    }
}

/// What is in a directory, by name; nothing in one that is missing.
fn entries(directory: &Path) -> Option<Vec<(String, PathBuf)>> {
    match fs::read_dir(directory) {
        Ok(entries) => entries
            .map(|entry| entry.ok().and_then(|entry| Some((entry.file_name().into_string().ok()?, entry.path()))))
            .collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some(Vec::new()),
        Err(_) => None,
    }
}
