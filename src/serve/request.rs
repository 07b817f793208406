//! What is asked, read within bounds: a head of 16 KiB at most and a body of 64, all of it within ten seconds, however slowly it comes.
//! What is longer, later or no HTTP is answered by that and by nothing else. What was read is wiped: a secret is in it.

use std::borrow::Cow;
use std::io::{ErrorKind, Read as _};
use std::time::{Duration, Instant};

use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use crate::client::Stream;

/// How long the head may be, and how many lines it may have.
const HEAD: usize = 16 * 1024;
const LINES: usize = 64;

/// How long the body may be.
const BODY: usize = 64 * 1024;

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the next part of it may be awaited, and all of it take, before who sends it counts as slow.
const PROMPT: Duration = Duration::from_millis(500);
const WHOLE: Duration = Duration::from_secs(2);

/// A request.
pub(super) struct Request {
    /// What was read.
    bytes: Zeroizing<Vec<u8>>,
    /// Where the body begins.
    body: usize,
    /// What is to be done.
    pub(super) method: String,
    /// The path, as it stands.
    pub(super) path: Zeroizing<String>,
    /// What stands after the question mark.
    query: String,
}

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// It is longer than is read.
    TooLong,
    /// It is no HTTP.
    NotHttp,
    /// It took too long.
    Late,
    /// Whoever asked hung up.
    Gone,
}

impl Request {
    /// Reads one from `stream`; `is_slow` is told once if that takes its time.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn read(stream: &mut Stream, is_slow: impl FnOnce(&Stream)) -> Result<Self, Unreadable> {
        let mut reading = Reading { stream, began: Instant::now(), is_slow: Some(is_slow) };
        // It never grows, so that nothing of it is left behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(HEAD + BODY));
        let (body, length) = loop {
            if let Some(found) = read_head(&bytes)? {
                break found;
            }
            if bytes.len() >= HEAD {
                return Err(Unreadable::TooLong);
            }
            reading.read_on(&mut bytes)?;
        };
        if length > BODY {
            return Err(Unreadable::TooLong);
        }
        while bytes.len() < body + length {
            reading.read_on(&mut bytes)?;
        }
        bytes.truncate(body + length);
        let mut headers = [httparse::EMPTY_HEADER; LINES];
        let mut head = httparse::Request::new(&mut headers);
        head.parse(&bytes).map_err(|_| Unreadable::NotHttp)?;
        let method = head.method.unwrap_or_default().to_owned();
        let target = head.path.unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (path, query) = (Zeroizing::new(path.to_owned()), query.to_owned());
        Ok(Self { bytes, body, method, path, query })
    }

    /// The value of the header called `name`, if there is exactly one.
    pub(super) fn header(&self, name: &str) -> Option<&[u8]> {
        let mut headers = [httparse::EMPTY_HEADER; LINES];
        let mut head = httparse::Request::new(&mut headers);
        head.parse(&self.bytes).ok()?;
        let found = header_of(head.headers, name).ok()??;
        // It is in what was read, not in what was parsed of it.
        let start = found.as_ptr().addr().checked_sub(self.bytes.as_ptr().addr())?;
        self.bytes.get(start..start + found.len())
    }

    /// The value of the parameter called `name`, if there is exactly one and it is text.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        let mut found =
            self.query.split('&').filter_map(|pair| pair.split_once('=')).filter(|(other, _)| *other == name);
        let (_, value) = found.next()?;
        if found.next().is_some() {
            return None;
        }
        let value = value.replace('+', " ");
        percent_decode_str(&value).decode_utf8().ok().map(Cow::into_owned)
    }

    /// The body.
    pub(super) fn body(&self) -> &[u8] {
        &self.bytes[self.body..]
    }
}

/// Where the body begins and how long it is, once the head is whole.
fn read_head(bytes: &[u8]) -> Result<Option<(usize, usize)>, Unreadable> {
    let mut headers = [httparse::EMPTY_HEADER; LINES];
    let mut head = httparse::Request::new(&mut headers);
    let body = match head.parse(bytes) {
        Ok(httparse::Status::Complete(body)) => body,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(Unreadable::TooLong),
        Err(_) => return Err(Unreadable::NotHttp),
    };
    // One that is told in pieces is nobody's who asks for a token.
    if header_of(head.headers, "Transfer-Encoding") != Ok(None) {
        return Err(Unreadable::NotHttp);
    }
    let length = match header_of(head.headers, "Content-Length")? {
        None => 0,
        Some(length) if length.iter().all(u8::is_ascii_digit) && !length.is_empty() => {
            let text = std::str::from_utf8(length).map_err(|_| Unreadable::NotHttp)?;
            text.parse().map_err(|_| Unreadable::TooLong)?
        }
        Some(_) => return Err(Unreadable::NotHttp),
    };
    Ok(Some((body, length)))
}

/// The one header called `name`; two of them can be read in two ways.
fn header_of<'a>(headers: &[httparse::Header<'a>], name: &str) -> Result<Option<&'a [u8]>, Unreadable> {
    let mut found = headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
    let value = found.next().map(|header| header.value);
    if found.next().is_some() { Err(Unreadable::NotHttp) } else { Ok(value) }
}

/// A request on its way.
struct Reading<'a, F> {
    stream: &'a mut Stream,
    began: Instant,
    is_slow: Option<F>,
}

impl<F: FnOnce(&Stream)> Reading<'_, F> {
    /// Reads what is there, or comes.
    fn read_on(&mut self, bytes: &mut Vec<u8>) -> Result<(), Unreadable> {
        loop {
            let left = PATIENCE.saturating_sub(self.began.elapsed());
            if left.is_zero() {
                return Err(Unreadable::Late);
            }
            if self.began.elapsed() >= WHOLE {
                self.tell();
            }
            let patience = if self.is_slow.is_some() { left.min(PROMPT) } else { left };
            self.stream.set_patience(patience).map_err(|_| Unreadable::Gone)?;
            let have = bytes.len();
            bytes.resize(bytes.capacity().min(have + 4096), 0);
            let outcome = self.stream.read(&mut bytes[have..]);
            bytes.truncate(have + outcome.as_ref().map_or(0, |read| *read));
            match outcome {
                Ok(0) => return Err(Unreadable::Gone),
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => self.tell(),
                Err(_) => return Err(Unreadable::Gone),
            }
        }
    }

    fn tell(&mut self) {
        if let Some(is_slow) = self.is_slow.take() {
            is_slow(self.stream);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_that_can_be_read_in_two_ways_is_none() {
        let head = |lines: &str| read_head(format!("GET / HTTP/1.1\r\n{lines}\r\n").as_bytes());
        assert_eq!(head(""), Ok(Some((18, 0))));
        assert_eq!(head("Content-Length: 5\r\n"), Ok(Some((37, 5))));
        for lines in [
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            "Content-Length: +5\r\n",
            "Content-Length: \r\n",
            "Transfer-Encoding: chunked\r\n",
            "no header\r\n",
        ] {
            assert_eq!(head(lines), Err(Unreadable::NotHttp), "{lines:?}");
        }
        assert_eq!(head("Content-Length: 99999999999999999999999\r\n"), Err(Unreadable::TooLong));
        assert_eq!(head(&"A: b\r\n".repeat(LINES + 1)), Err(Unreadable::TooLong));
        assert_eq!(read_head(b"GET / HT"), Ok(None));
        assert_eq!(read_head(b"\x16\x03\x01\x02\x00"), Err(Unreadable::NotHttp));
    }
}
