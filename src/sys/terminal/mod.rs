//! What the standard streams lead to: a terminal or not, how wide it is, whether it understands escapes; and what is
//! asked for on the terminal itself, be it a secret, which is not shown there. All else that is written `ui` writes. What the system does not
//! tell is `None` or no.

#![allow(clippy::disallowed_methods, reason = "asks what a stream leads to and writes nothing")]

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod platform;

use std::sync::atomic::{AtomicBool, Ordering};

use zeroize::Zeroizing;

/// Longer than any passphrase: what is typed beyond it is not taken.
const LONGEST: usize = 1024;

/// Whether somebody is being asked.
static IS_ASKING: AtomicBool = AtomicBool::new(false);

/// One of the streams that a process is started with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Descriptor 0.
    Stdin,
    /// Descriptor 1.
    Stdout,
    /// Descriptor 2.
    Stderr,
}

/// Whether a stream leads to a terminal.
#[must_use]
pub fn is_terminal(stream: Stream) -> bool {
    platform::is_terminal(stream)
}

/// How many columns the terminal has that a stream leads to; `None` where that is no terminal, or does not tell.
#[must_use]
pub fn terminal_width(stream: Stream) -> Option<usize> {
    let width = match stream {
        Stream::Stdin => platform::width(&std::io::stdin()),
        Stream::Stdout => platform::width(&std::io::stdout()),
        Stream::Stderr => platform::width(&std::io::stderr()),
    };
    width.map(usize::from).filter(|&width| width > 0)
}

/// Whether the terminal that a stream leads to understands escapes, having been asked to where it has to be.
#[must_use]
pub fn takes_escapes(stream: Stream) -> bool {
    match stream {
        Stream::Stdin => false,
        Stream::Stdout => platform::takes_escapes(&std::io::stdout()),
        Stream::Stderr => platform::takes_escapes(&std::io::stderr()),
    }
}

/// Whether whoever read what is written to a pipe or a socket has gone away; no where the system does not tell.
#[must_use]
pub fn is_reader_gone(stream: Stream) -> bool {
    platform::is_reader_gone(stream)
}

/// Asks for a line on this process's terminal that is not shown there, whatever the standard streams lead to; `None` when
/// none was typed, or `is_over` said so meanwhile. Ctrl-C ends the question, and then does to the whole job what it does.
///
/// # Errors
/// The operating system's, and where this is not the terminal's foreground job: it would be stopped.
pub fn ask_unseen(question: &str, is_over: impl Fn() -> bool) -> std::io::Result<Option<Zeroizing<Vec<u8>>>> {
    ask(question, Typing::Unseen, is_over)
}

/// The same for a line that is shown as it is typed.
///
/// # Errors
/// As above.
pub fn ask_seen(question: &str, is_over: impl Fn() -> bool) -> std::io::Result<Option<Zeroizing<Vec<u8>>>> {
    ask(question, Typing::Seen, is_over)
}

fn ask(question: &str, typing: Typing, is_over: impl Fn() -> bool) -> std::io::Result<Option<Zeroizing<Vec<u8>>>> {
    IS_ASKING.store(true, Ordering::SeqCst);
    let typed = platform::ask(question, typing, is_over);
    IS_ASKING.store(false, Ordering::SeqCst);
    typed
}

/// Whether what is typed is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Typing {
    Unseen,
    Seen,
}

/// Whether somebody is being asked on the terminal: then nothing else is to be written there.
#[must_use]
pub fn is_asking() -> bool {
    IS_ASKING.load(Ordering::SeqCst)
}
