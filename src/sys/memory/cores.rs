//! The limit on the size of cores, taken where nothing better keeps the kernel from writing one, and given back to az. Only the
//! soft limit: the hard one stays, so that the other can be given back.

use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The limit that the caller gave us, the highest number for none; 0 where there is nothing to give back.
static LIMIT: AtomicU64 = AtomicU64::new(0);

/// Allows this process no core.
pub(super) fn refuse() {
    let limit = getrlimit(Resource::Core);
    if limit.current != Some(0) {
        LIMIT.store(limit.current.unwrap_or(u64::MAX), Ordering::SeqCst);
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), ..limit });
    }
}

/// Allows what the caller did. May be called between fork and exec.
pub(super) fn give_back() {
    match LIMIT.load(Ordering::SeqCst) {
        0 => {}
        soft => {
            let current = (soft != u64::MAX).then_some(soft);
            let _ = setrlimit(Resource::Core, Rlimit { current, ..getrlimit(Resource::Core) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_s_limit_is_taken_and_given_back() {
        let limit = || getrlimit(Resource::Core);
        // Whatever there is for this test to lose.
        setrlimit(Resource::Core, Rlimit { current: limit().maximum, ..limit() }).unwrap();
        let before = limit();
        if before.current == Some(0) {
            // A machine that allows no core at all has nothing to take.
            return;
        }
        refuse();
        assert_eq!((limit().current, limit().maximum), (Some(0), before.maximum));
        refuse();
        give_back();
        assert_eq!(limit(), before);
    }
}
