//! Terminals on Unix: their driver knows their width, and those that understand no escapes have said so in TERM.

use std::io::IsTerminal;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Stream;

/// The descriptor itself: the standard library would first make a buffer for what is read of it.
fn descriptor(stream: Stream) -> BorrowedFd<'static> {
    match stream {
        Stream::Stdin => rustix::stdio::stdin(),
        Stream::Stdout => rustix::stdio::stdout(),
        Stream::Stderr => rustix::stdio::stderr(),
    }
}

pub(super) fn is_terminal(stream: Stream) -> bool {
    rustix::termios::isatty(descriptor(stream))
}

pub(super) fn is_reader_gone(stream: Stream) -> bool {
    let descriptor = descriptor(stream);
    // Asked for nothing, it tells of an end all the same (poll(2)).
    let mut asked = [PollFd::new(&descriptor, PollFlags::empty())];
    let gone = PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL;
    poll(&mut asked, Some(&Timespec::default())).is_ok() && asked[0].revents().intersects(gone)
}

pub(super) fn width(stream: &impl AsFd) -> Option<u16> {
    rustix::termios::tcgetwinsize(stream).ok().map(|size| size.ws_col)
}

pub(super) fn takes_escapes(stream: &impl IsTerminal) -> bool {
    stream.is_terminal()
}
