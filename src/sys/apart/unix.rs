//! On Unix: a session of its own, and with it a group.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

#[cfg(target_os = "linux")]
use rustix::process::set_parent_process_death_signal;
use rustix::process::{Pid, Signal, kill_process_group, setsid};

pub(super) fn set_apart(command: &mut Command) {
    // SAFETY: between fork and exec only one system call is made, which allocates nothing and takes no lock.
    unsafe {
        command.pre_exec(|| {
            let _ = setsid();
            Ok(())
        });
    }
}

/// Sets it apart, and has it killed when the thread that starts it ends.
#[cfg(target_os = "linux")]
pub(super) fn set_apart_for_this_thread(command: &mut Command) {
    set_apart(command);
    // SAFETY: between fork and exec only one system call is made, which allocates nothing and takes no lock.
    unsafe {
        command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::KILL))?));
    }
}

/// Ends it, and all of its group.
pub(super) fn end(child: &mut Child) {
    // Not reaped yet: the number is nobody else's.
    if let Some(id) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(id, Signal::KILL);
    }
    let _ = child.wait();
}
