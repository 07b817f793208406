//! Messages with open files attached, over a Unix socket: between a shim, the child that waits to become az, and the
//! guardian. Sending allocates nothing and may be done between fork and exec.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use super::MOST_FILES;

/// At least what `CMSG_SPACE` says of so many files: both parts are rounded up to no more than eight bytes.
const ROOM: usize = (size_of::<libc::cmsghdr>() + 8) + (MOST_FILES * size_of::<RawFd>() + 8);

/// Room for the control message that carries the files, aligned as the kernel wants it.
#[repr(C, align(8))]
struct Control([u8; ROOM]);

const DESCRIPTORS: u32 = (MOST_FILES * size_of::<RawFd>()) as u32;

/// Sends `bytes`, all at once, and a copy of each of `files`.
///
/// # Errors
/// `InvalidInput`, and nothing is sent, for more than [`MOST_FILES`]; else the operating system's: a socket whose other end is gone is one, and raises no signal here.
pub(super) fn send_raw(socket: RawFd, bytes: &[u8], files: &[RawFd]) -> io::Result<()> {
    if files.len() > MOST_FILES {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut control = Control([0; ROOM]);
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: an all-zero msghdr is a valid value: null pointers and integers.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    if !files.is_empty() {
        let size = size_of_val(files) as u32;
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
            for (index, file) in files.iter().enumerate() {
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
    let mut control = Control([0; ROOM]);
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

    #[test]
    fn as_many_files_as_there_may_be_arrive_and_one_more_is_refused() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let file = tempfile::tempfile().unwrap();
        let mut buffer = [0; 8];
        for count in [6, MOST_FILES] {
            send_raw(ours.as_raw_fd(), b"x", &vec![file.as_raw_fd(); count]).unwrap();
            assert_eq!(receive(&theirs, &mut buffer).unwrap().1.len(), count);
        }
        let refused = send_raw(ours.as_raw_fd(), b"x", &[file.as_raw_fd(); MOST_FILES + 1]);
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::InvalidInput);
        // SAFETY: only calculates.
        assert!(unsafe { libc::CMSG_SPACE(DESCRIPTORS) } as usize <= ROOM);
    }
}
