//! Terminals on Unix: their driver knows their width, and those that understand no escapes have said so in TERM. While a secret
//! is typed the driver neither shows a key nor acts on one, so that none of them ends this process before it shows them again.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, getpgrp, kill_current_process_group};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcsetattr};
use zeroize::Zeroizing;

use super::{LONGEST, Stream, Typing};

/// How often to ask whether the question has lost its point.
const LOOK_EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// A terminal that shows nothing of what is typed, as long as this lives.
struct Unseen<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> Unseen<'a> {
    fn begin(terminal: &'a File) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut unseen = before.clone();
        unseen.local_modes -= LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG;
        unseen.special_codes[SpecialCodeIndex::VMIN] = 1;
        unseen.special_codes[SpecialCodeIndex::VTIME] = 0;
        // What was typed before it was asked for is no answer.
        tcsetattr(terminal, OptionalActions::Flush, &unseen)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Unseen<'_> {
    fn drop(&mut self) {
        // Where the terminal is gone there is nothing to be shown.
        let _ = tcsetattr(self.terminal, OptionalActions::Now, &self.before);
    }
}

pub(super) fn ask(
    question: &str,
    typing: Typing,
    is_over: impl Fn() -> bool,
) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut terminal = File::options().read(true).write(true).open("/dev/tty")?;
    if tcgetpgrp(&terminal)? != getpgrp() {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    let unseen_on = terminal.try_clone()?;
    let unseen = Unseen::begin(&unseen_on)?;
    terminal.write_all(question.as_bytes())?;
    let typed = type_line(&mut terminal, typing, is_over);
    drop(unseen);
    terminal.write_all(b"\n")?;
    match typed? {
        Typed::Line(line) => Ok(Some(line)),
        Typed::Nothing => Ok(None),
        Typed::Interrupt => {
            kill_current_process_group(Signal::INT)?;
            Ok(None)
        }
    }
}

/// What was typed.
enum Typed {
    Line(Zeroizing<Vec<u8>>),
    Nothing,
    /// Ctrl-C.
    Interrupt,
}

fn type_line(terminal: &mut File, typing: Typing, is_over: impl Fn() -> bool) -> io::Result<Typed> {
    // It never grows, so nothing of it is left anywhere.
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST));
    loop {
        if is_over() {
            return Ok(Typed::Nothing);
        }
        let mut ready = [PollFd::new(terminal, PollFlags::IN)];
        match poll(&mut ready, Some(&LOOK_EVERY)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => continue,
            other => other?,
        };
        let mut key = Zeroizing::new([0]);
        match (terminal.read(&mut *key)?, key[0]) {
            (0, _) | (_, 0x04) if line.is_empty() => return Ok(Typed::Nothing),
            (0, _) | (_, 0x04 | b'\n' | b'\r') => return Ok(Typed::Line(line)),
            (_, 0x03) => return Ok(Typed::Interrupt),
            (_, 0x08 | 0x7f) => {
                show(terminal, typing, if line.is_empty() { b"" } else { b"\x08 \x08" })?;
                take_last(&mut line);
            }
            (_, 0x15) => {
                show(terminal, typing, &b"\x08 \x08".repeat(line.len()))?;
                line.clear();
            }
            (_, byte) if line.len() < LONGEST => {
                line.push(byte);
                show(terminal, typing, if byte < 0x20 { b"" } else { &key[..] })?;
            }
            _ => {}
        }
    }
}

/// What the driver does not show while it acts on no key.
fn show(terminal: &mut File, typing: Typing, bytes: &[u8]) -> io::Result<()> {
    match typing {
        Typing::Seen => terminal.write_all(bytes),
        Typing::Unseen => Ok(()),
    }
}

/// Takes the last character back, which may be of several bytes.
fn take_last(line: &mut Vec<u8>) {
    while line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
}

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
