//! A process of its own on Windows: another execution of this very program without a console, so that no Ctrl-C and no end of
//! a console reaches it, with nothing of the caller's open, and outside of the caller's job where that lets go of it. It has
//! one end of a pipe for its standard input, and nothing else. A job that holds it ends it with the rest: what is left then is
//! the next invocation's.

use std::ffi::{CStr, OsStr};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::windows::ffi::OsStrExt;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle, RawHandle};
use std::ptr::{null, null_mut};
use std::time::Duration;

use windows_sys::Win32::Foundation::{
    CloseHandle, HANDLE, HANDLE_FLAG_INHERIT, INVALID_HANDLE_VALUE, SetHandleInformation,
};
use windows_sys::Win32::Storage::FileSystem::{FILE_TYPE_PIPE, GetFileType};
use windows_sys::Win32::System::Console::{GetStdHandle, STD_INPUT_HANDLE};
use windows_sys::Win32::System::Threading::{
    CREATE_BREAKAWAY_FROM_JOB, CREATE_NEW_PROCESS_GROUP, CreateProcessW, DETACHED_PROCESS,
    DeleteProcThreadAttributeList, EXTENDED_STARTUPINFO_PRESENT, InitializeProcThreadAttributeList,
    PROC_THREAD_ATTRIBUTE_HANDLE_LIST, PROCESS_INFORMATION, STARTF_USESTDHANDLES, STARTUPINFOEXW,
    UpdateProcThreadAttribute, WaitForSingleObject,
};

use crate::sys::done;

/// One end of a channel between a process and the one it detached.
#[derive(Debug)]
pub struct Channel {
    pipe: File,
    /// The detached process, at the end of the one that detached it.
    process: Option<OwnedHandle>,
}

/// Starts this program again, detached, as `name` and in the same environment, and returns the channel to it.
///
/// # Errors
/// The operating system's.
pub fn detach(name: &OsStr) -> io::Result<Channel> {
    let (theirs, ours) = io::pipe()?;
    let theirs = OwnedHandle::from(theirs);
    // SAFETY: the handle is open. Until it is closed below nothing else is started by this process.
    done(unsafe { SetHandleInformation(theirs.as_raw_handle(), HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT) })?;
    let process = start(name, theirs.as_raw_handle(), CREATE_BREAKAWAY_FROM_JOB)
        // A job may forbid that.
        .or_else(|_| start(name, theirs.as_raw_handle(), 0))?;
    Ok(Channel { pipe: File::from(OwnedHandle::from(ours)), process: Some(process) })
}

fn start(name: &OsStr, input: RawHandle, flags: u32) -> io::Result<OwnedHandle> {
    let wide = |text: &OsStr| text.encode_wide().chain([0]).collect::<Vec<u16>>();
    let program = wide(std::env::current_exe()?.as_os_str());
    let mut line = wide(name);
    let handles: [HANDLE; 1] = [input];
    let mut size = 0;
    // SAFETY: without a list it only tells how long one is.
    unsafe { InitializeProcThreadAttributeList(null_mut(), 1, 0, &raw mut size) };
    // Of u64, to lie as the structure must.
    let mut list = vec![0_u64; size.div_ceil(size_of::<u64>())];
    let list = list.as_mut_ptr().cast();
    // SAFETY: the memory is of the length that was told, and lives until the list is deleted.
    done(unsafe { InitializeProcThreadAttributeList(list, 1, 0, &raw mut size) })?;
    let mut startup = STARTUPINFOEXW { lpAttributeList: list, ..Default::default() };
    startup.StartupInfo.cb = size_of::<STARTUPINFOEXW>() as u32;
    startup.StartupInfo.dwFlags = STARTF_USESTDHANDLES;
    startup.StartupInfo.hStdInput = input;
    let mut started = PROCESS_INFORMATION::default();
    let flags = flags | DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP | EXTENDED_STARTUPINFO_PRESENT;
    // SAFETY: the list is whole, and `handles`, which it is going to point to, outlives it.
    let named = done(unsafe {
        UpdateProcThreadAttribute(
            list,
            0,
            PROC_THREAD_ATTRIBUTE_HANDLE_LIST as usize,
            handles.as_ptr().cast(),
            size_of_val(&handles),
            null_mut(),
            null(),
        )
    });
    let outcome = named.and_then(|()| {
        // SAFETY: both texts are NUL-terminated, the line may be written to, and every other pointer is to a live local or null
        // where that may be.
        done(unsafe {
            CreateProcessW(
                program.as_ptr(),
                line.as_mut_ptr(),
                null(),
                null(),
                1,
                flags,
                null(),
                null(),
                &raw const startup.StartupInfo,
                &raw mut started,
            )
        })
    });
    // SAFETY: it was initialised, and nothing uses it any more.
    unsafe { DeleteProcThreadAttributeList(list) };
    outcome?;
    // SAFETY: the call succeeded, so both handles are open and nobody else's.
    unsafe {
        CloseHandle(started.hThread);
        Ok(OwnedHandle::from_raw_handle(started.hProcess))
    }
}

impl Channel {
    /// The detached process's own end.
    ///
    /// # Errors
    /// When there is none: somebody else started this program under that name.
    pub fn of_detached(_name: &CStr) -> io::Result<Self> {
        // SAFETY: takes a number only.
        let input = unsafe { GetStdHandle(STD_INPUT_HANDLE) };
        // SAFETY: says of any handle, and of none, what it is.
        if input.is_null() || input == INVALID_HANDLE_VALUE || unsafe { GetFileType(input) } != FILE_TYPE_PIPE {
            return Err(io::ErrorKind::NotConnected.into());
        }
        // SAFETY: the handle is open, and nothing else in this process reads its standard input.
        Ok(Self { pipe: unsafe { File::from_raw_handle(input) }, process: None })
    }

    /// Sends bytes. A lock is its holder's alone here, and no file goes with them: the other process does without.
    ///
    /// # Errors
    /// The operating system's; the other process may be gone.
    pub fn send(&self, bytes: &[u8], _files: &[&File]) -> io::Result<()> {
        (&self.pipe).write_all(bytes)
    }

    /// Receives what is there, waiting for something; no bytes when the other process is gone.
    ///
    /// # Errors
    /// The operating system's.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, Vec<File>)> {
        match (&self.pipe).read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok((0, Vec::new())),
            read => Ok((read?, Vec::new())),
        }
    }

    /// Nobody waits for more than this process's end, which comes next.
    pub fn hang_up(&self) {}

    /// Waits until the other process is gone, no longer than `patience`.
    pub fn wait_for_end(&self, patience: Duration) {
        if let Some(process) = &self.process {
            let patience = u32::try_from(patience.as_millis()).unwrap_or(u32::MAX - 1);
            // SAFETY: the handle is open.
            unsafe { WaitForSingleObject(process.as_raw_handle(), patience) };
        }
    }

    /// There is no process in between.
    pub fn reap(&self) {}
}
