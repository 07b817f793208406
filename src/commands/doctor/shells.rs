//! Which PATH a shell has once it has started, found out by starting it: with its start-up files, and with as little of this
//! process's environment as a new terminal or login would hand down. It has no terminal and a few seconds; one that says
//! nothing in that time, because its files wait for somebody, is `None`.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::context::Context;
use crate::sys;

/// How long a shell may take to start.
const PATIENCE: Duration = Duration::from_secs(8);

/// What stands before the PATH in what the shell says: its files may say something too.
const SIGN: &[u8] = b"azward-path:";

/// In every shell's language.
const SAY_PATH: &str = "printf '\\nazward-path:%s\\n' \"$PATH\"";

/// How a shell is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// In a new window.
    Interactive,
    /// By a login: ssh, a console, a terminal of macOS.
    Login,
}

/// The PATH of the shell at `program` that was started with `path` for its PATH.
pub(super) fn path_in(context: &Context, program: &Path, start: Start, path: &OsStr) -> Option<OsString> {
    let options: &[&str] = match start {
        Start::Interactive => &["-i", "-c", SAY_PATH],
        Start::Login => &["-l", "-i", "-c", SAY_PATH],
    };
    let mut command = Command::new(program);
    command.args(options).env_clear().env("PATH", path).env("TERM", "dumb").env("SHELL", program);
    command.env("HOME", &context.home).current_dir(&context.home);
    let handed_down = ["USER", "LOGNAME", "LANG", "LC_ALL", "TMPDIR", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "ZDOTDIR"];
    command.envs(handed_down.iter().filter_map(|name| Some((name, context.variable(name)?))));
    let (said, _) = sys::ask(&mut command, PATIENCE)?;
    let line = said.split(|byte| *byte == b'\n').rfind(|line| line.starts_with(SIGN))?;
    Some(sys::path_from_bytes(&line[SIGN.len()..]).into_os_string())
}

/// The PATH of what systemd starts for this user, programs of the desktop among it; `None` where there is no such thing.
pub(super) fn path_of_the_session(context: &Context) -> Option<OsString> {
    let systemctl = which::which_in("systemctl", context.variable("PATH"), &context.directory).ok()?;
    let mut command = Command::new(systemctl);
    command.args(["--user", "show-environment"]);
    let (said, is_well) = sys::ask(&mut command, PATIENCE)?;
    let line = said.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"PATH="))?;
    is_well.then(|| sys::path_from_bytes(line).into_os_string())
}
