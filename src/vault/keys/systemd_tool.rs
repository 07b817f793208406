//! `systemd-creds`, the program: what it is given and gives goes through pipes, never through its arguments, and what it says
//! of itself is not passed on. It seals for the user that runs it (`--user`, systemd 256 and later), or for the system where
//! that is root. It has a deadline, because it may wait for a TPM or for another program; one that takes longer is ended.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::failure::{Failure, Kind};
use crate::secret::Secret;
use crate::sys;
use crate::wait::{self, Unheard};

/// How long it may take: a TPM is slow, and a busy one slower.
const DEADLINE: Duration = Duration::from_secs(20);

/// The first systemd that seals for a user who is not root.
const FIRST_FOR_USERS: u32 = 256;

/// Where root's seals have their key. The program makes it where there is none.
const HOST_KEY: &str = "/var/lib/systemd/credential.secret";

/// More than it ever says.
const MOST: u64 = 1024 * 1024;

/// The program, as it is to be called here.
#[derive(Debug)]
pub(super) struct Tool {
    program: PathBuf,
    search_path: Option<OsString>,
    scope: Scope,
}

/// For whom it seals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// The user that runs it.
    User,
    /// The system, which root alone can.
    System,
}

/// Why it gave nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// There is no such program.
    Absent,
    /// It does not seal for users yet; its version.
    TooOld(u32),
    /// It failed.
    Refused,
    /// It did not end in time.
    Silent,
    /// A signal came first.
    Interrupted,
}

impl Scope {
    /// That of this process.
    pub(super) fn here() -> Self {
        if sys::user_id() == "0" { Self::System } else { Self::User }
    }
}

impl Tool {
    /// The one on `search_path`, else where it usually is.
    pub(super) fn find(search_path: Option<&OsString>) -> Result<Self, Trouble> {
        if !cfg!(target_os = "linux") {
            return Err(Trouble::Absent);
        }
        let found = which::which_in_global("systemd-creds", Some(search_path.cloned().unwrap_or_default()));
        let found = found.ok().and_then(|mut programs| programs.next());
        let usual = || {
            Some(PathBuf::from("/usr/bin/systemd-creds"))
                .filter(|path| path.metadata().is_ok_and(|metadata| sys::is_executable(&metadata)))
        };
        let program = found.or_else(usual).ok_or(Trouble::Absent)?;
        Ok(Self { program, search_path: search_path.cloned(), scope: Scope::here() })
    }

    /// The program's file.
    pub(super) fn program(&self) -> &Path {
        &self.program
    }

    /// Whether a seal would have it make anything outside of this user's directories: root's key, which nobody asked for.
    pub(super) fn would_set_up(&self) -> bool {
        self.scope == Scope::System && !Path::new(HOST_KEY).exists()
    }

    /// Seals `secret` under `name`: text that only this user, or root, opens on this system.
    pub(super) fn seal(&self, name: &str, secret: &Secret) -> Result<Secret, Trouble> {
        self.run(&["encrypt", &format!("--name={name}"), "-", "-"], secret.duplicate())
    }

    /// Opens what [`Self::seal`] gave under the same name.
    pub(super) fn unseal(&self, name: &str, sealed: Secret) -> Result<Secret, Trouble> {
        self.run(&["decrypt", &format!("--name={name}"), "--newline=no", "-", "-"], sealed)
    }

    /// Seals something and opens it again.
    pub(super) fn try_out(&self) -> Result<(), Trouble> {
        let secret = Secret::new(b"azward tries this out".to_vec());
        let opened = self.unseal("azward-trial", self.seal("azward-trial", &secret)?)?;
        if opened == secret { Ok(()) } else { Err(Trouble::Refused) }
    }

    fn run(&self, arguments: &[&str], input: Secret) -> Result<Secret, Trouble> {
        let mut command = self.command();
        if self.scope == Scope::User {
            command.arg("--user");
        }
        let output = hear(command.args(arguments), input);
        match output {
            Err(Trouble::Refused) if self.scope == Scope::User => Err(self
                .version()
                .filter(|version| *version < FIRST_FOR_USERS)
                .map_or(Trouble::Refused, Trouble::TooOld)),
            other => other,
        }
    }

    /// What it says its version is: `systemd 252 (…)`.
    fn version(&self) -> Option<u32> {
        let said = hear(self.command().arg("--version"), Secret::new(Vec::new())).ok()?;
        said.expose_text().strip_prefix("systemd ")?.split_ascii_whitespace().next()?.parse().ok()
    }

    /// With nothing of the caller's environment but where programs are: a variable could have it say or take something else.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.env_clear().env("LANG", "C").current_dir("/");
        if let Some(path) = &self.search_path {
            command.env("PATH", path);
        }
        command
    }
}

/// Runs it on `input`, and gives back what it said.
fn hear(command: &mut Command, input: Secret) -> Result<Secret, Trouble> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|_| Trouble::Refused)?;
    let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        end(&mut child);
        return Err(Trouble::Refused);
    };
    let speak = move || {
        // One that takes nothing says so by how it ends.
        let _ = stdin.write_all(input.expose());
        drop((stdin, input));
        let mut said = Vec::with_capacity(4096);
        stdout.take(MOST).read_to_end(&mut said).map(|_| Secret::new(said))
    };
    let said = match wait::for_work("systemd-creds", DEADLINE, Duration::ZERO, speak) {
        Ok(said) => said.map_err(|_| Trouble::Refused),
        Err(Unheard::Late) => Err(Trouble::Silent),
        Err(Unheard::Interrupted) => Err(Trouble::Interrupted),
        Err(Unheard::Lost | Unheard::Overtaken) => Err(Trouble::Refused),
    };
    if said.is_err() {
        end(&mut child);
        return said;
    }
    match child.wait() {
        Ok(status) if status.success() => said,
        _ => Err(Trouble::Refused),
    }
}

fn end(child: &mut Child) {
    // It may have ended by itself: just as well.
    let _ = child.kill();
    let _ = child.wait();
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        let (what, hint) = match trouble {
            Trouble::Absent => (
                "systemd-creds is not on this system".to_owned(),
                "install it (with systemd), or keep the key elsewhere: `azward vault move`",
            ),
            Trouble::TooOld(version) => (
                format!("the systemd here is {version}, and seals for users from {FIRST_FOR_USERS} on"),
                "update systemd, or keep the key elsewhere",
            ),
            Trouble::Refused => (
                "systemd-creds refused".to_owned(),
                "see what `systemd-creds encrypt` says (its TPM, its host key), then run the command again",
            ),
            Trouble::Silent => (
                "systemd-creds did not answer in time".to_owned(),
                "see whether its TPM is busy, then run the command again",
            ),
            Trouble::Interrupted => return wait::interrupted("systemd-creds"),
        };
        Self::new(Kind::KeyUnavailable, what, hint)
    }
}
