//! Signals while az runs, as `system(3)` treats them: INT and QUIT are az's to answer; TERM, HUP, USR1, USR2 and ALRM (a
//! caller's alarm outlives its exec) are handed on to it, and what it died of is what we die of. Handlers are used and
//! never "ignore", because "ignore" survives the exec and would reach az; a signal that the caller had us ignore stays
//! ignored. TSTP and CONT keep their default action: az is in the same process group, so both stop and both go on.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicI32, Ordering};

use rustix::process::{Pid, Signal, kill_process};

/// The child that signals are handed to; 0 while there is none.
static CHILD: AtomicI32 = AtomicI32::new(0);
/// The last signal that arrived while there was no child to have it; 0 for none.
static PENDING: AtomicI32 = AtomicI32::new(0);

const LEFT_TO_AZ: [i32; 2] = [libc::SIGINT, libc::SIGQUIT];
const HANDED_ON: [i32; 5] = [libc::SIGTERM, libc::SIGHUP, libc::SIGUSR1, libc::SIGUSR2, libc::SIGALRM];

extern "C" fn handle(signal: i32) {
    match Pid::from_raw(CHILD.load(Ordering::SeqCst)) {
        None => PENDING.store(signal, Ordering::SeqCst),
        Some(child) if HANDED_ON.contains(&signal) => send(signal, child),
        Some(_) => {}
    }
}

/// Sends a signal to a child. It has not been waited for: `ChildProcess::wait` has signals handed to nobody before it reaps, so
/// the id cannot have come to belong to another process. May be called from a handler.
fn send(signal: i32, child: Pid) {
    if let Some(signal) = Signal::from_named_raw(signal) {
        let _ = kill_process(child, signal);
    }
}

/// What happens at a signal that has no handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sys) enum Action {
    /// What the system does by default.
    Default,
    /// Nothing.
    Ignore,
}

/// Sets what happens at a signal. May be called between fork and exec.
pub(in crate::sys) fn set_action(signal: i32, action: Action) {
    let action = match action {
        Action::Default => libc::SIG_DFL,
        Action::Ignore => libc::SIG_IGN,
    };
    // SAFETY: no handler is involved.
    unsafe { libc::signal(signal, action) };
}

/// Whether a signal is ignored.
pub(in crate::sys) fn is_ignored(signal: i32) -> bool {
    // SAFETY: an all-zero sigaction is a valid value, and the pointer is to a live local.
    let now = unsafe {
        let mut now: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &raw mut now);
        now.sa_sigaction
    };
    now == libc::SIG_IGN
}

/// Starts to treat signals as the module says. From here on none of them ends this process by surprise.
pub fn take_signals() {
    // While it is ignored, the kernel keeps no child's end for us to learn of. az gets it as the caller had it.
    set_action(libc::SIGCHLD, Action::Default);
    for signal in LEFT_TO_AZ.into_iter().chain(HANDED_ON).filter(|signal| !is_ignored(*signal)) {
        // SAFETY: an all-zero sigaction is a valid value, the handler only touches atomics and sends a signal, and both
        // pointers are to live locals.
        unsafe {
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

/// Hands signals to a child from now on, those included that came just before; to nobody if there is none.
pub(in crate::sys) fn hand_signals_to(child: Option<Pid>) {
    CHILD.store(Pid::as_raw(child), Ordering::SeqCst);
    if let Some(child) = child
        && let Some(signal) = pending_signal()
    {
        PENDING.store(0, Ordering::SeqCst);
        send(signal, child);
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
    set_action(signal, Action::Default);
    // SAFETY: the set is a live local, and raise sends to this thread only.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, signal);
        libc::sigprocmask(libc::SIG_UNBLOCK, &raw const set, std::ptr::null_mut());
        libc::raise(signal);
    }
    // A signal whose default is not to end the process (none that a child can die of) ends here, as a shell would say it.
    std::process::exit(128 + signal);
}
