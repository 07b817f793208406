//! Signals while az runs, as `system(3)` treats them: INT and QUIT are az's to answer; TERM, HUP, USR1, USR2 and ALRM (a
//! caller's alarm outlives its exec) are handed on to it, and what it died of is what we die of. Handlers are used and
//! never "ignore", because "ignore" survives the exec and would reach az; a signal that the caller had us ignore stays
//! ignored. TSTP and CONT keep their default action: az is in the same process group, so both stop and both go on.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicI32, Ordering};

/// The child that signals are handed to; 0 while there is none.
static CHILD: AtomicI32 = AtomicI32::new(0);
/// The last signal that arrived while there was no child to have it; 0 for none.
static PENDING: AtomicI32 = AtomicI32::new(0);

const LEFT_TO_AZ: [i32; 2] = [libc::SIGINT, libc::SIGQUIT];
const HANDED_ON: [i32; 5] = [libc::SIGTERM, libc::SIGHUP, libc::SIGUSR1, libc::SIGUSR2, libc::SIGALRM];

extern "C" fn handle(signal: i32) {
    let child = CHILD.load(Ordering::SeqCst);
    if child == 0 {
        PENDING.store(signal, Ordering::SeqCst);
    } else if HANDED_ON.contains(&signal) {
        // SAFETY: kill is async-signal-safe. The id is that of a child not yet waited for: `ChildProcess::wait` clears it
        // before it reaps, so it cannot have come to belong to another process.
        unsafe {
            libc::kill(child, signal);
        }
    }
}

/// Starts to treat signals as the module says. From here on none of them ends this process by surprise.
pub fn take_signals() {
    // While it is ignored, the kernel keeps no child's end for us to learn of. az gets it as the caller had it.
    // SAFETY: the default action takes no handler.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
    for signal in LEFT_TO_AZ.into_iter().chain(HANDED_ON) {
        // SAFETY: an all-zero sigaction is a valid value, the handler only touches atomics and calls kill, and both
        // pointers are to live locals.
        unsafe {
            let mut before: libc::sigaction = std::mem::zeroed();
            libc::sigaction(signal, std::ptr::null(), &raw mut before);
            if before.sa_sigaction == libc::SIG_IGN {
                continue;
            }
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handle as extern "C" fn(i32) as usize;
            action.sa_flags = libc::SA_RESTART;
            libc::sigemptyset(&raw mut action.sa_mask);
            libc::sigaction(signal, &raw const action, std::ptr::null_mut());
        }
    }
}

/// A signal that arrived before there was an az to have it.
#[must_use]
pub fn pending_signal() -> Option<i32> {
    match PENDING.load(Ordering::SeqCst) {
        0 => None,
        signal => Some(signal),
    }
}

/// Hands signals to the process `child` from now on, those included that came just before; to nobody if it is 0.
pub(in crate::sys) fn hand_signals_to(child: i32) {
    CHILD.store(child, Ordering::SeqCst);
    if child == 0 {
        return;
    }
    if let Some(signal) = pending_signal() {
        PENDING.store(0, Ordering::SeqCst);
        // SAFETY: the child was just started and has not been waited for.
        unsafe {
            libc::kill(child, signal);
        }
    }
}

/// Ends this process as the child ended: with its exit code, or by its signal.
pub fn exit_as(status: ExitStatus) -> ! {
    if let Some(signal) = status.signal() {
        die_of(signal);
    }
    std::process::exit(status.code().unwrap_or(1));
}

/// Ends this process by `signal`, for a caller that asks what it died of.
pub fn die_of(signal: i32) -> ! {
    // SAFETY: the default action takes no handler, the set is a live local, and raise sends to this thread only.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, signal);
        libc::sigprocmask(libc::SIG_UNBLOCK, &raw const set, std::ptr::null_mut());
        libc::raise(signal);
    }
    // A signal whose default is not to end the process (none that a child can die of) ends here, as a shell would say it.
    std::process::exit(128 + signal);
}
