//! One side: a box with a stand-in of its own in which alice is signed in, and where the az on PATH is azward's or the
//! bare one; and what came of a plan and apply there.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use entra::{Entra, Request, Rolling, User};
use serde_json::Value;

use crate::support::opentofu::Programs;
use crate::support::stack::{Authentication, Stack};
use crate::support::{Sandbox, in_shell};

/// A place where it is played.
pub(crate) struct Side {
    sandbox: Sandbox,
    entra: Entra,
    /// The az that is asked.
    az: PathBuf,
}

/// What came of it.
pub(crate) struct Applied {
    /// What there is in the end.
    pub(crate) resources: Vec<Value>,
    pub(crate) state: Value,
    /// The commands of az that were started, in order.
    pub(crate) az: Vec<String>,
    /// How many of them azward answered, so that no az was started.
    pub(crate) answered: usize,
    /// All that the stand-in was asked.
    journal: Vec<Request>,
    took: Duration,
}

impl Side {
    pub(crate) fn azward() -> Self {
        let (sandbox, entra) = Sandbox::logged_in_rolling(Rolling::Entra);
        let az = sandbox.shim();
        Self { sandbox, entra, az }
    }

    pub(crate) fn bare_az() -> Self {
        let sandbox = Sandbox::new().with_real_az();
        let entra = sandbox.start_entra(|knobs| knobs.rolling = Rolling::Entra);
        sandbox.plain_login(&entra, User::Alice);
        sandbox.expect_clear(sandbox.config().token_cache_path());
        let az = sandbox.wrapped_az().to_owned();
        Self { sandbox, entra, az }
    }

    /// Plans and applies with tokens that live so long, while Resource Manager takes so long for each answer.
    pub(crate) fn apply(self, programs: &Programs, amount: usize, lifetime: u64, slow: Duration) -> Applied {
        let Self { sandbox, entra, .. } = &self;
        entra.knobs(|knobs| (knobs.lifetime, knobs.arm_delay) = (lifetime, slow));
        // What was there from the login is used up.
        sandbox.config().age_access_tokens(-60, "");
        entra.clear_journal();
        let before = sandbox.deeds("answer");
        let (path, log) = self.counting();
        let stack = Stack::new(sandbox, programs, entra, "stack", amount, &Authentication::Cli).with("PATH", path);
        let began = Instant::now();
        stack.plan();
        stack.apply();
        let took = began.elapsed();
        let text = fs::read_to_string(log).expect("az was started");
        Applied {
            resources: entra.resources(),
            state: stack.state(),
            az: text.lines().map(str::to_owned).collect(),
            answered: sandbox.deeds("answer") - before,
            journal: entra.journal(),
            took,
        }
    }

    /// A PATH whose az writes down that it was started, and with which words, and is the side's own: that is not to
    /// know of it.
    fn counting(&self) -> (std::ffi::OsString, PathBuf) {
        let directory = self.sandbox.root().join("counting");
        fs::create_dir(&directory).expect("the box has none yet");
        let log = directory.join("log");
        let all = self.sandbox.environment()[OsStr::new("PATH")].clone();
        let is_for_it = |part: &PathBuf| self.az == self.sandbox.shim() || *part != self.sandbox.root().join("bin");
        let own: Vec<PathBuf> = std::env::split_paths(&all).filter(is_for_it).collect();
        let own_path = std::env::join_paths(&own).expect("no colon in it");
        let script = format!(
            "echo \"$*\" >>{}\nPATH={}\nexport PATH\nexec {} \"$@\"",
            in_shell(&log),
            in_shell(&own_path),
            in_shell(&self.az)
        );
        self.sandbox.make_script(&directory.join("az"), &script);
        let path = std::env::join_paths(std::iter::once(directory).chain(own)).expect("no colon in it");
        (path, log)
    }
}

impl Applied {
    /// Whether a token was asked for, and granted, after the first resource was put and before the last one was.
    pub(crate) fn asked_in_the_middle(&self) -> bool {
        let is_put = |request: &Request| request.method == "PUT";
        let is_granted = |request: &Request| request.is_token_request() && request.status == Some(200);
        let first = self.journal.iter().position(is_put).unwrap_or(usize::MAX);
        let last = self.journal.iter().rposition(is_put).unwrap_or_default();
        self.journal.iter().enumerate().any(|(place, one)| is_granted(one) && first < place && place < last)
    }

    fn requests(&self) -> usize {
        self.journal.iter().filter(|request| request.is_token_request()).count()
    }
}

impl fmt::Display for Applied {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (resources, seconds) = (self.resources.len(), self.took.as_secs_f64());
        let (az, answered, requests) = (self.az.len(), self.answered, self.requests());
        write!(formatter, "{resources} resources in {seconds:.1} s, az {az} times, ")?;
        write!(formatter, "{answered} of them answered by azward, {requests} token requests")
    }
}
