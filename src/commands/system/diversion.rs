//! The packaged az gives its place to the shim: by dpkg's diversions (dpkg-divert(1)), so that an upgrade of the package goes where
//! it was put aside, and a removal takes it from there. Between the two there is always an az at the place: the diversion is
//! registered, the packaged file gets a second name, and a link to the shim is renamed over the first. What is diverted
//! already, by somebody else or to elsewhere, is left, and so is an az that is no package's.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::failure::{Failure, Kind, Result};
use crate::sys;
use crate::text;

/// Where packages put az.
const PLACE: &str = "/usr/bin/az";

/// What has a place of a package's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Diversion {
    /// Where the shim stands.
    pub at: &'static str,
    /// Where the packaged az is.
    pub aside: &'static str,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is done.
    Done(Diversion),
    /// It was before.
    Already(Diversion),
    /// It is not to be done, for this reason.
    Left(String),
}

/// The file that is put aside.
const ASIDE: &str = "/usr/bin/az.distrib";

impl Diversion {
    const OURS: Self = Self { at: PLACE, aside: ASIDE };

    /// Has the link to `shim` stand where the package has az, be that there yet or not.
    ///
    /// # Errors
    /// `Storage`, with everything as it was.
    pub(super) fn install(shim: &Path) -> Result<Outcome> {
        let Some(truename) = ask(&["--truename", PLACE]) else {
            return Ok(Outcome::Left("there is no dpkg-divert".to_owned()));
        };
        let is_linked = is_link_to(shim);
        match (truename.as_str(), is_linked) {
            (ASIDE, true) => return Ok(Outcome::Already(Self::OURS)),
            // One that was killed had come so far.
            (ASIDE, false) if is_local() => {}
            (PLACE, _) if !Path::new(PLACE).exists() || is_packaged() => {}
            (PLACE, _) => return Ok(Outcome::Left(format!("`{PLACE}` is no package's"))),
            (other, _) => return Ok(Outcome::Left(format!("`{PLACE}` is diverted to `{}`", text::name(other)))),
        }
        if truename == PLACE {
            if Path::new(ASIDE).symlink_metadata().is_ok() {
                return Ok(Outcome::Left(format!("there is a `{ASIDE}`")));
            }
            divert("--add")?;
        }
        let placed = put_aside().and_then(|()| link(shim));
        if let Err(error) = placed {
            let _ = std::fs::remove_file(ASIDE);
            let _ = divert("--remove");
            return Err(Failure::storage("divert", Path::new(PLACE), &error));
        }
        Ok(Outcome::Done(Self::OURS))
    }

    /// Gives the place back.
    ///
    /// # Errors
    /// `Storage`; it can be tried again.
    pub(super) fn uninstall(shim: &Path) -> Result<Outcome> {
        let truename = ask(&["--truename", PLACE]).unwrap_or_default();
        if truename != ASIDE || !is_local() {
            return Ok(Outcome::Already(Self::OURS));
        }
        let at = Path::new(PLACE);
        if at.symlink_metadata().is_ok() && !is_link_to(shim) {
            return Ok(Outcome::Left(format!("`{PLACE}` is no longer azward's, and `{ASIDE}` is the package's")));
        }
        let failed = |error: std::io::Error| Failure::storage("give back", at, &error);
        match Path::new(ASIDE).symlink_metadata() {
            Ok(_) => sys::rename_over(Path::new(ASIDE), at).map_err(failed)?,
            // The package is no longer there.
            Err(_) => std::fs::remove_file(at).or_else(ignore_missing).map_err(failed)?,
        }
        divert("--remove")?;
        Ok(Outcome::Done(Self::OURS))
    }
}

/// Gives the packaged az its second name.
fn put_aside() -> std::io::Result<()> {
    if !Path::new(PLACE).exists() || Path::new(ASIDE).exists() {
        return Ok(());
    }
    // One that is a link itself stays one.
    std::fs::hard_link(PLACE, ASIDE)
}

/// Puts a link to the shim over what is there.
fn link(shim: &Path) -> std::io::Result<()> {
    let draft = Path::new("/usr/bin/az.azward-new");
    std::fs::remove_file(draft).or_else(ignore_missing)?;
    std::os::unix::fs::symlink(shim, draft)?;
    sys::rename_over(draft, Path::new(PLACE))
}

fn is_link_to(shim: &Path) -> bool {
    std::fs::read_link(PLACE).is_ok_and(|target| target == shim)
}

/// Whether the diversion is the administrator's, and no package's.
fn is_local() -> bool {
    ask(&["--listpackage", PLACE]).is_some_and(|package| package == "LOCAL")
}

fn is_packaged() -> bool {
    let status = quiet("dpkg-query").args(["--search", PLACE]).stdout(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

fn ask(arguments: &[&str]) -> Option<String> {
    let output = quiet("dpkg-divert").args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Registers the diversion, or takes it back; no file is touched.
fn divert(action: &str) -> Result<()> {
    let arguments = ["--quiet", "--local", "--no-rename", "--divert", ASIDE, action, PLACE];
    let refused =
        |what: String| Failure::new(Kind::Storage, what, "see what dpkg-divert(1) says; nothing was diverted");
    match quiet("dpkg-divert").args(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Err(refused(format!("dpkg-divert refused `{PLACE}`: {}", text::name(&said))))
        }
        Err(error) => Err(refused(format!("dpkg-divert could not be started: {error}"))),
    }
}

/// One of dpkg's programs, by root's own PATH, that says what it says in one language.
fn quiet(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C").stdin(Stdio::null()).stderr(Stdio::null());
    command
}

fn ignore_missing(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::real_az::DIVERTED;

    #[test]
    fn what_is_put_aside_is_looked_for_under_that_name() {
        assert_eq!(Path::new(PLACE).with_file_name(DIVERTED), Path::new(ASIDE));
    }
}
