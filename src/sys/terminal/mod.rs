//! What the standard streams lead to: a terminal or not, how wide it is, whether it understands escapes. It only asks;
//! `ui` writes. What the system does not tell is `None` or no.

#![allow(clippy::disallowed_methods, reason = "asks what a stream leads to and writes nothing")]

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod platform;

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
