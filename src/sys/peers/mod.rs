//! Who is at the other end of a connection on this machine, as its kernel tells it; elsewhere than on Linux nobody is asked.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "elsewhere.rs")]
mod platform;

#[cfg(unix)]
pub use platform::peer_of;
pub use platform::user_of_connection;

/// A process that connected to a socket.
#[cfg(unix)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The user that it is, as text like `user_id`'s.
    pub user: String,
    /// Its id, where it has one that means something here.
    pub process: Option<u32>,
}
