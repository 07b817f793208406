//! A helper that is a process: `azward` by another name, which is all that tells it what it is there for. It is started by who asks and
//! reaped by him, has nothing of his but the two pipes, and is killed when he ends: what it was about to be told nobody could store.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use zeroize::Zeroizing;

use super::{Answer, Request, here};
use crate::sys;

/// What it is called by.
const NAME: &str = "azward-helper";

/// The most that is read of a request or an answer, in bytes: az's item in a keyring may be large, and nothing else is.
const MOST: u64 = 64 * 1024 * 1024;

/// Whether a process with this name is to be a helper.
#[must_use]
pub fn is_called_for(name: Option<&OsStr>) -> bool {
    name == Some(OsStr::new(NAME))
}

/// Does what stdin asks for, and has `say` tell stdout what came of it.
pub fn serve(say: impl FnOnce(&[u8]) -> io::Result<()>) -> ExitCode {
    let served = || -> io::Result<()> {
        let mut asked = Zeroizing::new(Vec::new());
        io::stdin().lock().take(MOST).read_to_end(&mut asked)?;
        let request: Request = serde_json::from_slice(&asked)?;
        let said = Zeroizing::new(serde_json::to_vec(&here(request))?);
        say(&said)
    };
    match served() {
        Ok(()) => ExitCode::SUCCESS,
        // Nobody is told but who asked: that there is no answer.
        Err(_) => ExitCode::FAILURE,
    }
}

/// What the `azward` at `program` makes of a request; `None` where it makes nothing of it.
pub(super) fn ask(program: &Path, request: &Request) -> Option<Answer> {
    if !program.is_absolute() {
        return None;
    }
    let asked = Zeroizing::new(serde_json::to_vec(request).ok()?);
    let mut command = Command::new(program);
    command.arg0(NAME);
    sys::set_apart_for_this_thread(&mut command);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    let stdin = child.stdin.take();
    let said = (|| {
        stdin?.write_all(&asked).ok()?;
        let mut said = Zeroizing::new(Vec::new());
        child.stdout.take()?.take(MOST).read_to_end(&mut said).ok()?;
        Some(said)
    })();
    // Whatever it has not said by now it will not say.
    let _ = child.kill();
    let _ = child.wait();
    serde_json::from_slice(&said?).ok()
}
