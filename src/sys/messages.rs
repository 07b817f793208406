//! Messages with open files attached, over a Unix socket: between a shim, the child that waits to become az, and the
//! guardian. Sending allocates nothing and may be done between fork and exec.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::{FdFlags, fcntl_setfd, retry_on_intr};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};

use super::MOST_FILES;

/// Room for the control message that carries so many files.
const ROOM: usize = rustix::cmsg_space!(ScmRights(MOST_FILES));

/// Sends `bytes`, all at once, and a copy of each of `files`.
///
/// # Errors
/// `InvalidInput`, and nothing is sent, for more than [`MOST_FILES`]; else the operating system's: a socket whose other end
/// is gone is one, and raises no signal here.
pub(super) fn send(socket: impl AsFd, bytes: &[u8], files: &[BorrowedFd<'_>]) -> io::Result<()> {
    if files.len() > MOST_FILES {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut room = [MaybeUninit::uninit(); ROOM];
    let mut control = SendAncillaryBuffer::new(&mut room);
    if !files.is_empty() && !control.push(SendAncillaryMessage::ScmRights(files)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let sent = retry_on_intr(|| sendmsg(&socket, &[IoSlice::new(bytes)], &mut control, NO_SIGNAL))?;
    if sent == bytes.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

#[cfg(target_os = "macos")]
const NO_SIGNAL: SendFlags = SendFlags::empty();
#[cfg(not(target_os = "macos"))]
const NO_SIGNAL: SendFlags = SendFlags::NOSIGNAL;

/// Receives what is there, waiting for something: the bytes read into `buffer`, 0 when the other end is gone, and the files
/// that came with them, none of which a program started later inherits.
///
/// # Errors
/// The operating system's.
pub(super) fn receive(socket: impl AsFd, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut room = [MaybeUninit::uninit(); ROOM];
    let mut control = RecvAncillaryBuffer::new(&mut room);
    let received =
        retry_on_intr(|| recvmsg(&socket, &mut [IoSliceMut::new(&mut *buffer)], &mut control, CLOSE_ON_EXEC))?;
    let mut files = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(arrived) = message {
            files.extend(arrived);
        }
    }
    // For systems without the flag.
    for file in &files {
        let _ = fcntl_setfd(file, FdFlags::CLOEXEC);
    }
    Ok((received.bytes, files))
}

#[cfg(target_os = "macos")]
const CLOSE_ON_EXEC: RecvFlags = RecvFlags::empty();
#[cfg(not(target_os = "macos"))]
const CLOSE_ON_EXEC: RecvFlags = RecvFlags::CMSG_CLOEXEC;

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Seek, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_file_arrives_with_its_message_and_an_end_is_an_end() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"text").unwrap();
        file.rewind().unwrap();
        send(&ours, b"one", &[file.as_fd()]).unwrap();
        let mut buffer = [0; 8];
        let (count, mut files) = receive(&theirs, &mut buffer).unwrap();
        assert_eq!((&buffer[..count], files.len()), (&b"one"[..], 1));
        let mut text = String::new();
        File::from(files.remove(0)).read_to_string(&mut text).unwrap();
        assert_eq!(text, "text");
        drop(ours);
        assert_eq!(receive(&theirs, &mut buffer).unwrap().0, 0);
        assert!(send(&theirs, b"x", &[]).is_err());
    }

    #[test]
    fn as_many_files_as_there_may_be_arrive_and_one_more_is_refused() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let file = tempfile::tempfile().unwrap();
        let mut buffer = [0; 8];
        for count in [6, MOST_FILES] {
            send(&ours, b"x", &vec![file.as_fd(); count]).unwrap();
            assert_eq!(receive(&theirs, &mut buffer).unwrap().1.len(), count);
        }
        let refused = send(&ours, b"x", &[file.as_fd(); MOST_FILES + 1]);
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
