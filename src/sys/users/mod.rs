//! The user and the machine: who this process acts as and where that user is at home, whose a file is and whether it may be
//! taken for the user's own, and what tells this machine from others.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod platform;

#[cfg(unix)]
pub use platform::keep_lookups_built_in;
pub use platform::{
    copy_owner, has_system_proxy, have_one_owner, home_from_passwd, is_of, machine_id, may_follow, owner_id, user_id,
};
