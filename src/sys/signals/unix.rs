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
/// The last signal that arrived while there was no child to have it; 0 for none. A child has those from before its fork, and its own.
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

/// Hands signals to a child from now on, those included that came just before, but for what is left to az: a terminal told
/// the child, too, who acted on it ([`leave_to_az_in_child`]). To nobody if there is none.
pub(in crate::sys) fn hand_signals_to(child: Option<Pid>) {
    CHILD.store(Pid::as_raw(child), Ordering::SeqCst);
    if let Some(child) = child
        && let Some(signal) = pending_signal()
    {
        PENDING.store(0, Ordering::SeqCst);
        if HANDED_ON.contains(&signal) {
            send(signal, child);
        }
    }
}

/// In a child that is about to become az: from here on what is left to az ends it, and so does what came before. For a child
/// between fork and exec.
pub(in crate::sys) fn leave_to_az_in_child() {
    for signal in LEFT_TO_AZ.into_iter().filter(|signal| !is_ignored(*signal)) {
        set_action(signal, Action::Default);
    }
    if let Some(signal) = pending_signal().filter(|signal| LEFT_TO_AZ.contains(signal)) {
        // SAFETY: raise may be called between fork and exec.
        unsafe { libc::raise(signal) };
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

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::process::CommandExt;
    use std::path::Path;
    use std::process::Command;

    use super::*;
    use crate::sys::{ChildProcess, Program, WaitingChild};

    /// In a process that is this test's only, which may take signals: each of these is told to that process alone by the line
    /// that says so.
    fn end(before_fork: Option<i32>, before_exec: Option<i32>, after_exec: Option<i32>) -> ExitStatus {
        let tell = |signal: Option<i32>| {
            // SAFETY: raise sends to this thread only.
            signal.into_iter().for_each(|signal| assert_eq!(unsafe { libc::raise(signal) }, 0));
        };
        PENDING.store(0, Ordering::SeqCst);
        tell(before_fork);
        let sleep = Program::new(Path::new("/bin/sleep"), &[OsString::from("0.3")], []).unwrap();
        let child = WaitingChild::fork(&sleep).unwrap();
        if let Some(signal) = before_exec {
            send(signal, Pid::from_raw(child.id().cast_signed()).unwrap());
            tell(before_exec);
        }
        let mut az: ChildProcess = child.go().unwrap();
        tell(after_exec);
        az.hand_signals();
        az.wait().unwrap()
    }

    #[test]
    fn a_key_reaches_az_once_whenever_it_is_pressed() {
        const OWN_PROCESS: &str = "AZWARD_TEST_SIGNALS";
        if std::env::var_os(OWN_PROCESS).is_none() {
            let name = std::thread::current().name().unwrap().to_owned();
            let mut own = Command::new("sh");
            own.args(["-c", "ulimit -c 0; exec \"$@\"", "sh"]).arg(std::env::current_exe().unwrap());
            // Whoever started the tests may ignore some, as a shell does for what it has in the background.
            let take_all = || {
                LEFT_TO_AZ.into_iter().chain(HANDED_ON).for_each(|signal| set_action(signal, Action::Default));
                Ok(())
            };
            // SAFETY: sigaction may be called between fork and exec.
            unsafe { own.pre_exec(take_all) };
            let output = own.args(["--exact", &name, "--test-threads", "1"]).env(OWN_PROCESS, "1").output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && said.contains("1 passed"), "{said}");
            return;
        }
        take_signals();
        for key in LEFT_TO_AZ {
            assert_eq!(end(Some(key), None, None).signal(), Some(key));
            assert_eq!(end(None, Some(key), None).signal(), Some(key));
            // The terminal has told az itself.
            assert_eq!(end(None, None, Some(key)).code(), Some(0));
        }
        for signal in HANDED_ON {
            assert_eq!(end(Some(signal), None, None).signal(), Some(signal));
            assert_eq!(end(None, None, Some(signal)).signal(), Some(signal));
        }
        assert_eq!(end(None, None, None).code(), Some(0));
    }
}
