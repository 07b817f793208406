//! What Rust's runtime changes before `main`, noted before it does and given back to az: it opens a standard descriptor
//! that the caller had closed, and it ignores SIGPIPE here and resets it for children, whatever the caller had. SIGCHLD is
//! noted as well, because a shim that inherits it ignored learns of no child's end (`signals` sees to that).

use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};

use rustix::io::fcntl_getfd;
use rustix::stdio::{stderr, stdin, stdout};

use crate::sys::memory::give_back_core_limit;
use crate::sys::signals::{Action, is_ignored, set_action};

/// Bits 0 to 2: that descriptor was closed. The others are below.
static NOTED: AtomicU8 = AtomicU8::new(0);

/// The signals that are noted when they are ignored, each with its bit.
const IGNORED: [(i32, u8); 2] = [(libc::SIGPIPE, 1 << 3), (libc::SIGCHLD, 1 << 4)];

/// Called by the C library before `main`, and so before Rust's runtime.
#[used]
#[cfg_attr(not(target_os = "macos"), unsafe(link_section = ".init_array"))]
#[cfg_attr(target_os = "macos", unsafe(link_section = "__DATA,__mod_init_func"))]
static NOTE: extern "C" fn() = note;

extern "C" fn note() {
    let mut noted = 0;
    for (place, descriptor) in [stdin(), stdout(), stderr()].into_iter().enumerate() {
        if fcntl_getfd(descriptor).is_err() {
            noted |= 1 << place;
        }
    }
    for (signal, bit) in IGNORED {
        if is_ignored(signal) {
            noted |= bit;
        }
    }
    NOTED.store(noted, Ordering::SeqCst);
}

/// Whether the caller gave us a standard output.
#[must_use]
pub fn has_stdout() -> bool {
    NOTED.load(Ordering::SeqCst) & (1 << 1) == 0
}

/// Gives the program that this process is about to become what the caller gave us and the runtime took. For a child between
/// fork and exec.
pub(in crate::sys) fn give_back_in_child() {
    give_back_core_limit();
    let noted = NOTED.load(Ordering::SeqCst);
    for descriptor in 0..3 {
        if noted & (1 << descriptor) != 0 {
            close_quietly(descriptor);
        }
    }
    for (signal, bit) in IGNORED {
        set_action(signal, if noted & bit == 0 { Action::Default } else { Action::Ignore });
    }
}

/// Has `command` start with what the caller gave us and the runtime took.
pub(super) fn give_back_inherited(command: &mut Command) {
    let restore = || {
        give_back_in_child();
        Ok(())
    };
    // SAFETY: the closure allocates nothing and calls only what may be called between fork and exec.
    unsafe { std::os::unix::process::CommandExt::pre_exec(command, restore) };
}

/// Closes a descriptor, whether or not it is open. For a child between fork and exec.
pub(in crate::sys) fn close_quietly(descriptor: i32) {
    // SAFETY: may be done between fork and exec; nobody uses that descriptor before the exec.
    unsafe { rustix::io::close(descriptor) };
}
