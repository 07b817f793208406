//! The tee on Windows: the process's standard output is another handle meanwhile, which a child that is given the caller's is
//! started with.

use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::mem::ManuallyDrop;
use std::os::windows::io::{AsRawHandle, FromRawHandle, RawHandle};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use windows_sys::Win32::Storage::FileSystem::{FILE_TYPE_PIPE, GetFileType};
use windows_sys::Win32::System::Console::{GetStdHandle, STD_OUTPUT_HANDLE, SetStdHandle};
use zeroize::Zeroizing;

use super::Passage;
use crate::sys::done;

/// How long whoever was started by whose words are the caller's may hold the output open.
const PATIENCE: Duration = Duration::from_millis(200);

/// Sees standard output on its way.
#[derive(Debug)]
pub struct Tee {
    callers: RawHandle,
    writer: PipeWriter,
    passage: Receiver<Passage>,
}

impl Tee {
    /// From here on; `None` where the caller's is no pipe.
    ///
    /// # Errors
    /// The operating system's; all is as it was then.
    pub fn begin() -> io::Result<Option<Self>> {
        // SAFETY: takes a number only.
        let callers = unsafe { GetStdHandle(STD_OUTPUT_HANDLE) };
        // SAFETY: says of any handle, and of none, what it is.
        if callers.is_null() || unsafe { GetFileType(callers) } != FILE_TYPE_PIPE {
            return Ok(None);
        }
        let (reader, writer) = io::pipe()?;
        let (told, passage) = channel();
        // SAFETY: the process's own handle, open for as long as the process lives, and not closed by this one.
        let own = ManuallyDrop::new(unsafe { File::from_raw_handle(callers) });
        std::thread::Builder::new().spawn(move || told.send(pump(reader, &own)))?;
        // SAFETY: the handle is open until it is taken back.
        done(unsafe { SetStdHandle(STD_OUTPUT_HANDLE, writer.as_raw_handle()) })?;
        Ok(Some(Self { callers, writer, passage }))
    }

    /// Gives the caller's back, and says what was written meanwhile.
    #[must_use]
    pub fn end(self) -> Passage {
        // SAFETY: the handle that was there before.
        let _ = done(unsafe { SetStdHandle(STD_OUTPUT_HANDLE, self.callers) });
        drop(self.writer);
        self.passage.recv_timeout(PATIENCE).unwrap_or_else(|_| Passage::begin())
    }
}

/// Hands on what comes, until nobody can write any more.
fn pump(mut from: PipeReader, mut to: &File) -> Passage {
    let mut passage = Passage::begin();
    let mut chunk = Zeroizing::new(vec![0; 64 * 1024]);
    while let Ok(count @ 1..) = from.read(&mut chunk) {
        if !passage.note(&chunk[..count], to.write_all(&chunk[..count]).is_ok()) {
            break;
        }
    }
    passage
}
