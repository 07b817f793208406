//! Standard output, seen on its way to the caller: from here on this process and its children write into a channel of the same
//! kind as the caller's, and what arrives there is handed on at once and kept. Only where the caller's is a pipe or a socket:
//! a terminal is asked what it is, and a file has a place in it.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod platform;

pub use platform::Tee;
use zeroize::Zeroizing;

/// More than any answer is. What is longer is handed on, and not kept.
const MOST_KEPT: usize = 1024 * 1024;

/// What was written to standard output while it was seen.
#[derive(Debug)]
pub struct Passage {
    /// What was written, as far as it was kept.
    pub bytes: Zeroizing<Vec<u8>>,
    /// What became of it.
    pub end: PassageEnd,
}

/// What became of what was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PassageEnd {
    /// The caller has all of it.
    Whole,
    /// The caller has some of it, and took no more; or it was more than is kept.
    Part,
    /// The caller took nothing of it.
    Refused,
}

impl Passage {
    /// One of which nothing has been written.
    fn begin() -> Self {
        Self { bytes: Zeroizing::new(Vec::with_capacity(MOST_KEPT / 64)), end: PassageEnd::Whole }
    }

    /// Notes what was handed on, or was not; whether there is any sense in handing on more.
    fn note(&mut self, chunk: &[u8], is_handed_on: bool) -> bool {
        if !is_handed_on {
            self.end = if self.bytes.is_empty() { PassageEnd::Refused } else { PassageEnd::Part };
        } else if self.bytes.len() + chunk.len() <= MOST_KEPT {
            self.bytes.extend_from_slice(chunk);
        } else {
            self.end = PassageEnd::Part;
        }
        is_handed_on
    }
}
