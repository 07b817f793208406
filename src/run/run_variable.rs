//! The run variable: one environment variable that a shim gives to what it starts, so that an az started by that az knows that
//! the secrets are already at hand, and so that a shim that another shim leads back to does not go round in a circle.
//! It holds no secret. Anybody can write such a variable, so it counts for what can be checked of it, and for nothing
//! otherwise: what it would keep us from is to hand over secrets and to clear up after that.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::azure::{ConfigDir, real_az};
use crate::context::Context;
use crate::run::exposure::kind::ExposureKind;
use crate::store::is_covered;
use crate::store::lease::{Lease, RunLock};
use crate::sys;

/// The variable's name.
pub const VARIABLE: &str = "AZWARD_RUN";

/// How often a shim may lead to a shim before that counts as a circle.
const DEPTH: u32 = 8;

/// What the shim does whose run variable it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It supervises a run.
    Supervisor,
    /// It replaces itself by az.
    Passer,
}

/// What the run variable says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunVariable {
    /// Whether the shim that wrote it supervises a run; it replaced itself by az otherwise.
    supervises: bool,
    /// Whether the secrets are exposed in a private mount.
    is_private: bool,
    /// The shim's process.
    process: u32,
    /// When that process started, to tell it from a later one with the same id.
    start: u64,
    /// The config directory whose secrets are exposed.
    config_dir: String,
    /// The process that wrote the run variable last: it has become, or is the parent of, what it then started.
    hop: u32,
    /// How many shims stand above what is started now.
    depth: u32,
    /// The real az that were tried in a row without anything but shims in between.
    tried: Vec<PathBuf>,
}

impl RunVariable {
    /// The run variable that this process was given, if what it says can be seen to be true: its writer lives and is above
    /// us, or was replaced by what became us; and one that says that a run has the secrets at hand was written by our own
    /// program, which holds the lock that every such run holds. Anything else, forged or left over, is no run variable.
    #[must_use]
    pub fn given(context: &Context) -> Option<Self> {
        let run_variable = Self::parse(context.variable(VARIABLE)?.to_str()?)?;
        let is_living = sys::process_start(run_variable.process) == Some(run_variable.start);
        let is_true = || match run_variable.supervises {
            true => {
                is_above(run_variable.process)
                    && is_ours(context, run_variable.process)
                    && run_variable.holds_its_lock(context)
            }
            false => run_variable.process == std::process::id() || is_above(run_variable.process),
        };
        (is_living && is_true()).then_some(run_variable)
    }

    /// Whether its writer holds what a run holds for as long as its az may need the secrets.
    fn holds_its_lock(&self, context: &Context) -> bool {
        let lock = if self.is_private { RunLock::Mount } else { RunLock::Lease };
        Lease::named(context, &self.config_dir).is_some_and(|lease| lease.is_held_by(self.process, lock))
    }

    /// The run variable for what this process starts now.
    #[must_use]
    pub fn of_this_process(given: Option<&Self>, config_dir: &ConfigDir, role: Role, real_az: &Path) -> Self {
        let process = std::process::id();
        let mut tried = tried(given).to_vec();
        tried.push(real_az.to_owned());
        Self {
            supervises: role == Role::Supervisor,
            is_private: false,
            process,
            start: sys::process_start(process).unwrap_or(0),
            config_dir: config_dir.id().to_owned(),
            hop: process,
            depth: given.map_or(0, |given| given.depth) + 1,
            tried,
        }
    }

    /// The run variable for a program that is no az: every az is still to be tried.
    #[must_use]
    pub fn of_program(given: Option<&Self>, config_dir: &ConfigDir) -> Self {
        Self { tried: Vec::new(), ..Self::of_this_process(given, config_dir, Role::Supervisor, Path::new("")) }
    }

    /// The same for a program inside a live run.
    #[must_use]
    pub fn passed_to_program(&self) -> Self {
        Self { tried: Vec::new(), ..self.passed_on(Path::new("")) }
    }

    /// The same run variable for an az in this exposure.
    #[must_use]
    pub(super) fn within(&self, kind: ExposureKind) -> Self {
        Self { is_private: kind == ExposureKind::Private, ..self.clone() }
    }

    /// Whether a live run above us has the secrets of `config_dir` exposed, as seen from here: not everything that an az
    /// starts need be in its mount namespace.
    #[must_use]
    pub fn covers(&self, config_dir: &ConfigDir) -> bool {
        let is_seen = || !self.is_private || is_covered(&config_dir.token_cache());
        self.supervises && self.config_dir == config_dir.id() && is_seen()
    }

    /// For an az that is handed straight on inside a live run: that run stays the one above.
    #[must_use]
    pub fn passed_on(&self, real_az: &Path) -> Self {
        let mut run_variable = self.clone();
        run_variable.depth += 1;
        run_variable.hop = std::process::id();
        run_variable.tried = tried(Some(self)).to_vec();
        run_variable.tried.push(real_az.to_owned());
        run_variable
    }

    /// Whether shims have led to shims so often that it can only be a circle, as far as that can be seen: what the last of
    /// them started became us, or is above us under the name that was tried. What goes by another name by then is believed
    /// later, and only if there are as many processes above us.
    #[must_use]
    pub fn is_circle(&self) -> bool {
        let names_what_was_tried = || {
            let arguments = sys::process_arguments(self.hop).unwrap_or_default();
            let is_tried = |argument: &Vec<u8>| self.tried.iter().any(|tried| sys::path_to_bytes(tried) == *argument);
            is_above(self.hop) && arguments.iter().any(is_tried)
        };
        self.depth >= DEPTH && (self.hop == std::process::id() || names_what_was_tried())
            || self.depth >= DEPTH * DEPTH && ancestors().count() + DEPTH as usize >= self.depth as usize
    }

    /// The value of the environment variable.
    #[must_use]
    pub fn to_value(&self) -> OsString {
        let kind = match (self.supervises, self.is_private) {
            (true, true) => "private",
            (true, false) => "run",
            (false, _) => "pass",
        };
        let Self { process, start, config_dir, hop, depth, .. } = self;
        let head = format!("1;{kind};{process};{start};{config_dir};{hop};{depth};");
        let mut value = OsString::from(head);
        value.push(std::env::join_paths(&self.tried).unwrap_or_default());
        value
    }

    fn parse(text: &str) -> Option<Self> {
        let mut fields = text.splitn(8, ';');
        if fields.next()? != "1" {
            return None;
        }
        let kind = fields.next()?;
        Some(Self {
            supervises: kind != "pass",
            is_private: kind == "private",
            process: fields.next()?.parse().ok()?,
            start: fields.next()?.parse().ok()?,
            config_dir: fields.next()?.to_owned(),
            hop: fields.next()?.parse().ok()?,
            depth: fields.next()?.parse().ok()?,
            tried: std::env::split_paths(fields.next()?).collect(),
        })
    }
}

/// Whether a live run has the secrets of `config_dir` at hand for this process already.
#[must_use]
pub fn is_inside(context: &Context, config_dir: &ConfigDir) -> bool {
    RunVariable::given(context).is_some_and(|given| given.covers(config_dir)) || is_covered(&config_dir.token_cache())
}

/// The processes above this one, nearest first.
fn ancestors() -> impl Iterator<Item = u32> {
    // No tree is so deep; and one in which ids are reused while we climb need not have an end.
    std::iter::successors(Some(sys::parent_id()), |id| sys::parent_of(*id)).take_while(|id| *id != 0).take(4096)
}

fn is_above(process: u32) -> bool {
    ancestors().any(|ancestor| ancestor == process)
}

/// Whether a process is an execution of our own program. One of ours lets nobody look, unless that is root; any other of
/// the same user's does.
fn is_ours(context: &Context, process: u32) -> bool {
    match sys::program_of(process) {
        Ok(program) => real_az::is_shim(context, &program),
        Err(error) => error.kind() == ErrorKind::PermissionDenied,
    }
}

/// What must not be tried again, if there is anything else: when the az that a shim started turns out to be another shim
/// that leads straight back (pyenv's, asdf's), we are that shim's child or have become itself. A real az that starts an
/// az has, most often, a process of its own in between, and the same real az is right again.
#[must_use]
pub fn tried(given: Option<&RunVariable>) -> &[PathBuf] {
    match given {
        Some(given) if [std::process::id(), sys::parent_id()].contains(&given.hop) || given.is_circle() => &given.tried,
        _ => &[],
    }
}

/// Whether what was tried leads back to us for certain: the shim above waits for this very process, or this very process
/// was that shim. (Our parent may also be what a shim became: a script that calls az, or a real az that starts another.)
#[must_use]
pub fn is_bounce(given: Option<&RunVariable>) -> bool {
    given.is_some_and(|given| {
        let waits = given.supervises && given.hop == given.process;
        given.hop == std::process::id() || (waits && given.hop == sys::parent_id())
    })
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    fn context(value: OsString) -> Context {
        Context::new([(VARIABLE.into(), value)], None)
    }

    /// A run variable as another process would have written it.
    fn by(process: u32, run_variable: &RunVariable) -> RunVariable {
        RunVariable { process, start: sys::process_start(process).unwrap(), hop: process, ..run_variable.clone() }
    }

    #[test]
    fn of_one_that_replaced_itself_its_life_is_enough_and_a_run_s_must_be_proven() {
        let config_dir = ConfigDir::at(Path::new("/tmp"));
        let passed = RunVariable::of_this_process(None, &config_dir, Role::Passer, Path::new("/usr/bin/az"));
        assert_eq!(RunVariable::given(&context(passed.to_value())), Some(passed.clone()));
        assert!(!passed.covers(&config_dir));
        assert!(RunVariable::given(&context(by(sys::parent_id(), &passed).to_value())).is_some());
        let dead = RunVariable { start: passed.start + 1, ..passed.clone() };
        assert!(RunVariable::given(&context(dead.to_value())).is_none());
        assert!(RunVariable::given(&context("1;run;x".into())).is_none());
        let mut other = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        assert!(RunVariable::given(&context(by(other.id(), &passed).to_value())).is_none(), "below us, not above");
        other.kill().unwrap();
        other.wait().unwrap();
        // None of these is a shim with a lease: ourselves, what is above us, what began everything.
        let run = RunVariable::of_this_process(None, &config_dir, Role::Supervisor, Path::new("/usr/bin/az"));
        assert!(run.covers(&config_dir) && !run.covers(&ConfigDir::at(Path::new("/var"))));
        assert!(RunVariable::given(&context(run.to_value())).is_none());
        assert!(
            [1, sys::parent_id()].iter().all(|id| RunVariable::given(&context(by(*id, &run).to_value())).is_none())
        );
    }

    #[test]
    fn a_bounce_adds_to_what_was_tried_and_ends_as_a_circle() {
        let config_dir = ConfigDir::at(Path::new("/tmp"));
        let mut run_variable = RunVariable::of_this_process(None, &config_dir, Role::Passer, Path::new("/a"));
        assert_eq!(tried(Some(&run_variable)), [PathBuf::from("/a")]);
        run_variable = RunVariable::of_this_process(Some(&run_variable), &config_dir, Role::Passer, Path::new("/b"));
        assert_eq!(tried(Some(&run_variable)), [PathBuf::from("/a"), PathBuf::from("/b")]);
        for _ in 0..8 {
            run_variable = run_variable.passed_on(Path::new("/c"));
        }
        assert!(run_variable.is_circle());
        // By what is said alone it is none.
        let said = RunVariable { hop: sys::parent_id(), ..run_variable.clone() };
        assert!(!said.is_circle() && !RunVariable { depth: 99, hop: 1, ..run_variable }.is_circle());
    }
}
