//! What the process was started with, read once in `main`: environment, directories, terminal, clock. Nothing below
//! reads the environment itself, so everything can be tested without changing it. Nothing here fails: what is missing
//! has the default that az itself would use.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::helper::Helper;
use crate::home_lock::HomeLock;
use crate::marker;
use crate::sys::{self, Stream};

/// What the process was started with.
#[derive(Clone, Debug)]
pub struct Context {
    environment: Vec<(OsString, OsString)>,
    /// Which of these variables are azward's own addition, for whoever hands the process's own environment on.
    added: Vec<OsString>,
    /// This program's own file, where the system tells.
    pub executable: Option<PathBuf>,
    /// The working directory, where the system tells.
    pub directory: PathBuf,
    /// The user's home directory as Python's `os.path.expanduser` finds it, which leaves what it does not find as it is.
    pub home: PathBuf,
    /// `$AZWARD_HOME`: where the vaults, locks, settings and the journal are.
    pub azward_home: PathBuf,
    /// The lock over all of it.
    pub home_lock: HomeLock,
    /// Who does what this program is too small for: the `azward` beside it, where nothing else is said.
    pub helper: Helper,
    /// Whether a person can be asked something: stdin and stderr are both terminals.
    pub is_interactive: bool,
}

impl Context {
    /// Reads the process's surroundings.
    #[must_use]
    pub fn from_process() -> Self {
        Self {
            directory: std::env::current_dir().unwrap_or_default(),
            is_interactive: sys::is_terminal(Stream::Stdin) && sys::is_terminal(Stream::Stderr),
            ..Self::new(std::env::vars_os(), std::env::current_exe().ok())
        }
    }

    /// The same from given parts, with nobody who can be asked.
    pub fn new(environment: impl IntoIterator<Item = (OsString, OsString)>, executable: Option<PathBuf>) -> Self {
        let environment: Vec<_> = environment.into_iter().collect();
        let home = home_directory(&environment);
        let azward_home = value_in(&environment, "AZWARD_HOME")
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
            .or_else(|| home_of_installed(executable.as_deref(), &home))
            .unwrap_or_else(|| home.join(".azward"));
        // A relative one would mean another vault in every directory.
        let azward_home = std::path::absolute(&azward_home).unwrap_or(azward_home);
        let home_lock = HomeLock::of(&azward_home, executable.as_deref());
        let (added, directory) = (Vec::new(), PathBuf::new());
        let helper = Helper::beside(executable.as_deref());
        Self { environment, added, executable, directory, home, azward_home, home_lock, helper, is_interactive: false }
    }

    /// The same with this helper.
    #[must_use]
    pub fn helped_by(self, helper: Helper) -> Self {
        Self { helper, ..self }
    }

    /// An environment variable, `None` when it is unset or empty.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&OsStr> {
        value_in(&self.environment, name).filter(|value| !value.is_empty())
    }

    /// Whether an environment variable is set at all, be it to nothing: what Python's `in os.environ` asks.
    #[must_use]
    pub fn has_variable(&self, name: &str) -> bool {
        value_in(&self.environment, name).is_some()
    }

    /// Every environment variable there is, in the caller's order.
    pub fn variables(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.environment.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// The same with these variables as well, in the place of those of their names.
    #[must_use]
    pub fn with(&self, variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let mut context = self.clone();
        for (name, value) in variables {
            context.environment.retain(|(other, _)| !is_same_name(other, &name));
            context.added.push(name.clone());
            context.environment.push((name, value));
        }
        context
    }

    /// The variables that the process itself was not started with.
    pub fn added(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.variables().filter(|(name, _)| self.added.iter().any(|added| is_same_name(added, name)))
    }

    /// Seconds since the epoch, now.
    #[must_use]
    pub fn now(&self) -> i64 {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |elapsed| i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX))
    }

    /// Whether nobody knows where the user is at home: no `HOME`, and no entry in the passwd database. az's config directory is
    /// then below one of the name `~` in the working directory.
    #[must_use]
    pub fn is_home_unknown(&self) -> bool {
        self.home == Path::new(UNKNOWN_HOME)
    }

    /// Expands a leading `~` as Python's `os.path.expanduser` does for the user's own home.
    #[must_use]
    pub fn expand_user(&self, path: &Path) -> PathBuf {
        path.strip_prefix("~").map_or_else(|_| path.to_owned(), |rest| self.home.join(rest))
    }
}

/// What stands for the home directory, and is taken as it stands where nobody knows that.
const UNKNOWN_HOME: &str = "~";

/// The variable that says where the user is at home.
pub(crate) const HOME: &str = if cfg!(windows) { "USERPROFILE" } else { "HOME" };

/// What a variable is set to: the last word on it, should it be there twice.
fn value_in<'a>(environment: &'a [(OsString, OsString)], name: &str) -> Option<&'a OsStr> {
    let is_it = |(other, _): &&(OsString, OsString)| is_same_name(other, OsStr::new(name));
    environment.iter().rev().find(is_it).map(|(_, value)| value.as_os_str())
}

/// Whether two names are of one variable. On Windows they are in any case: what is `PATH` here is `Path` there.
fn is_same_name(one: &OsStr, other: &OsStr) -> bool {
    if cfg!(windows) { one.eq_ignore_ascii_case(other) } else { one == other }
}

/// The home directory: [`HOME`] where it is set (be it to nothing, as Python takes it), else the system's own record.
fn home_directory(environment: &[(OsString, OsString)]) -> PathBuf {
    match value_in(environment, HOME) {
        Some(home) if home.is_empty() => PathBuf::from("/"),
        Some(home) => PathBuf::from(home),
        None => sys::home_from_passwd().unwrap_or_else(|| PathBuf::from(UNKNOWN_HOME)),
    }
}

/// The azward home that an installed shim belongs to, by its place `<home>/bin/az`: callers that hand on nothing but PATH
/// still reach the right vault.
fn home_of_installed(executable: Option<&Path>, user_home: &Path) -> Option<PathBuf> {
    let bin = executable?.parent().filter(|bin| bin.ends_with("bin"))?;
    let home = bin.parent()?;
    // Where it is the default anyway nobody need look.
    (home == user_home.join(".azward") || marker::is_home(home, user_home)).then(|| home.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(pairs: &[(&str, &str)], executable: Option<PathBuf>) -> Context {
        let environment = pairs.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        Context::new(environment.collect::<Vec<_>>(), executable)
    }

    #[test]
    fn an_empty_azward_home_is_none() {
        let home = tempfile::tempdir().unwrap();
        let context = context(&[(HOME, home.path().to_str().unwrap()), ("AZWARD_HOME", "")], None);
        assert_eq!(context.azward_home, home.path().join(".azward"));
    }

    #[test]
    fn an_installed_shim_knows_its_home_without_any_variable() {
        let home = tempfile::tempdir().unwrap();
        let executable = home.path().join("bin/az");
        assert_ne!(context(&[], Some(executable.clone())).azward_home, home.path());
        // What happens to be called so is not azward's.
        std::fs::create_dir(home.path().join("bin")).unwrap();
        let others =
            [r#"{"key_store": "auto", "exposure": "auto", "theirs": 1}"#, r#"{"key_store": "a", "exposure": "b"}"#];
        for text in ["{}"].iter().chain(&others) {
            std::fs::write(home.path().join("config.json"), text).unwrap();
            assert_ne!(context(&[], Some(executable.clone())).azward_home, home.path(), "{text}");
        }
        std::fs::write(home.path().join("azward-home"), "azward home, made by azward\n").unwrap();
        assert_eq!(context(&[], Some(executable)).azward_home, home.path());
    }

    #[test]
    fn a_tilde_is_the_home_only_in_front() {
        let context = context(&[(HOME, "/home/u")], None);
        assert_eq!(context.expand_user(Path::new("~/x")), Path::new("/home/u/x"));
        assert_eq!(context.expand_user(Path::new("/a/~/x")), Path::new("/a/~/x"));
    }

    #[test]
    fn a_name_is_in_any_case_on_windows_and_as_it_is_elsewhere() {
        let context = context(&[("Path", "one"), ("other", "two")], None);
        assert_eq!(context.variable("PATH").is_some(), cfg!(windows));
        let changed = context.with([("OTHER".into(), "three".into())]);
        assert_eq!(changed.variables().count(), if cfg!(windows) { 2 } else { 3 });
        assert_eq!((changed.variable("OTHER"), changed.added().count()), (Some(OsStr::new("three")), 1));
    }
}
