//! What Rust's runtime changes before `main`, noted before it does and given back to az: it opens a standard descriptor
//! that the caller had closed, and it ignores SIGPIPE here and resets it for children, whatever the caller had. SIGCHLD is
//! noted as well, because a shim that inherits it ignored learns of no child's end (`signals` sees to that).

use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};

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
    for descriptor in 0..3 {
        // SAFETY: F_GETFD takes no pointer and changes nothing.
        if unsafe { libc::fcntl(descriptor, libc::F_GETFD) } == -1 {
            noted |= 1 << descriptor;
        }
    }
    for (signal, bit) in IGNORED {
        // SAFETY: an all-zero sigaction is a valid value, and the pointer is to a live local.
        let action = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            libc::sigaction(signal, std::ptr::null(), &raw mut action);
            action.sa_sigaction
        };
        if action == libc::SIG_IGN {
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
    crate::sys::memory::give_back_core_limit();
    let noted = NOTED.load(Ordering::SeqCst);
    for descriptor in 0..3 {
        if noted & (1 << descriptor) != 0 {
            close_quietly(descriptor);
        }
    }
    for (signal, bit) in IGNORED {
        let action = if noted & bit == 0 { libc::SIG_DFL } else { libc::SIG_IGN };
        // SAFETY: async-signal-safe, and no handler is involved.
        unsafe { libc::signal(signal, action) };
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

/// Closes a descriptor, whether or not it is open.
pub(in crate::sys) fn close_quietly(descriptor: i32) {
    // SAFETY: async-signal-safe; nobody uses that descriptor before the exec.
    unsafe { libc::close(descriptor) };
}
