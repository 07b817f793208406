//! What the standard library asks of the main thread's stack when a program begins. Linked statically, this is what it asks, and
//! not glibc, which reads a map of the whole process for it: a tenth of what an answer takes. It wants to know where
//! the stack ends only for what it would say of one that overflowed; without that such a process dies of SIGSEGV, silently.

use std::ffi::{c_int, c_void};

/// glibc's function of this name (pthread_getattr_np(3)), which fails here.
#[unsafe(no_mangle)]
extern "C" fn pthread_getattr_np(_thread: libc::pthread_t, _attributes: *mut c_void) -> c_int {
    libc::ENOSYS
}
