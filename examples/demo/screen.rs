//! What the demo says: numbered steps, the commands with the time they took, and claims. A claim is printed only if it is
//! true; one that is not is the error that ends the demo.

use std::io::{IsTerminal, Stdout, Write};
use std::time::Duration;

use anyhow::{Result, bail};

/// The column that the times end in.
const WIDTH: usize = 92;

/// The terminal, or whatever stdout is.
#[derive(Debug)]
pub(crate) struct Screen {
    stdout: Stdout,
    is_bold: bool,
    steps: u32,
    claims: u32,
}

impl Screen {
    #[allow(clippy::disallowed_methods, reason = "it is no part of azward")]
    pub(crate) fn new() -> Self {
        let stdout = std::io::stdout();
        let is_plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { is_bold: stdout.is_terminal() && !is_plain, stdout, steps: 0, claims: 0 }
    }

    /// A line as it is.
    pub(crate) fn line(&mut self, text: &str) -> Result<()> {
        Ok(writeln!(self.stdout, "{text}")?)
    }

    /// A new step begins.
    pub(crate) fn step(&mut self, title: &str) -> Result<()> {
        self.steps += 1;
        let (on, off) = if self.is_bold { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
        Ok(writeln!(self.stdout, "\n{on}{}  {title}{off}", self.steps)?)
    }

    /// Something that is done or explained, and cannot be untrue.
    pub(crate) fn note(&mut self, text: &str) -> Result<()> {
        Ok(writeln!(self.stdout, "   {text}")?)
    }

    /// Shows a command, runs it, and shows how long it took.
    pub(crate) fn command<T>(&mut self, line: &str, run: impl FnOnce() -> Result<(T, Duration)>) -> Result<T> {
        write!(self.stdout, "   $ {line} ")?;
        self.stdout.flush()?;
        let outcome = run();
        let seconds = outcome.as_ref().map_or_else(|_| "failed".to_owned(), |(_, took)| seconds(*took));
        let space = WIDTH.saturating_sub("   $  ".len() + line.chars().count());
        writeln!(self.stdout, "{seconds:>space$}")?;
        outcome.map(|(value, _)| value)
    }

    /// Says something that was found to be true.
    ///
    /// # Errors
    /// When it is not.
    pub(crate) fn claim(&mut self, is_true: bool, text: &str) -> Result<()> {
        if !is_true {
            bail!("untrue: {text}");
        }
        self.claims += 1;
        Ok(writeln!(self.stdout, "   ok  {text}")?)
    }

    /// The last line.
    pub(crate) fn end(&mut self, searched: usize, took: Duration) -> Result<()> {
        let Self { claims, .. } = *self;
        let took = seconds(took);
        self.line(&format!(
            "\n{claims} claims, all true, after {took}; {searched} bytes of output without a refresh token"
        ))
    }
}

fn seconds(time: Duration) -> String {
    if time < Duration::from_millis(100) {
        return format!("{} ms", time.as_millis());
    }
    format!("{:.1} s", time.as_secs_f64())
}
