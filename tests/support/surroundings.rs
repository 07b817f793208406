//! What the shell that starts the tests hands down to whatever it starts, and thereby to whatever the tests start: signals
//! that are ignored (`nohup`, a job that a script put into the background) or blocked. What a box's commands are given is a
//! test's own affair, so these are taken back.

/// From here on what this thread starts finds every signal at its default.
///
/// The tests themselves go on ignoring what they were told to ignore: they catch it and do nothing, and what is caught is
/// at its default again after an exec.
#[cfg(target_os = "linux")]
pub(crate) fn take_back_signals() {
    use std::sync::Arc;
    use std::sync::Once;

    use nix::libc::{SIGALRM, SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2};
    use nix::sys::signal::SigSet;

    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let status = std::fs::read_to_string("/proc/self/status").expect("/proc is mounted");
        let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).expect("the kernel says it");
        let ignored = u64::from_str_radix(ignored.trim(), 16).expect("it is a hexadecimal number");
        // Not SIGPIPE: Rust ignores that itself, and the standard library takes it back for what it starts.
        let all = [SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGTERM, SIGCHLD, SIGTSTP, SIGTTIN, SIGTTOU];
        for signal in all.into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 1) {
            signal_hook::flag::register(signal, Arc::default()).expect("it can be caught");
        }
    });
    SigSet::empty().thread_set_mask().expect("a thread has a mask");
}

/// Not known how; only tests of signals are the worse for it.
#[cfg(not(target_os = "linux"))]
pub(crate) fn take_back_signals() {}
