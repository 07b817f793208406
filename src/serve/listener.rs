//! Where an endpoint listens: a port of loopback, or a Unix socket that has mode 0600 before anybody can connect. A socket that
//! a dead endpoint left is replaced; whatever else is at its path stays, and is a failure. Who is at the other
//! end is told as far as the system tells it.

#[cfg(unix)]
use std::io;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
#[cfg(unix)]
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::Duration;

use super::Address;
use crate::client::Stream;
use crate::failure::{Failure, Kind, Result};
use crate::sys;
#[cfg(unix)]
use crate::{private, text};

/// How long an accept that fails is not tried again: it does while there are no descriptors, and would at once again.
const PAUSE: Duration = Duration::from_millis(20);

/// Root, who could as well be anybody.
const ROOT: &str = "0";

/// Something that listens.
#[derive(Debug)]
pub(super) enum Listener {
    /// On loopback.
    Port(TcpListener),
    /// At a path.
    #[cfg(unix)]
    Socket(UnixListener, PathBuf),
}

impl Listener {
    /// Listens at `address`.
    ///
    /// # Errors
    /// `Busy` where something else does; `Usage`, `Storage`.
    pub(super) fn open(address: &Address) -> Result<Self> {
        match address {
            Address::Port(port) => {
                let listener = TcpListener::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, *port));
                let listener = listener.inspect(have_more_wait);
                listener.map(Self::Port).map_err(|error| match error.kind() {
                    ErrorKind::AddrInUse => Failure::new(
                        Kind::Busy,
                        format!("something else listens on port {port}"),
                        "choose another port",
                    ),
                    kind => Failure::refused(format!("cannot listen on port {port}: {error}"), kind),
                })
            }
            #[cfg(unix)]
            Address::Socket(path) => listen_at(path).map(|listener| Self::Socket(listener, path.clone())),
            #[cfg(not(unix))]
            Address::Socket(_) => Err(Failure::new(
                Kind::Usage,
                "there are no Unix sockets for this here",
                "use a port of loopback: --port N",
            )),
        }
    }

    /// The same once more, for a thread of its own.
    ///
    /// # Errors
    /// `Storage`.
    pub(super) fn duplicate(&self) -> Result<Self> {
        let duplicate = match self {
            Self::Port(listener) => listener.try_clone().map(Self::Port),
            #[cfg(unix)]
            Self::Socket(listener, path) => listener.try_clone().map(|listener| Self::Socket(listener, path.clone())),
        };
        duplicate.map_err(|error| Failure::refused(format!("cannot listen: {error}"), error.kind()))
    }

    /// The next connection of somebody who may; `None` for what comes to none.
    pub(super) fn accept(&self) -> Option<Stream> {
        let accepted = match self {
            Self::Port(listener) => listener.accept().map(|(stream, _)| Stream::Tcp(stream)),
            #[cfg(unix)]
            Self::Socket(listener, _) => listener.accept().map(|(stream, _)| Stream::Unix(stream)),
        };
        match accepted {
            Ok(stream) => Some(stream),
            Err(_) => {
                std::thread::sleep(PAUSE);
                None
            }
        }
    }

    /// Its port.
    pub(super) fn port(&self) -> Option<u16> {
        match self {
            Self::Port(listener) => listener.local_addr().ok().map(|address| address.port()),
            #[cfg(unix)]
            Self::Socket(..) => None,
        }
    }

    /// The path of its socket.
    pub(super) fn socket(&self) -> Option<PathBuf> {
        match self {
            Self::Port(_) => None,
            #[cfg(unix)]
            Self::Socket(_, path) => Some(path.clone()),
        }
    }

    /// Takes away what others find it by.
    pub(super) fn remove(&self) {
        #[cfg(unix)]
        if let Self::Socket(_, path) = self {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Has the system keep as many that connect at once as it may; the standard library asks for few.
#[cfg(unix)]
fn have_more_wait(listener: &impl std::os::fd::AsFd) {
    // What it keeps by itself is enough for most.
    let _ = rustix::net::listen(listener, 4096);
}

/// On Windows it keeps enough by itself.
#[cfg(not(unix))]
fn have_more_wait<T>(_listener: &T) {}

/// Listens at `path`. A socket has its mode from its directory's: where others could connect before that is set they cannot, for
/// it is bound under another name, and has the one that others know once it is closed to them.
#[cfg(unix)]
fn listen_at(path: &std::path::Path) -> Result<UnixListener> {
    use std::os::unix::fs::FileTypeExt as _;
    let shown = text::path(path);
    match path.symlink_metadata() {
        Ok(metadata) if metadata.file_type().is_socket() && UnixStream::connect(path).is_err() => {}
        Ok(metadata) => {
            let what = match metadata.file_type().is_socket() {
                true => format!("something else listens at `{shown}`"),
                false => format!("`{shown}` is there and is no socket"),
            };
            return Err(Failure::new(Kind::Busy, what, "choose another path"));
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(Failure::storage("look at", path, &error)),
    }
    let draft = private::draft_of(path);
    let _ = std::fs::remove_file(&draft);
    let refused = |error: &io::Error| match error.kind() {
        // The system has room for some hundred bytes.
        ErrorKind::InvalidInput => {
            let what = format!("`{shown}` is too long for the name of a socket");
            Failure::new(Kind::Usage, what, "choose a shorter path with --socket")
        }
        _ => Failure::storage("listen at", path, error),
    };
    let listener = UnixListener::bind(&draft).map_err(|error| refused(&error))?;
    have_more_wait(&listener);
    let placed = sys::set_mode(&draft, 0o600).and_then(|()| std::fs::rename(&draft, path));
    if let Err(error) = placed {
        let _ = std::fs::remove_file(&draft);
        return Err(refused(&error));
    }
    Ok(listener)
}

/// Who is at the other end, as far as the system tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    /// As the journal has it.
    pub(super) name: String,
    /// Whether it may have anything: the user himself, or root; who cannot be told apart there has the secret alone.
    pub(super) is_trusted: bool,
}

/// Who is at the other end.
pub(super) fn peer_of(stream: &Stream) -> Peer {
    let is_trusted = |user: &str| user == sys::user_id() || user == ROOT;
    match stream {
        Stream::Tcp(stream) => {
            let ends = (stream.peer_addr(), stream.local_addr());
            let (Ok(std::net::SocketAddr::V4(client)), Ok(std::net::SocketAddr::V4(server))) = ends else {
                return Peer { name: "unknown".to_owned(), is_trusted: false };
            };
            let user = sys::user_of_connection(client, server);
            let is_trusted = match &user {
                Ok(user) => user.as_deref().is_some_and(is_trusted),
                Err(_) => true,
            };
            let user = user.ok().flatten().map_or_else(String::new, |user| format!(" of user {user}"));
            Peer { name: format!("{client}{user}"), is_trusted }
        }
        #[cfg(unix)]
        Stream::Unix(stream) => match sys::peer_of(stream) {
            Ok(peer) => {
                let program = peer.process.and_then(sys::process_name);
                let process = peer.process.map_or_else(String::new, |id| format!(" [{id}]"));
                let name = format!("{}{process}", program.unwrap_or_else(|| format!("user {}", peer.user)));
                Peer { name, is_trusted: is_trusted(&peer.user) }
            }
            Err(_) => Peer { name: "socket".to_owned(), is_trusted: true },
        },
    }
}
