//! The only writer to standard output and standard error, of the library and of both programs: facts, rows of a table,
//! JSON, a failure's two lines, a question, what is being waited for, and the bytes of the native answer. What others wrote is
//! bounded and escaped on its way. A reader that has gone away is no failure, and nothing is said of it; an output that
//! cannot be written for any other reason is one failure, at the end ([`Ui::finish`]).

#![allow(clippy::disallowed_methods, reason = "this is the writer")]

mod look;
mod progress;
mod table;

use std::cell::RefCell;
use std::io::{self, BufRead, Write};

use serde_json::Value;

use crate::context::Context;
use crate::failure::{Failure, Kind, Result};
use crate::sys::{self, Stream};
use crate::text;

use look::{Look, Tone};
use progress::LastLine;
pub use progress::Progress;

/// How something is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// Where this process's output goes.
#[derive(Debug)]
pub struct Ui {
    stdout: Look,
    stderr: Look,
    last_line: LastLine,
    /// Why stdout takes no more, once it did not take something.
    trouble: RefCell<Option<io::Error>>,
}

impl Ui {
    /// The output of a process that was started with `context`.
    #[must_use]
    pub fn new(context: &Context) -> Self {
        Self {
            stdout: Look::of(Stream::Stdout, context),
            stderr: Look::of(Stream::Stderr, context),
            last_line: LastLine::default(),
            trouble: RefCell::default(),
        }
    }

    /// Says one line on stdout.
    pub fn say(&self, line: impl AsRef<str>) {
        self.print(&text::line(line.as_ref()));
    }

    /// Says one row of a table on stdout: a name of ours, and what it has.
    pub fn row(&self, name: &str, value: &str) {
        self.row_in(Tone::Name, name, value);
    }

    /// The same for what the user should know.
    pub fn warning(&self, value: &str) {
        self.row_in(Tone::Warning, "warning", value);
    }

    /// Says a table on stdout, with the names of its columns above it.
    pub fn columns<const N: usize>(&self, names: [&str; N], rows: Vec<Vec<String>>) {
        // In one go: there may be hundreds, and whoever reads them wakes at every write.
        let lines = table::columns_of_rows(&names, &rows);
        let lines: Vec<String> = lines.iter().map(|line| table::cut(&text::line(line), self.stdout.width)).collect();
        self.print(&lines.join("\n"));
    }

    fn row_in(&self, tone: Tone, name: &str, value: &str) {
        let row = table::row(name, value, self.stdout.width);
        self.print(&self.stdout.paint(&row, name.len(), tone));
    }

    /// Says a value on stdout, for programs: what `--json` is for. Nothing of others' that a terminal would take for more
    /// than text.
    pub fn json(&self, value: &Value) {
        self.print(&text::json(&format!("{value:#}")));
    }

    /// The same in one line, for what comes one by one.
    pub fn json_line(&self, value: &Value) {
        self.print(&text::json(&value.to_string()));
    }

    /// Whether nobody hears what is said on stdout from here on.
    #[must_use]
    pub fn is_unheard(&self) -> bool {
        self.trouble.borrow().is_some() || sys::is_reader_gone(Stream::Stdout)
    }

    /// Says on stdout a text of ours for a program, as it is; nothing where there is none.
    pub fn text(&self, text: &str) {
        if !text.is_empty() {
            self.print(text.trim_end_matches('\n'));
        }
    }

    /// Says on stdout what a program's user asked to be told about it, in colour where there is any.
    pub fn help(&self, plain: &str, coloured: &str) {
        self.print(self.stdout.choose(plain, coloured).trim_end_matches('\n'));
    }

    /// Says on stderr what is wrong with a command line, words of which may stand in it.
    pub fn usage(&self, lines: &str) {
        let shown = lines.lines().map(|line| self.with_sign(&text::line(line)) + "\n");
        self.print_error(&shown.collect::<String>());
    }

    /// Says on stderr what went wrong. A stderr that is closed or full is no reason to fail.
    pub fn report(&self, failure: &Failure) {
        // It is escaped already, and what it says of a missing az has lines of its own.
        let shown = failure.to_string();
        self.print_error(&shown.lines().map(|line| self.with_sign(line) + "\n").collect::<String>());
    }

    /// Says one line on stderr, where stdout is a program's.
    pub fn note(&self, line: &str) {
        self.print_error(&format!("{}\n", text::line(line)));
    }

    /// A line for stderr with the word in colour that says what it is.
    fn with_sign(&self, line: &str) -> String {
        let signs = [("azward:", Tone::Failure), ("error:", Tone::Failure), ("hint:", Tone::Name)];
        let found = signs.into_iter().find(|(sign, _)| line.starts_with(sign));
        found.map_or_else(|| line.to_owned(), |(sign, tone)| self.stderr.paint(line, sign.len(), tone))
    }

    /// Asks a question on stderr, and returns the line that is typed; `None` when there is none.
    #[must_use]
    pub fn ask(&self, question: &str) -> Option<String> {
        self.print_error(&format!("{question} "));
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer).is_ok().then_some(answer)
    }

    /// Names what is being waited for if that takes longer than a moment, for as long as what is returned lives; on stderr,
    /// and only on a terminal.
    pub fn waiting_for(&self, what: &str) -> Progress {
        Progress::begin(&self.last_line, self.stderr, what)
    }

    /// Whether all that was said is out.
    ///
    /// # Errors
    /// [`Kind::Storage`] where stdout did not take it. That its reader has gone away is none.
    pub fn finish(&self) -> Result<()> {
        let flushed = io::stdout().flush().err();
        match self.trouble.take().or(flushed) {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(
                Kind::Storage,
                format!("cannot write to the standard output: {error}"),
                "make room there or send it elsewhere; what the command was to do is done",
            )),
            _ => Ok(()),
        }
    }

    /// Writes lines to stdout; nothing more once that did not take something.
    fn print(&self, lines: &str) {
        let mut trouble = self.trouble.borrow_mut();
        if trouble.is_none() {
            let bytes = format!("{lines}\n");
            *trouble = self.last_line.make_room(|| io::stdout().write_all(bytes.as_bytes())).err();
        }
    }

    fn print_error(&self, text: &str) {
        self.last_line.make_room(|| write_to_stderr(text));
    }
}

/// Writes the bytes of a native answer to stdout, as they are.
///
/// # Errors
/// The operating system's: az then says best itself what it says where nobody reads or there is no room.
pub fn answer(bytes: &[u8]) -> io::Result<()> {
    io::stdout().write_all(bytes)
}

/// Writes on stderr what is another program's, as it is.
///
/// # Errors
/// The operating system's.
pub fn answer_errors(bytes: &[u8]) -> io::Result<()> {
    io::stderr().lock().write_all(bytes)
}

/// From here on a panic is two lines on stderr, which name its place alone.
pub fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        if let Some(failure) = Failure::of_panic(panic) {
            write_to_stderr(&format!("{failure}\n"));
        }
    }));
}

fn write_to_stderr(text: &str) {
    // Where nobody can be told, the exit code tells.
    let _ = io::stderr().write_all(text.as_bytes());
}
