//! The programs that are known: `callers.json` in the azward home, mode 0600, changed under a lock and put into place in one step.
//! It has who was allowed, who was refused, and who could not be asked about; and which processes were started by somebody who
//! may use the login. One that cannot be understood is set aside when it is next changed, and allows nobody until then.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::caller::Program;
use crate::context::Context;
use crate::failure::{Failure, Kind, Result};
use crate::lock::{Lock, Mode};
use crate::private;
use crate::sys;
use crate::text;

/// The file's name under an azward home.
pub(crate) const NAME: &str = "callers.json";

/// What it is written as before it is put into its place.
pub(crate) const DRAFT: &str = "callers.new";

/// How long a refusal is not asked again.
pub(super) const REFUSED_FOR: Duration = Duration::from_secs(5 * 60);

/// How long to wait for another azward that changes it.
const LOCK_DEADLINE: Duration = Duration::from_secs(2);

/// The version that this azward writes.
const VERSION: u32 = 1;

/// How many are kept that are not allowed.
const MOST: usize = 200;

/// What was decided about a program.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    /// It may use the login.
    Allowed,
    /// Somebody said no, or nothing.
    Refused,
    /// There was nobody to ask.
    NotAsked,
}

impl Verdict {
    /// As it is told.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Refused => "refused",
            Self::NotAsked => "not asked",
        }
    }
}

/// A program, and what was decided about it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Known {
    pub(crate) program: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) script: Option<String>,
    pub(crate) owner: String,
    pub(crate) verdict: Verdict,
    /// When, in seconds since the epoch.
    pub(crate) time: i64,
}

impl Known {
    /// The program.
    pub(crate) fn program(&self) -> Program {
        Program { path: self.program.clone(), script: self.script.clone(), owner: self.owner.clone() }
    }

    /// Whether it is this one, whoever owns it.
    fn has_place_of(&self, program: &Program) -> bool {
        self.program == program.path && self.script == program.script
    }

    fn is(&self, program: &Program) -> bool {
        let is_named_so = || {
            // The kernel keeps fifteen letters of a name.
            let name = self.program.rsplit('/').next().unwrap_or_default();
            program.is_hidden() && name.bytes().take(15).eq(program.path.bytes()) && self.script.is_none()
        };
        (self.has_place_of(program) || is_named_so()) && self.owner == program.owner
    }
}

/// A process that was started by somebody who may use the login.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
struct Covered {
    process: u32,
    start: u64,
}

impl Covered {
    fn is_there(&self) -> bool {
        sys::process_start(self.process) == Some(self.start)
    }
}

/// All that is known.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct Callers {
    version: u32,
    pub(crate) callers: Vec<Known>,
    #[serde(default)]
    covered: Vec<Covered>,
}

/// What a program may do by that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Allowed,
    RefusedLately { ago: Duration },
    Unknown,
}

impl Callers {
    /// What a program may do at this time.
    pub(super) fn standing(&self, program: &Program, now: i64) -> Standing {
        let ago = |known: &Known| u64::try_from(now.saturating_sub(known.time)).map(Duration::from_secs).ok();
        let mut lately = Standing::Unknown;
        for known in self.callers.iter().filter(|known| known.is(program)) {
            match (known.verdict, ago(known)) {
                (Verdict::Allowed, _) => return Standing::Allowed,
                (Verdict::Refused, Some(ago)) if ago < REFUSED_FOR => lately = Standing::RefusedLately { ago },
                _ => {}
            }
        }
        lately
    }

    /// Whether a process was started by somebody who may use the login.
    pub(super) fn is_covered(&self, process: u32) -> bool {
        self.covered.iter().any(|covered| covered.process == process && covered.is_there())
    }

    /// Has `verdict` be what was decided about `program`.
    pub(crate) fn decide(&mut self, program: &Program, verdict: Verdict, time: i64) {
        self.callers.retain(|known| !known.has_place_of(program));
        let Program { path, script, owner } = program.clone();
        self.callers.push(Known { program: path, script, owner, verdict, time });
        let mut surplus =
            self.callers.iter().filter(|known| known.verdict != Verdict::Allowed).count().saturating_sub(MOST);
        // The oldest are first.
        self.callers.retain(|known| {
            let goes = surplus > 0 && known.verdict != Verdict::Allowed;
            surplus -= usize::from(goes);
            !goes
        });
    }
}

/// What is known; nothing where that cannot be understood.
///
/// # Errors
/// [`Kind::Storage`] for what cannot be read, [`Kind::Usage`] for that of a newer azward.
pub(crate) fn read(context: &Context) -> Result<Callers> {
    Ok(read_whole(context)?.unwrap_or_default())
}

/// The same, with nothing for a file that cannot be understood.
fn read_whole(context: &Context) -> Result<Option<Callers>> {
    let path = path(context);
    let bytes = match private::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Some(Callers::default())),
        Err(error) => return Err(Failure::storage("read", &path, &error)),
    };
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    match serde_json::from_slice::<Versioned>(&bytes) {
        Ok(Versioned { version }) if version > VERSION => Err(Failure::new(
            Kind::Usage,
            format!("`{}` was written by a newer azward", text::path(&path)),
            "use that one, or remove the file: programs are then asked about anew",
        )),
        _ => Ok(serde_json::from_slice(&bytes).ok()),
    }
}

/// Changes what is known.
///
/// # Errors
/// `Busy`, `Storage`, `Gone`, `Usage`.
pub(crate) fn update<T>(context: &Context, change: impl FnOnce(&mut Callers) -> T) -> Result<T> {
    let _presence = context.home_lock.enter()?;
    let run = context.azward_home.join("run");
    private::make_dir(&run)?;
    let _lock = Lock::acquire(&run.join("callers.lock"), Mode::Exclusive, LOCK_DEADLINE)?;
    let path = path(context);
    let mut callers = match read_whole(context)? {
        Some(callers) => callers,
        None => {
            let aside = path.with_file_name(format!("{NAME}.set-aside-{}", context.now()));
            std::fs::rename(&path, &aside).map_err(|error| Failure::storage("set aside", &path, &error))?;
            Callers::default()
        }
    };
    let result = change(&mut callers);
    callers.version = VERSION;
    callers.covered.retain(Covered::is_there);
    let bytes = serde_json::to_vec(&callers).unwrap_or_default();
    private::replace(&path, &bytes, 0o600).map_err(|error| Failure::storage("write", &path, &error))?;
    Ok(result)
}

/// Remembers what was decided about a program.
///
/// # Errors
/// Those of [`update`].
pub(crate) fn remember(context: &Context, program: &Program, verdict: Verdict) -> Result<()> {
    update(context, |callers| callers.decide(program, verdict, context.now()))
}

/// Has a process count as started by somebody who may use the login.
///
/// # Errors
/// Those of [`update`].
pub(super) fn cover(context: &Context, process: u32) -> Result<()> {
    let Some(start) = sys::process_start(process) else { return Ok(()) };
    update(context, |callers| callers.covered.push(Covered { process, start }))
}

fn path(context: &Context) -> PathBuf {
    context.azward_home.join(NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(path: &str, owner: &str) -> Program {
        Program { path: path.to_owned(), script: None, owner: owner.to_owned() }
    }

    #[test]
    fn a_verdict_is_of_one_program_of_one_owner_and_a_refusal_ends() {
        let mut callers = Callers::default();
        let tool = program("/opt/tool", "0");
        callers.decide(&tool, Verdict::Refused, 1000);
        let ago = |seconds| Standing::RefusedLately { ago: Duration::from_secs(seconds) };
        assert_eq!(callers.standing(&tool, 1299), ago(299));
        assert_eq!(callers.standing(&tool, 1300), Standing::Unknown);
        // A clock that was put back makes nothing of it last.
        assert_eq!(callers.standing(&tool, 999), Standing::Unknown);
        callers.decide(&tool, Verdict::Allowed, 1400);
        assert_eq!((callers.standing(&tool, 0), callers.callers.len()), (Standing::Allowed, 1));
        assert_eq!(callers.standing(&program("/opt/tool", "1000"), 1400), Standing::Unknown);
        assert_eq!(callers.standing(&program("/opt/tool2", "0"), 1400), Standing::Unknown);
        let script = Program { script: Some("/x".into()), ..tool.clone() };
        assert_eq!(callers.standing(&script, 1400), Standing::Unknown);
        // Of one that lets nobody look the name is all there is.
        assert_eq!(callers.standing(&program("tool", "0"), 1400), Standing::Allowed);
        assert_eq!(callers.standing(&program("tool", "1000"), 1400), Standing::Unknown);
    }

    #[test]
    fn those_that_are_not_allowed_do_not_grow_without_end() {
        let mut callers = Callers::default();
        callers.decide(&program("/first", "0"), Verdict::Allowed, 0);
        for count in 0..MOST + 5 {
            callers.decide(&program(&format!("/{count}"), "0"), Verdict::NotAsked, 1);
        }
        assert_eq!(callers.callers.len(), MOST + 1);
        assert_eq!(callers.standing(&program("/first", "0"), 1), Standing::Allowed);
        assert!(callers.callers.iter().all(|known| known.program != "/4"));
    }

    #[test]
    fn what_is_no_such_file_allows_nobody_and_is_set_aside() {
        let home = tempfile::tempdir().unwrap();
        let context = Context::new([("AZWARD_HOME".into(), home.path().into())], None);
        let tool = program("/opt/tool", "0");
        std::fs::write(path(&context), "{\"version\": 1, \"callers\": 7}").unwrap();
        assert!(read(&context).unwrap().callers.is_empty());
        remember(&context, &tool, Verdict::Allowed).unwrap();
        assert_eq!(read(&context).unwrap().standing(&tool, 0), Standing::Allowed);
        let aside = std::fs::read_dir(home.path()).unwrap().flatten();
        assert!(aside.into_iter().any(|entry| entry.file_name().to_string_lossy().contains(".set-aside-")));
        std::fs::write(path(&context), "{\"version\": 2}").unwrap();
        assert_eq!(read(&context).unwrap_err().kind, Kind::Usage);
        assert_eq!(remember(&context, &tool, Verdict::Allowed).unwrap_err().kind, Kind::Usage);
    }
}
