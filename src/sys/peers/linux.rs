//! Linux: what a Unix socket was connected with (unix(7), `SO_PEERCRED`), and the table of TCP connections (proc_pid_net(5)).

use std::io;
use std::net::SocketAddrV4;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use super::Peer;

/// Who connected to `socket`.
///
/// # Errors
/// The operating system's.
pub fn peer_of(socket: &UnixStream) -> io::Result<Peer> {
    let mut found = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut length = size_of::<libc::ucred>() as libc::socklen_t;
    // Not rustix's: to a process of another namespace of processes the kernel gives the id 0, which is none there.
    // SAFETY: the pointers are to live locals, the length is that of the one that is written to.
    let outcome = unsafe {
        let place = (&raw mut found).cast();
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_PEERCRED, place, &raw mut length)
    };
    if outcome != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Peer { user: found.uid.to_string(), process: u32::try_from(found.pid).ok().filter(|id| *id != 0) })
}

/// The user, as text like `user_id`'s, whose socket `client` is, as the end of a connection to `server`; `None` where this machine has none such.
///
/// # Errors
/// The operating system's, where there is no such table.
pub fn user_of_connection(client: SocketAddrV4, server: SocketAddrV4) -> io::Result<Option<String>> {
    let table = std::fs::read_to_string("/proc/net/tcp")?;
    Ok(user_in(&table, client, server))
}

fn user_in(table: &str, client: SocketAddrV4, server: SocketAddrV4) -> Option<String> {
    let shown = |end: SocketAddrV4| format!("{:08X}:{:04X}", u32::from_ne_bytes(end.ip().octets()), end.port());
    let wanted = format!("{} {}", shown(client), shown(server));
    let row = table.lines().find(|row| row.split_once(": ").is_some_and(|(_, row)| row.starts_with(&wanted)))?;
    // sl, local_address, rem_address, st, tx_queue:rx_queue, tr:tm->when, retrnsmt, uid
    row.split_ascii_whitespace().nth(7).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener, TcpStream};

    use super::*;

    fn v4(end: SocketAddr) -> SocketAddrV4 {
        match end {
            SocketAddr::V4(end) => end,
            SocketAddr::V6(_) => panic!("it was bound to an address of version 4"),
        }
    }

    #[test]
    fn a_connection_is_that_of_who_made_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (client, server) = (v4(client.local_addr().unwrap()), v4(client.peer_addr().unwrap()));
        let ours = crate::sys::user_id();
        assert_eq!(user_of_connection(client, server).unwrap(), Some(ours));
        let nobody = SocketAddrV4::new(*client.ip(), client.port().wrapping_add(1).max(1));
        assert_eq!(user_of_connection(nobody, server).unwrap(), None);
    }

    #[test]
    fn who_connects_to_a_socket_is_known() {
        let (one, _other) = UnixStream::pair().unwrap();
        let ours = Peer { user: crate::sys::user_id(), process: Some(std::process::id()) };
        assert_eq!(peer_of(&one).unwrap(), ours);
    }
}
