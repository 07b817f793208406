//! Those of az's own commands that start no other program: the closed list, derived from az's source by `.ci/closed-list` and
//! kept beside this file. What is not on it, an extension's command or one of a later az, may start any; so may each command
//! of an az whose source is not found.

use std::path::{Path, PathBuf};

use crate::azure::installation::Installation;
use crate::azure::version::Version;

/// The version of az whose source it was, and below it one or two words a line, sorted: all commands that begin so.
const LIST: &str = include_str!("alone.txt");

/// What the first line begins with.
const HEAD: &str = "# azure-cli ";

/// Whether a command with these words, two at the most, is on the list.
pub(super) fn is_listed(words: &str) -> bool {
    let first = words.split(' ').next().unwrap_or_default();
    !words.is_empty() && LIST.lines().skip(1).any(|line| line == words || line == first)
}

/// The directory of the libraries of the az at `az` and the file that names its version, if the list is that of this version
/// or of a later one.
pub(crate) fn package_of(az: &Path) -> Option<(PathBuf, PathBuf)> {
    let installation = Installation::of(az)?;
    let (version, metadata) = installation.package()?;
    (version <= own_version()?).then(|| (installation.site_packages().to_owned(), metadata))
}

fn own_version() -> Option<Version> {
    LIST.lines().next()?.strip_prefix(HEAD)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_names_a_version_and_is_sorted() {
        assert!(own_version().is_some());
        assert!(LIST.lines().skip(1).is_sorted() && LIST.lines().skip(1).count() > 100);
    }

    #[test]
    fn a_command_is_on_it_by_its_words() {
        for words in ["group list", "account get-access-token", "network", "vm list", "version"] {
            assert!(is_listed(words), "{words}");
        }
        let not = ["", "login", "ssh vm", "acr login", "upgrade", "aks get-credentials", "aks", "vm ssh", "unknown"];
        for words in not {
            assert!(!is_listed(words), "{words}");
        }
    }
}
