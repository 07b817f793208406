//! macOS and Windows: a socket's mode, its directory's and the secret are what keeps others away.

use std::io;
use std::net::SocketAddrV4;

#[cfg(unix)]
use super::Peer;

/// Who connected to `socket`.
///
/// # Errors
/// Always: nobody is asked.
#[cfg(unix)]
pub fn peer_of(_socket: &std::os::unix::net::UnixStream) -> io::Result<Peer> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The user whose socket `client` is.
///
/// # Errors
/// Always: nobody is asked.
pub fn user_of_connection(_client: SocketAddrV4, _server: SocketAddrV4) -> io::Result<Option<String>> {
    Err(io::ErrorKind::Unsupported.into())
}
