//! Terminals on Unix: their driver knows their width, and those that understand no escapes have said so in TERM.

use std::io::IsTerminal;
use std::os::fd::AsFd;

use super::Stream;

/// Asked of the descriptor: the standard library would first make a buffer for what is read of it.
pub(super) fn is_terminal(stream: Stream) -> bool {
    rustix::termios::isatty(match stream {
        Stream::Stdin => rustix::stdio::stdin(),
        Stream::Stdout => rustix::stdio::stdout(),
        Stream::Stderr => rustix::stdio::stderr(),
    })
}

pub(super) fn width(stream: &impl AsFd) -> Option<u16> {
    rustix::termios::tcgetwinsize(stream).ok().map(|size| size.ws_col)
}

pub(super) fn takes_escapes(stream: &impl IsTerminal) -> bool {
    stream.is_terminal()
}
