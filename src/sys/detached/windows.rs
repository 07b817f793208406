//! A process of its own on Windows: another execution of this very program without a console, so that no Ctrl-C and no end of
//! a console reaches it, with nothing of the caller's open, and outside of the caller's job where that lets go of it. It has
//! one end of a pipe for its standard input, one of another, by which it answers, for its standard output, and nothing else. A job
//! that holds it ends it with the rest: what is left then is the next invocation's.

use std::ffi::{CStr, OsStr};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::windows::ffi::OsStrExt;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle, RawHandle};
use std::ptr::{null, null_mut};
use std::time::{Duration, Instant};

use windows_sys::Win32::Foundation::{
    CloseHandle, HANDLE, HANDLE_FLAG_INHERIT, INVALID_HANDLE_VALUE, SetHandleInformation,
};
use windows_sys::Win32::Storage::FileSystem::{FILE_TYPE_PIPE, GetFileType};
use windows_sys::Win32::System::Console::{GetStdHandle, STD_INPUT_HANDLE, STD_OUTPUT_HANDLE};
use windows_sys::Win32::System::Pipes::PeekNamedPipe;
use windows_sys::Win32::System::Threading::{
    CREATE_BREAKAWAY_FROM_JOB, CREATE_NEW_PROCESS_GROUP, CreateProcessW, DETACHED_PROCESS,
    DeleteProcThreadAttributeList, EXTENDED_STARTUPINFO_PRESENT, InitializeProcThreadAttributeList,
    PROC_THREAD_ATTRIBUTE_HANDLE_LIST, PROCESS_INFORMATION, STARTF_USESTDHANDLES, STARTUPINFOEXW, TerminateProcess,
    UpdateProcThreadAttribute, WaitForSingleObject,
};

use crate::sys::done;

/// How often an answer is looked for: one takes about as long.
const PAUSE: Duration = Duration::from_millis(1);

/// One end of a channel between a process and the one it detached.
#[derive(Debug)]
pub struct Channel {
    pipe: File,
    /// Has a byte for each answer of the detached process.
    answers: File,
    /// The detached process, at the end of the one that detached it.
    process: Option<OwnedHandle>,
}

/// Starts this program again, detached, as `name` and in the same environment, and returns the channel to it.
///
/// # Errors
/// The operating system's.
pub fn detach(name: &OsStr) -> io::Result<Channel> {
    let (theirs, ours) = io::pipe()?;
    let (answers, their_answers) = io::pipe()?;
    let theirs = [OwnedHandle::from(theirs), OwnedHandle::from(their_answers)];
    for handle in &theirs {
        // SAFETY: the handle is open. Until it is closed below nothing else is started by this process.
        done(unsafe { SetHandleInformation(handle.as_raw_handle(), HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT) })?;
    }
    let handles = theirs.each_ref().map(AsRawHandle::as_raw_handle);
    let process = start(name, handles, CREATE_BREAKAWAY_FROM_JOB)
        // A job may forbid that.
        .or_else(|_| start(name, handles, 0))?;
    let [pipe, answers] = [OwnedHandle::from(ours), OwnedHandle::from(answers)].map(File::from);
    Ok(Channel { pipe, answers, process: Some(process) })
}

fn start(name: &OsStr, handles: [RawHandle; 2], flags: u32) -> io::Result<OwnedHandle> {
    let wide = |text: &OsStr| text.encode_wide().chain([0]).collect::<Vec<u16>>();
    let program = wide(std::env::current_exe()?.as_os_str());
    let mut line = wide(name);
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
    [startup.StartupInfo.hStdInput, startup.StartupInfo.hStdOutput] = handles;
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
        let handles = [STD_INPUT_HANDLE, STD_OUTPUT_HANDLE].map(|which| unsafe { GetStdHandle(which) });
        let is_pipe = |handle: &HANDLE| {
            // SAFETY: says of any handle, and of none, what it is.
            !handle.is_null() && *handle != INVALID_HANDLE_VALUE && unsafe { GetFileType(*handle) } == FILE_TYPE_PIPE
        };
        if !handles.iter().all(is_pipe) {
            return Err(io::ErrorKind::NotConnected.into());
        }
        // SAFETY: both are open, and nothing else in this process reads its standard input or writes to its standard output.
        let [pipe, answers] = handles.map(|handle| unsafe { File::from_raw_handle(handle) });
        Ok(Self { pipe, answers, process: None })
    }

    /// Sends bytes. A lock is its holder's alone here, and no file goes with them: the other process opens its own.
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

    /// Says, from the detached process, that it has done what it was told.
    pub fn answer(&self) {
        // Who is gone waits for nothing.
        let _ = (&self.answers).write_all(b"!");
    }

    /// Waits until the detached process has done what it was told, or is gone. One that is neither within `patience` is ended:
    /// nobody could have it give up what it holds.
    pub fn wait_for_answer(&self, patience: Duration) {
        let began = Instant::now();
        while let Some(count) = self.answers_there() {
            if count > 0 {
                let _ = (&self.answers).read(&mut [0]);
                return;
            }
            if began.elapsed() >= patience {
                break;
            }
            std::thread::sleep(PAUSE);
        }
        if let Some(process) = &self.process {
            // SAFETY: the handle is open. That it has ended by itself is as good.
            unsafe { TerminateProcess(process.as_raw_handle(), 1) };
            self.wait_for_end(patience);
        }
    }

    /// How many bytes of answers there are to read; `None` when nobody can give one any more.
    fn answers_there(&self) -> Option<u32> {
        let (answers, mut count) = (self.answers.as_raw_handle(), 0);
        // SAFETY: the handle is open, and every pointer is to a live local or null, as it may be.
        done(unsafe { PeekNamedPipe(answers, null_mut(), 0, null_mut(), &raw mut count, null_mut()) }).ok()?;
        Some(count)
    }

    /// Nobody waits for more than this process's end, which comes next.
    pub fn hang_up(&self) {}

    /// Waits until the other process is gone, no longer than `patience`.
    pub fn wait_for_end(&self, patience: Duration) {
        if let Some(process) = &self.process {
            // SAFETY: the handle is open.
            unsafe { WaitForSingleObject(process.as_raw_handle(), milliseconds(patience)) };
        }
    }

    /// There is no process in between.
    pub fn reap(&self) {}
}

/// A time as the system's waits have it; the longest is one number less than what they take for no end.
fn milliseconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX - 1)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use windows_sys::Win32::Foundation::WAIT_OBJECT_0;

    use super::*;

    #[test]
    fn whoever_does_not_answer_in_time_is_ended() {
        let mut child = Command::new("cmd.exe").args(["/c", "pause"]).stdin(Stdio::piped()).spawn().unwrap();
        // Kept: without it the child ends by itself.
        let _input = child.stdin.take();
        let process = OwnedHandle::from(child);
        let same = process.try_clone().unwrap();
        let is_alive = || {
            // SAFETY: the handle is open.
            unsafe { WaitForSingleObject(same.as_raw_handle(), 0) != WAIT_OBJECT_0 }
        };
        let [(_told, ours), (answers, theirs)] = [io::pipe().unwrap(), io::pipe().unwrap()];
        let [pipe, answers] = [OwnedHandle::from(ours), OwnedHandle::from(answers)].map(File::from);
        let channel = Channel { pipe, answers, process: Some(process) };
        (&theirs).write_all(b"!").unwrap();
        channel.wait_for_answer(Duration::from_secs(60));
        assert!(is_alive(), "it has answered");
        // One answer is one, and is not taken for the next.
        channel.wait_for_answer(Duration::from_millis(100));
        assert!(!is_alive());
        drop(theirs);
        let began = Instant::now();
        channel.wait_for_answer(Duration::from_secs(60));
        assert!(began.elapsed() < Duration::from_secs(30), "nobody is waited for who is gone");
    }
}
