//! Consoles on Windows, which have to be asked to understand escapes.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::windows::io::{AsHandle, AsRawHandle};

use windows_sys::Win32::System::Console::{
    CONSOLE_SCREEN_BUFFER_INFO, ENABLE_ECHO_INPUT, ENABLE_VIRTUAL_TERMINAL_PROCESSING, GetConsoleMode,
    GetConsoleScreenBufferInfo, SetConsoleMode,
};

use zeroize::Zeroizing;

use super::{LONGEST, Stream, Typing};
use crate::sys::done;

pub(super) fn is_terminal(stream: Stream) -> bool {
    match stream {
        Stream::Stdin => std::io::stdin().is_terminal(),
        Stream::Stdout => std::io::stdout().is_terminal(),
        Stream::Stderr => std::io::stderr().is_terminal(),
    }
}

/// What is written next finds out.
pub(super) fn is_reader_gone(_stream: Stream) -> bool {
    false
}

pub(super) fn width(stream: &impl AsHandle) -> Option<u16> {
    let handle = stream.as_handle().as_raw_handle();
    let mut info = CONSOLE_SCREEN_BUFFER_INFO::default();
    // SAFETY: the pointer is to a live local, and the handle is open.
    if unsafe { GetConsoleScreenBufferInfo(handle, &raw mut info) } == 0 {
        return None;
    }
    u16::try_from(i32::from(info.srWindow.Right) - i32::from(info.srWindow.Left) + 1).ok()
}

pub(super) fn takes_escapes(stream: &impl AsHandle) -> bool {
    let handle = stream.as_handle().as_raw_handle();
    let mut mode = 0;
    // SAFETY: the pointer is to a live local, and the handle is open.
    unsafe {
        GetConsoleMode(handle, &raw mut mode) != 0
            && SetConsoleMode(handle, mode | ENABLE_VIRTUAL_TERMINAL_PROCESSING) != 0
    }
}

/// A read of a console is not ended before its line is: whether it is over is asked before it alone.
pub(super) fn ask(
    question: &str,
    typing: Typing,
    is_over: impl Fn() -> bool,
) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let console = |name| File::options().read(true).write(true).open(name);
    let (mut input, mut output) = (console("CONIN$")?, console("CONOUT$")?);
    if is_over() {
        return Ok(None);
    }
    let handle = input.as_raw_handle();
    let mut mode = 0;
    // SAFETY: the pointer is to a live local, and the handle is open.
    done(unsafe { GetConsoleMode(handle, &raw mut mode) })?;
    let hidden = if typing == Typing::Unseen { ENABLE_ECHO_INPUT } else { 0 };
    // SAFETY: the handle is open.
    done(unsafe { SetConsoleMode(handle, mode & !hidden) })?;
    let line = output.write_all(question.as_bytes()).and_then(|()| read_line(&mut input));
    // SAFETY: the handle is open.
    let shown = done(unsafe { SetConsoleMode(handle, mode) });
    output.write_all(b"\n")?;
    shown?;
    Ok(Some(line?).filter(|line| !line.is_empty()))
}

fn read_line(input: &mut File) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST));
    let mut byte = Zeroizing::new([0]);
    while line.len() < LONGEST && input.read(&mut *byte)? > 0 && byte[0] != b'\n' {
        if byte[0] != b'\r' {
            line.push(byte[0]);
        }
    }
    Ok(line)
}
