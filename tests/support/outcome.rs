//! What a command did: its end, its output, how long it took.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use serde_json::Value;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Code(i32),
    Signal(i32),
}

/// What a command did.
pub(crate) struct Outcome {
    pub(crate) line: String,
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    /// From its start to its end.
    pub(crate) took: Duration,
    /// From its end to the end of its output.
    pub(crate) pipe_lag: Duration,
}

impl Outcome {
    pub(crate) fn end(&self) -> End {
        self.status.signal().map_or_else(|| End::Code(self.status.code().unwrap_or(-1)), End::Signal)
    }

    /// Fails the test unless the command ended with exit code 0.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        self.exited(0)
    }

    /// Fails the test unless the command ended with this exit code.
    #[track_caller]
    pub(crate) fn exited(self, code: i32) -> Self {
        assert_eq!(self.end(), End::Code(code), "{self:?}");
        self
    }

    /// Fails the test if there is a byte on stderr.
    #[track_caller]
    pub(crate) fn silent(self) -> Self {
        assert!(self.stderr.is_empty(), "{self:?}");
        self
    }

    /// Everything a caller can see of it but the time it took.
    pub(crate) fn visible(&self) -> (End, String, String) {
        (self.end(), self.out(), self.err())
    }

    pub(crate) fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub(crate) fn err(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// What is on stderr, with whatever has the form of an id or of a time made equal.
    pub(crate) fn err_without_ids(&self) -> String {
        let is_id = |word: &str| word.len() > 7 && word.bytes().all(|byte| b"0123456789abcdef-:.TZ'".contains(&byte));
        // A line break ends a word too, so it is put back in the end.
        let text = self.err().replace('\n', " \n ");
        let words: Vec<&str> = text.split(' ').map(|word| if is_id(word) { "…" } else { word }).collect();
        words.join(" ").replace(" \n ", "\n")
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (end, out, err) = self.visible();
        write!(f, "{} ended with {end:?}\n--- stdout ---\n{out}\n--- stderr ---\n{err}", self.line)
    }
}
