//! Which azward this is, and which another program is: version and commit. The commit is told by who builds what is given away
//! (`AZWARD_COMMIT`, at build time); a plain build says nothing of one. Another program's version is what it says itself, so
//! that builds are known that were made before anybody asked; one that says nothing is of no version, and nothing is
//! concluded from that.

use std::cmp::Ordering;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use crate::failure::{Failure, Kind, Result};
use crate::sys;
use crate::text;

/// This version.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How long another program may take to say its own.
const PATIENCE: Duration = Duration::from_secs(10);

/// What `azward --version` says behind the name.
#[must_use]
pub fn shown() -> &'static str {
    static SHOWN: LazyLock<String> = LazyLock::new(|| match option_env!("AZWARD_COMMIT") {
        None | Some("") => VERSION.to_owned(),
        Some(commit) => format!("{VERSION} ({commit})"),
    });
    &SHOWN
}

/// What becomes of a newer azward that is installed where this one is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Downgrade {
    /// It stays.
    Refused,
    /// It is replaced.
    Allowed,
}

/// Refuses to take the place of `installed`, an `azward`, if that is newer than this one; another build of one version is not.
///
/// # Errors
/// `Usage`.
pub(super) fn require_no_newer(installed: &Path, downgrade: Downgrade) -> Result<()> {
    let Some(theirs) = of_program(installed).filter(|theirs| compare(theirs, VERSION) == Ordering::Greater) else {
        return Ok(());
    };
    match downgrade {
        Downgrade::Allowed => Ok(()),
        Downgrade::Refused => Err(Failure::new(
            Kind::Usage,
            format!(
                "`{}` is azward {}, and this is {VERSION}: nothing was changed",
                text::path(installed),
                text::name(&theirs)
            ),
            "install that version or a newer one; with --allow-downgrade what the newer one has sealed may not open any more",
        )),
    }
}

/// The version that the `azward` at `program` says it has.
fn of_program(program: &Path) -> Option<String> {
    if !program.is_file() {
        return None;
    }
    let mut command = Command::new(program);
    command.arg("--version").env_clear();
    let (said, is_well) = sys::ask(&mut command, PATIENCE)?;
    let said = String::from_utf8(said).ok().filter(|_| is_well)?;
    said.strip_prefix("azward ")?.split_whitespace().next().map(str::to_owned)
}

/// The order of two versions: number by number, and what comes before a release (`1.0.0-rc.1`) before it. What is no number
/// counts as none.
fn compare(one: &str, other: &str) -> Ordering {
    let parts = |version: &str| {
        let version = version.split('+').next().unwrap_or_default().to_owned();
        let (numbers, before) = match version.split_once('-') {
            Some((numbers, before)) => (numbers.to_owned(), Some(before.to_owned())),
            None => (version, None),
        };
        (numbers.split('.').map(|number| number.parse::<u64>().unwrap_or(0)).collect::<Vec<_>>(), before)
    };
    let ((one, one_before), (other, other_before)) = (parts(one), parts(other));
    one.cmp(&other).then_with(|| match (one_before, other_before) {
        (Some(one), Some(other)) => pieces(&one).cmp(&pieces(&other)),
        (one, other) => one.is_none().cmp(&other.is_none()),
    })
}

/// What stands behind a version's dash, piece by piece: numbers as numbers, and before words.
fn pieces(before: &str) -> Vec<(bool, u64, &str)> {
    let piece = |piece| str::parse(piece).map_or((true, 0, piece), |number| (false, number, ""));
    before.split('.').map(piece).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_stand_in_the_order_in_which_they_come_out() {
        let order =
            ["0.0.9", "0.1.0-alpha.2", "0.1.0-alpha.10", "0.1.0-rc.1", "0.1.0", "0.1.10", "0.2.0", "1.0.0", "10.0.0"];
        for (place, one) in order.iter().enumerate() {
            for (other_place, other) in order.iter().enumerate() {
                assert_eq!(compare(one, other), place.cmp(&other_place), "{one} {other}");
            }
        }
        assert_eq!(compare("0.1.0+build.7", "0.1.0"), Ordering::Equal);
    }
}
