//! A connection to an endpoint or from who asks one: over loopback, or over a Unix socket.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpStream};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::Place;

/// A connection.
#[derive(Debug)]
pub(crate) enum Stream {
    /// Over loopback.
    Tcp(TcpStream),
    /// Over a Unix socket.
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Stream {
    /// Connects to where an endpoint is.
    ///
    /// # Errors
    /// The operating system's.
    pub(crate) fn connect(place: &Place) -> io::Result<Self> {
        match place {
            #[cfg(unix)]
            Place::Socket(path) => UnixStream::connect(path).map(Self::Unix),
            #[cfg(not(unix))]
            Place::Socket(_) => Err(io::ErrorKind::Unsupported.into()),
            Place::Port(port) => TcpStream::connect(SocketAddrV4::new(Ipv4Addr::LOCALHOST, *port)).map(Self::Tcp),
        }
    }

    /// How long a read or a write waits at most.
    pub(crate) fn set_patience(&self, patience: Duration) -> io::Result<()> {
        // None at all would be for ever.
        let patience = Some(patience.max(Duration::from_millis(1)));
        match self {
            Self::Tcp(stream) => stream.set_read_timeout(patience).and(stream.set_write_timeout(patience)),
            #[cfg(unix)]
            Self::Unix(stream) => stream.set_read_timeout(patience).and(stream.set_write_timeout(patience)),
        }
    }

    /// The same connection once more, for who may have to hang up.
    pub(crate) fn duplicate(&self) -> io::Result<Self> {
        match self {
            Self::Tcp(stream) => stream.try_clone().map(Self::Tcp),
            #[cfg(unix)]
            Self::Unix(stream) => stream.try_clone().map(Self::Unix),
        }
    }

    /// Ends the connection, or what is said over it.
    pub(crate) fn shut(&self, what: Shutdown) {
        let _ = match self {
            Self::Tcp(stream) => stream.shutdown(what),
            #[cfg(unix)]
            Self::Unix(stream) => stream.shutdown(what),
        };
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            #[cfg(unix)]
            Self::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            #[cfg(unix)]
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
