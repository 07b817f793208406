//! Terminals on Unix: their driver knows their width, and those that understand no escapes have said so in TERM.

use std::io::IsTerminal;
use std::os::fd::AsFd;

pub(super) fn width(stream: &impl AsFd) -> Option<u16> {
    rustix::termios::tcgetwinsize(stream).ok().map(|size| size.ws_col)
}

pub(super) fn takes_escapes(stream: &impl IsTerminal) -> bool {
    stream.is_terminal()
}
