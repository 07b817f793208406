//! Where an az has its Python libraries, without starting it: beside its own `bin`, beside the interpreter that it names, or
//! in a directory that it names itself. An az that names none of them (a wrapper, a container's) is `None`, and whoever asks
//! does without.
//!
//! The forms are those of pip and its virtual environments, Debian's `/opt/az`, RPM's `/usr/lib64/az`, Homebrew's
//! `libexec`, and Windows' `CLI2`.

use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::azure::version::Version;
use crate::context::Context;
use crate::sys;

/// How much of the az that is started is searched for its interpreter: it is a short script.
const SCRIPT: u64 = 4096;

/// The libraries of one az.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Installation {
    /// The directory of its libraries.
    site_packages: PathBuf,
    /// Whether nobody can put other libraries before these.
    is_isolated: bool,
    /// Whether they are those of the interpreter itself.
    is_interpreter_s: bool,
}

/// What this process has found, by the path and the stamp of an az: many rooms ask, and each search opens a dozen files.
static FOUND: Mutex<Vec<(PathBuf, String, Option<Installation>)>> = Mutex::new(Vec::new());

impl Installation {
    /// Finds the libraries of the az at `az`.
    #[must_use]
    pub(crate) fn of(az: &Path) -> Option<Self> {
        let stamp = sys::file_stamp(az).ok()?;
        let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
        let known =
            found.iter().find(|(path, known, _)| *known == stamp && path == az).map(|(.., known)| known.clone());
        // An upgrade may give an az that is the same other libraries.
        let is_there = |known: &Option<Self>| known.as_ref().is_none_or(|known| has_core(&known.site_packages));
        if let Some(known) = known.filter(is_there) {
            return known;
        }
        found.retain(|(path, ..)| path != az);
        let searched = Self::search(az);
        found.push((az.to_owned(), stamp, searched.clone()));
        searched
    }

    fn search(az: &Path) -> Option<Self> {
        let script = script(az);
        let words = words(&script);
        let named = words.iter().filter_map(|word| placed(word, az)).filter(|path| path.ends_with("site-packages"));
        let beside = prefixes(az, &words).into_iter().flat_map(|prefix| libraries(&prefix));
        let site_packages = named.chain(beside).find(|directory| has_core(directory))?;
        let prefix = site_packages.ancestors().find(|directory| directory.join("pyvenv.cfg").is_file());
        // Python's switches: -I (isolated), -s (no user's own libraries), alone or with others.
        let has_switch = |switch: char| {
            words.iter().any(|word| word.starts_with('-') && !word.starts_with("--") && word.contains(switch))
        };
        let is_isolated = has_switch('I') || ((prefix.is_some() || has_switch('s')) && !names_python_path(&words));
        let own = interpreters(az, &words).into_iter().flat_map(|prefix| libraries(&prefix));
        let resolved = site_packages.canonicalize().ok();
        let is_interpreter_s =
            own.into_iter().any(|libraries| resolved.is_some() && libraries.canonicalize().ok() == resolved);
        Some(Self { site_packages, is_isolated, is_interpreter_s })
    }

    /// Whether nothing else can be found in the place of its libraries, and what is installed for everybody is beside them.
    #[must_use]
    pub(crate) fn is_certain(&self, context: &Context) -> bool {
        self.is_interpreter_s && (self.is_isolated || !self.has_rival("azure", context))
    }

    /// Whether there is such a module among its libraries.
    #[must_use]
    pub(crate) fn has(&self, module: &str) -> bool {
        self.site_packages.join(module).exists()
    }

    /// Its version, and the file that was looked at for it, which an upgrade takes away: the metadata of its package, whose
    /// directory names the version. `None` where there is none, or more than one, as an upgrade that broke off leaves it.
    #[must_use]
    pub(crate) fn package(&self) -> Option<(Version, PathBuf)> {
        let entries = std::fs::read_dir(&self.site_packages).ok()?;
        let mut found = entries.flatten().filter_map(|entry| {
            let name = entry.file_name();
            let rest = name.to_str()?.strip_prefix("azure_cli-")?;
            let (version, metadata) = match rest.strip_suffix(".dist-info") {
                Some(version) => (version, "METADATA"),
                // As setuptools leaves it: `azure_cli-2.91.0-py3.9.egg-info`.
                None => (rest.strip_suffix(".egg-info")?.split('-').next()?, "PKG-INFO"),
            };
            Some((version.parse(), entry.path().join(metadata)))
        });
        let (version, metadata) = found.next().filter(|_| found.next().is_none())?;
        Some((version.ok()?, metadata))
    }

    /// The directory of its libraries.
    #[must_use]
    pub(crate) fn site_packages(&self) -> &Path {
        &self.site_packages
    }

    /// The source of one of its modules.
    #[must_use]
    pub(crate) fn source(&self, module: &str) -> Option<String> {
        std::fs::read_to_string(self.site_packages.join(module)).ok()
    }

    /// The file of certificates that requests trusts where nobody names another: certifi's (certifi 2026.1,
    /// `core.py`, `where`). `None` where that may be another's, or where a distribution has certifi say something else.
    #[must_use]
    pub(crate) fn certificates(&self, context: &Context) -> Option<PathBuf> {
        let may_be_another_s = !self.is_isolated && self.has_rival("certifi", context);
        let says = self.source("certifi/core.py")?;
        let is_its_own =
            says.contains("cacert.pem") && !["/etc/", "/usr/", "environ"].iter().any(|word| says.contains(word));
        let path = self.site_packages.join("certifi/cacert.pem");
        (!may_be_another_s && is_its_own && path.is_file()).then_some(path)
    }

    /// Whether Python could find `module` elsewhere first.
    fn has_rival(&self, module: &str, context: &Context) -> bool {
        let named = context.variable("PYTHONPATH").map(std::env::split_paths).into_iter().flatten();
        let own = libraries(&context.home.join(".local"));
        context.has_variable("PYTHONHOME")
            || named.chain(own).any(|path| path != self.site_packages && path.join(module).exists())
    }
}

fn has_core(directory: &Path) -> bool {
    directory.join("azure/cli/core").is_dir()
}

/// The directories under which `az` may have its libraries: that of its own `bin`, and that of each interpreter it names.
fn prefixes(az: &Path, words: &[String]) -> Vec<PathBuf> {
    let own = az.canonicalize().ok().and_then(|az| above(&az));
    own.into_iter().chain(interpreters(az, words)).collect()
}

fn above(program: &Path) -> Option<PathBuf> {
    program.parent().and_then(Path::parent).map(Path::to_owned)
}

/// Those of the interpreters that it names.
fn interpreters(az: &Path, words: &[String]) -> Vec<PathBuf> {
    let mut prefixes = Vec::new();
    for interpreter in words.iter().filter_map(|word| placed(word, az)) {
        let name = interpreter.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with("python") {
            // On Windows it is above the libraries' directory, elsewhere in a directory beside it.
            prefixes.extend(interpreter.parent().filter(|_| cfg!(windows)).map(Path::to_owned));
            prefixes.extend(above(&interpreter));
        }
    }
    prefixes
}

/// The directories of libraries under a prefix.
fn libraries(prefix: &Path) -> Vec<PathBuf> {
    if cfg!(windows) {
        return vec![prefix.join("Lib").join("site-packages")];
    }
    let versions = ["lib", "lib64"].iter().filter_map(|name| std::fs::read_dir(prefix.join(name)).ok()).flatten();
    let mut versions: Vec<PathBuf> = versions.flatten().map(|version| version.path()).collect();
    versions.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("python")));
    // The same one each time, whatever order the directory is read in.
    versions.sort();
    versions.into_iter().map(|version| version.join("site-packages")).collect()
}

/// The beginning of the az that is started, if it is text.
fn script(az: &Path) -> String {
    let mut script = Vec::new();
    if let Ok(file) = std::fs::File::open(az) {
        // What cannot be read names no interpreter.
        let _ = file.take(SCRIPT).read_to_end(&mut script);
    }
    String::from_utf8_lossy(&script).into_owned()
}

fn words(script: &str) -> Vec<String> {
    let is_boundary = |c: char| c.is_whitespace() || "\"'!=;:".contains(c);
    // A drive's letter is no word of its own.
    let boundary = |c: char| if cfg!(windows) { c != ':' && is_boundary(c) } else { is_boundary(c) };
    script.split(boundary).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// The path that a word stands for: its own if it is absolute, one from az's own directory if a variable stands before it
/// that can mean nothing else (`$bin_dir/../../opt/az/bin/python3`, `%~dp0\..\python.exe`).
fn placed(word: &str, az: &Path) -> Option<PathBuf> {
    if Path::new(word).is_absolute() {
        return Some(PathBuf::from(word));
    }
    let rest = match word.strip_prefix("%~dp0") {
        Some(rest) => rest.trim_start_matches(['\\', '/']),
        None => word.strip_prefix('$')?.split_once('/')?.1,
    };
    let mut path = std::path::absolute(az).ok()?.parent()?.to_owned();
    for component in Path::new(rest).components() {
        match component {
            Component::ParentDir => drop(path.pop()),
            Component::Normal(name) => path.push(name),
            _ => {}
        }
    }
    Some(path)
}

/// Whether az itself puts directories before its interpreter's own.
fn names_python_path(words: &[String]) -> bool {
    words.iter().any(|word| word == "PYTHONPATH")
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use crate::context::HOME;

    const CORE: &str = "def where():\n    return files('certifi').joinpath('cacert.pem')\n";

    /// Libraries at `place` below `root`.
    fn put(root: &Path, place: &str) -> PathBuf {
        let packages = root.join(place);
        std::fs::create_dir_all(packages.join("azure/cli/core")).unwrap();
        std::fs::create_dir_all(packages.join("certifi")).unwrap();
        std::fs::write(packages.join("certifi/core.py"), CORE).unwrap();
        std::fs::write(packages.join("certifi/cacert.pem"), "").unwrap();
        packages
    }

    fn az(root: &Path, place: &str, text: &str) -> PathBuf {
        let az = root.join(place);
        std::fs::create_dir_all(az.parent().unwrap()).unwrap();
        std::fs::write(&az, text).unwrap();
        az
    }

    fn context(root: &Path, variables: &[(&str, &str)]) -> Context {
        let home = (HOME.into(), root.join("home").into_os_string());
        let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        Context::new(variables.chain([home]).collect::<Vec<_>>(), None)
    }

    #[test]
    fn the_libraries_are_found_where_each_installer_puts_them() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let text = |text: &str| text.replace("ROOT", root.to_str().unwrap());
        for (place, script, libraries) in [
            ("venv/bin/az", "#!ROOT/venv/bin/python3\nimport azure.cli\n", "venv/lib/python3.11/site-packages"),
            (
                "deb/usr/bin/az",
                "#!/usr/bin/env bash\nbin_dir=`cd x; pwd`\n$bin_dir/../../opt/az/bin/python3 -Im azure.cli \"$@\"\n",
                "deb/opt/az/lib/python3.12/site-packages",
            ),
            (
                "rpm/usr/bin/az",
                "#!/usr/bin/env bash\nPYTHONPATH=ROOT/rpm/usr/lib64/az/lib/python3.9/site-packages /usr/bin/python3.9 -sm azure.cli\n",
                "rpm/usr/lib64/az/lib/python3.9/site-packages",
            ),
            (
                "brew/bin/az",
                "#!/usr/bin/env bash\nAZ_INSTALLER=HOMEBREW ROOT/brew/Cellar/azure-cli/2.91.0/libexec/bin/python -Im azure.cli \"$@\"\n",
                "brew/Cellar/azure-cli/2.91.0/libexec/lib/python3.13/site-packages",
            ),
            ("user/.local/bin/az", "#!/usr/bin/python3\n", "user/.local/lib/python3.11/site-packages"),
        ] {
            let packages = put(&root, libraries);
            let az = az(&root, place, &text(script));
            let found = Installation::of(&az).unwrap_or_else(|| panic!("{place}"));
            assert_eq!(found.certificates(&context(&root, &[])), Some(packages.join("certifi/cacert.pem")), "{place}");
        }
        for script in ["#!/bin/sh\nexec docker run mcr.microsoft.com/azure-cli az \"$@\"\n", "\x7fELF", ""] {
            assert_eq!(Installation::of(&az(&root, "elsewhere/bin/az", script)), None);
        }
        assert_eq!(Installation::of(Path::new("/nowhere/az")), None);
    }

    #[test]
    fn what_was_found_holds_for_as_long_as_the_az_and_its_libraries() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let place = || Installation::of(&root.join("venv/bin/az")).map(|found| found.site_packages);
        az(&root, "venv/bin/az", "wrapper");
        assert_eq!(place(), None);
        az(&root, "venv/bin/az", "one\n");
        let old = put(&root, "venv/lib/python3.11/site-packages");
        az(&root, "venv/bin/az", "another");
        assert_eq!(place(), Some(old.clone()));
        // As an upgrade of Python leaves it.
        std::fs::remove_dir_all(old).unwrap();
        let new = put(&root, "venv/lib/python3.12/site-packages");
        assert_eq!(place(), Some(new));
    }

    #[test]
    fn the_version_is_that_of_the_one_package() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let packages = put(&root, "venv/lib/python3.11/site-packages");
        let az = az(&root, "venv/bin/az", "");
        let version = || Installation::of(&az).unwrap().package().map(|(version, _)| version.to_string());
        assert_eq!(version(), None);
        for other in ["azure_cli_core-2.60.0.dist-info", "azure_cli_telemetry-1.1.0.dist-info"] {
            std::fs::create_dir(packages.join(other)).unwrap();
        }
        for (name, is_known) in [
            ("azure_cli-2.60.0.dist-info", true),
            ("azure_cli-2.60.0-py3.9.egg-info", true),
            ("azure_cli-2.60.0b1.dist-info", false),
            ("azure_cli-2.60.0.post1.dist-info", false),
        ] {
            std::fs::create_dir(packages.join(name)).unwrap();
            assert_eq!(version(), is_known.then(|| "2.60.0".to_owned()), "{name}");
            std::fs::remove_dir(packages.join(name)).unwrap();
        }
        for name in ["azure_cli-2.60.0.dist-info", "azure_cli-2.75.0.dist-info"] {
            std::fs::create_dir(packages.join(name)).unwrap();
        }
        assert_eq!(version(), None);
    }

    #[test]
    fn certificates_that_may_be_another_s_are_none() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let packages = put(&root, "usr/lib/python3.11/site-packages");
        let az = az(&root, "usr/bin/az", "#!/usr/bin/env python3\n");
        let found =
            |variables: &[(&str, &str)]| Installation::of(&az).unwrap().certificates(&context(&root, variables));
        assert!(found(&[]).is_some());
        assert_eq!(found(&[("PYTHONHOME", "/x")]), None);
        let other = put(&root, "other");
        assert_eq!(found(&[("PYTHONPATH", other.to_str().unwrap())]), None);
        put(&root, "home/.local/lib/python3.11/site-packages");
        assert_eq!(found(&[]), None);
        std::fs::write(root.join("usr/pyvenv.cfg"), "").unwrap();
        std::fs::write(&az, "#!/usr/bin/python3\n").unwrap();
        assert!(found(&[]).is_some());
        std::fs::write(packages.join("certifi/core.py"), "def where(): return '/etc/ssl/cacert.pem'\n").unwrap();
        assert_eq!(found(&[]), None);
    }
}
