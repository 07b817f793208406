//! The console's events. Windows has no signals: Ctrl-C and Ctrl-Break, and the end of the console, of the session and of the
//! system, go to every process of a console by itself, so there is nothing to hand on. As on Unix, az answers them, and
//! before there is an az they end us.

use std::os::windows::io::RawHandle;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use windows_sys::Win32::Foundation::STATUS_CONTROL_C_EXIT;
use windows_sys::Win32::System::Console::{CTRL_BREAK_EVENT, CTRL_C_EVENT, SetConsoleCtrlHandler};
use windows_sys::Win32::System::Threading::TerminateProcess;
use windows_sys::core::BOOL;

/// Whether there is a child, whose the events are.
static HAS_CHILD: AtomicBool = AtomicBool::new(false);
/// Whether an event came while there was none.
static PENDING: AtomicBool = AtomicBool::new(false);

/// What a console program ends with when Ctrl-C ends it.
const ENDED_BY_EVENT: i32 = STATUS_CONTROL_C_EXIT;

/// Runs on a thread that the system makes for it.
unsafe extern "system" fn handle(event: u32) -> BOOL {
    if !HAS_CHILD.load(Ordering::SeqCst) {
        PENDING.store(true, Ordering::SeqCst);
    }
    if !matches!(event, CTRL_C_EVENT | CTRL_BREAK_EVENT) {
        // The console, the session or the system ends, and this process with it, as soon as we return or some seconds
        // later: long enough for az to end of the same and for what is in the clear to be cleared up.
        std::thread::sleep(Duration::from_secs(60));
    }
    1
}

/// Starts to treat the console's events as the module says. A Ctrl-C that the caller had us ignore stays ignored.
pub fn take_signals() {
    // SAFETY: the handler only touches atomics and sleeps, and lives as long as the program. Unlike "ignore", a handler is
    // not handed on to az.
    unsafe {
        SetConsoleCtrlHandler(Some(handle), 1);
    }
}

/// Has the console's events be those of the child behind the handle, or ours again. One that came just before the child
/// could have it ends it at once.
pub(in crate::sys) fn hand_events_to(child: Option<RawHandle>) {
    HAS_CHILD.store(child.is_some(), Ordering::SeqCst);
    if let Some(child) = child
        && PENDING.swap(false, Ordering::SeqCst)
    {
        // SAFETY: the child's handle is open. That it has ended by itself is as good.
        unsafe {
            TerminateProcess(child, ENDED_BY_EVENT.cast_unsigned());
        }
    }
}

/// What to end with when an event arrived before there was an az to have it.
#[must_use]
pub fn pending_signal() -> Option<i32> {
    PENDING.load(Ordering::SeqCst).then_some(ENDED_BY_EVENT)
}

/// Ends this process as the child ended: whatever ended it is in its exit code here.
pub fn exit_as(status: ExitStatus) -> ! {
    std::process::exit(status.code().unwrap_or(1));
}

/// Ends this process with what [`pending_signal`] said.
pub fn die_of(signal: i32) -> ! {
    std::process::exit(signal);
}
