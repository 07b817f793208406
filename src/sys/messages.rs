//! Messages with open files attached, over a Unix socket: between a shim, the child that waits to become az, and the
//! guardian. Sending allocates nothing and may be done between fork and exec.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

/// How many files one message can carry.
const MOST_FILES: usize = 5;

/// Room for the control message that carries the files, aligned as the kernel wants it.
#[repr(C, align(8))]
struct Control([u8; 64]);

const DESCRIPTORS: u32 = (MOST_FILES * size_of::<RawFd>()) as u32;

/// Sends `bytes`, all at once, and a copy of each of `files` (at most [`MOST_FILES`]).
///
/// # Errors
/// The operating system's; a socket whose other end is gone is one, and raises no signal here.
pub(super) fn send_raw(socket: RawFd, bytes: &[u8], files: &[RawFd]) -> io::Result<()> {
    let mut control = Control([0; 64]);
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: an all-zero msghdr is a valid value: null pointers and integers.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    if !files.is_empty() {
        let size = (files.len().min(MOST_FILES) * size_of::<RawFd>()) as u32;
        message.msg_control = (&raw mut control).cast();
        // SAFETY: CMSG_SPACE and CMSG_LEN only calculate. `control` has room for MOST_FILES descriptors, so CMSG_FIRSTHDR
        // gives a header inside it, and its data lie inside it too.
        unsafe {
            message.msg_controllen = libc::CMSG_SPACE(size) as _;
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(size) as _;
            let place = libc::CMSG_DATA(header).cast::<RawFd>();
            for (index, file) in files.iter().take(MOST_FILES).enumerate() {
                place.add(index).write_unaligned(*file);
            }
        }
    }
    loop {
        // SAFETY: the message and all that it points to are live locals, or the caller's slices.
        let sent = unsafe { libc::sendmsg(socket, &raw const message, NO_SIGNAL) };
        match usize::try_from(sent) {
            Ok(count) if count == bytes.len() => return Ok(()),
            Ok(_) => return Err(io::ErrorKind::WriteZero.into()),
            Err(_) => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
}

#[cfg(target_os = "macos")]
const NO_SIGNAL: i32 = 0;
#[cfg(not(target_os = "macos"))]
const NO_SIGNAL: i32 = libc::MSG_NOSIGNAL;

/// Receives what is there, waiting for something: the bytes read into `buffer`, 0 when the other end is gone, and the files
/// that came with them, none of which a program started later inherits.
///
/// # Errors
/// The operating system's.
pub(super) fn receive(socket: &UnixStream, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut control = Control([0; 64]);
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: an all-zero msghdr is a valid value: null pointers and integers.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    let count = loop {
        message.msg_control = (&raw mut control).cast();
        // SAFETY: CMSG_SPACE only calculates, and what it gives is no more than `control` has.
        message.msg_controllen = unsafe { libc::CMSG_SPACE(DESCRIPTORS) } as _;
        // SAFETY: the message and all that it points to are live locals, or the caller's slice.
        let count = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, CLOSE_ON_EXEC) };
        if let Ok(count) = usize::try_from(count) {
            break count;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    };
    let mut files = Vec::new();
    // SAFETY: the kernel filled in the control messages and their lengths, and the macros stay within them. Each descriptor
    // that came is open, new, and nobody else's.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(&raw const message);
        while !header.is_null() {
            if (*header).cmsg_level == libc::SOL_SOCKET && (*header).cmsg_type == libc::SCM_RIGHTS {
                let size = (*header).cmsg_len as usize - libc::CMSG_LEN(0) as usize;
                let place = libc::CMSG_DATA(header).cast::<RawFd>();
                for index in 0..size / size_of::<RawFd>() {
                    let file = OwnedFd::from_raw_fd(place.add(index).read_unaligned());
                    libc::fcntl(file.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC);
                    files.push(file);
                }
            }
            header = libc::CMSG_NXTHDR(&raw const message, header);
        }
    }
    Ok((count, files))
}

#[cfg(target_os = "macos")]
const CLOSE_ON_EXEC: i32 = 0;
#[cfg(not(target_os = "macos"))]
const CLOSE_ON_EXEC: i32 = libc::MSG_CMSG_CLOEXEC;

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Seek, Write};

    use super::*;

    #[test]
    fn a_file_arrives_with_its_message_and_an_end_is_an_end() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"text").unwrap();
        file.rewind().unwrap();
        send_raw(ours.as_raw_fd(), b"one", &[file.as_raw_fd()]).unwrap();
        let mut buffer = [0; 8];
        let (count, mut files) = receive(&theirs, &mut buffer).unwrap();
        assert_eq!((&buffer[..count], files.len()), (&b"one"[..], 1));
        let mut text = String::new();
        File::from(files.remove(0)).read_to_string(&mut text).unwrap();
        assert_eq!(text, "text");
        drop(ours);
        assert_eq!(receive(&theirs, &mut buffer).unwrap().0, 0);
        assert!(send_raw(theirs.as_raw_fd(), b"x", &[]).is_err());
    }
}
