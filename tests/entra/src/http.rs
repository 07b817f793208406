//! Just enough HTTP/1.1: requests in, responses out, over one kept-alive connection.
//!
//! Bodies are taken by Content-Length only; a chunked body is answered with 411. Every response carries a
//! Content-Length.

use std::io::{self, Read, Write};

use serde_json::Value;

const HEAD_LIMIT: usize = 64 * 1024;
const BODY_LIMIT: usize = 1024 * 1024;

/// A parsed request.
#[derive(Debug, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Percent-decoded, repeated slashes folded into one.
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// What becomes of the connection after the response.
    pub(crate) then: Then,
}

/// What becomes of a connection after a response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Then {
    KeepAlive,
    #[default]
    Close,
}

/// How much of a response is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    Whole,
    /// What `HEAD` asks for.
    Head,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, |key| key.eq_ignore_ascii_case(name))
    }

    /// The fields of a form body; empty for any other body.
    pub(crate) fn form(&self) -> Vec<(String, String)> {
        match self.header("content-type") {
            Some(kind) if kind.starts_with("application/x-www-form-urlencoded") => {
                decode_pairs(&String::from_utf8_lossy(&self.body))
            }
            _ => Vec::new(),
        }
    }

    /// The body, if it is JSON.
    pub(crate) fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        find(&self.query, |key| key == name)
    }
}

fn find(pairs: &[(String, String)], is_it: impl Fn(&str) -> bool) -> Option<&str> {
    pairs.iter().find(|(key, _)| is_it(key)).map(|(_, value)| value.as_str())
}

/// A response to be.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    reason: Option<String>,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Response {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::text(status, "application/json; charset=utf-8", body.to_string())
    }

    pub(crate) fn text(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, reason: None, headers: vec![("Content-Type", content_type.to_owned())], body: body.into() }
    }

    /// Gives the status other words than its own.
    pub(crate) fn because(mut self, reason: &str) -> Self {
        self.reason = Some(reason.replace(['\r', '\n'], " "));
        self
    }

    /// The body, if it is text.
    pub(crate) fn body(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap_or_default()
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        // A header that came from a request must not be able to add another.
        self.headers.push((name, value.into().replace(['\r', '\n'], " ")));
        self
    }

    fn bytes(&self, part: Sent, then: Then) -> Vec<u8> {
        let reason = self.reason.as_deref().unwrap_or_else(|| reason(self.status));
        let mut head = format!("HTTP/1.1 {} {reason}\r\n", self.status);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let connection = if then == Then::KeepAlive { "keep-alive" } else { "close" };
        head.push_str(&format!("Content-Length: {}\r\nConnection: {connection}\r\n\r\n", self.body.len()));
        let mut bytes = head.into_bytes();
        if part == Sent::Whole {
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        302 => "Found",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        411 => "Length Required",
        413 => "Content Too Large",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        _ => "Unknown",
    }
}

/// What stops a request from being read.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// The peer went away; there is nobody to answer.
    Gone,
    /// The bytes are no request we take: answer with this status, then close.
    Bad(u16),
}

impl From<io::Error> for Unreadable {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

/// One connection: a stream and the bytes read ahead of the current request.
#[derive(Debug)]
pub(crate) struct Connection<S> {
    stream: S,
    ahead: Vec<u8>,
}

impl<S: Read + Write> Connection<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, ahead: Vec::new() }
    }

    pub(crate) fn receive(&mut self) -> Result<Request, Unreadable> {
        let (mut request, length) = loop {
            if let Some((request, head, length)) = parse_head(&self.ahead)? {
                self.ahead.drain(..head);
                break (request, length);
            }
            if self.ahead.len() > HEAD_LIMIT {
                return Err(Unreadable::Bad(413));
            }
            self.read_more()?;
        };
        while self.ahead.len() < length {
            self.read_more()?;
        }
        request.body = self.ahead.drain(..length).collect();
        Ok(request)
    }

    pub(crate) fn send(&mut self, response: &Response, part: Sent, then: Then) -> io::Result<()> {
        self.stream.write_all(&response.bytes(part, then))?;
        self.stream.flush()
    }

    fn read_more(&mut self) -> Result<(), Unreadable> {
        let mut chunk = [0; 8192];
        match self.stream.read(&mut chunk)? {
            0 => Err(Unreadable::Gone),
            n => {
                self.ahead.extend_from_slice(&chunk[..n]);
                Ok(())
            }
        }
    }
}

/// Parses a head if it is complete: the request without its body, the head's size, the body's size.
fn parse_head(bytes: &[u8]) -> Result<Option<(Request, usize, usize)>, Unreadable> {
    let mut headers = [httparse::EMPTY_HEADER; 100];
    let mut parsed = httparse::Request::new(&mut headers);
    let head = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(head)) => head,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(Unreadable::Bad(400)),
    };
    let (path, query) = split_target(parsed.path.unwrap_or("/"));
    let headers: Vec<_> = parsed
        .headers
        .iter()
        .map(|header| (header.name.to_owned(), String::from_utf8_lossy(header.value).into_owned()))
        .collect();
    let method = parsed.method.unwrap_or("GET").to_owned();
    let mut request = Request { method, path, query, headers, ..Request::default() };
    let wish = request.header("connection").unwrap_or_default().to_ascii_lowercase();
    let keep_alive = if parsed.version == Some(1) { wish != "close" } else { wish == "keep-alive" };
    request.then = if keep_alive { Then::KeepAlive } else { Then::Close };
    if request.header("transfer-encoding").is_some() {
        return Err(Unreadable::Bad(411));
    }
    let length = match request.header("content-length") {
        None => 0,
        Some(text) => text.trim().parse().map_err(|_| Unreadable::Bad(400))?,
    };
    if length > BODY_LIMIT {
        return Err(Unreadable::Bad(413));
    }
    Ok(Some((request, head, length)))
}

fn split_target(target: &str) -> (String, Vec<(String, String)>) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let segments: Vec<_> =
        path.split('/').filter(|segment| !segment.is_empty()).map(|s| decode(s, Plus::IsPlus)).collect();
    (format!("/{}", segments.join("/")), decode_pairs(query))
}

fn decode_pairs(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (decode(key, Plus::IsSpace), decode(value, Plus::IsSpace)))
        .collect()
}

/// What a plus sign stands for: in a path for itself, in a query and a form for a space.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Plus {
    IsPlus,
    IsSpace,
}

fn decode(text: &str, plus: Plus) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex =
            tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok()).and_then(|h| u8::from_str_radix(h, 16).ok());
        match (first, hex) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
                continue;
            }
            (b'+', _) if plus == Plus::IsSpace => bytes.push(b' '),
            (other, _) => bytes.push(*other),
        }
        rest = tail;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Percent-encodes a value for a query or a form.
pub(crate) fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(bytes: &[u8]) -> Connection<io::Cursor<Vec<u8>>> {
        Connection::new(io::Cursor::new(bytes.to_vec()))
    }

    #[test]
    fn two_requests_on_one_connection() {
        let mut wire = connection(
            b"POST //a%20b/c?x=1+2&y HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 14\r\n\r\n\
              scope=a%2F%2FbGET /2 HTTP/1.1\r\nConnection: close\r\n\r\n",
        );
        let first = wire.receive().unwrap();
        assert_eq!((first.path.as_str(), first.then), ("/a b/c", Then::KeepAlive));
        assert_eq!((first.query("x"), first.query("y")), (Some("1 2"), Some("")));
        assert_eq!(first.form(), [("scope".to_owned(), "a//b".to_owned())]);
        let second = wire.receive().unwrap();
        assert_eq!((second.path.as_str(), second.then), ("/2", Then::Close));
        assert!(matches!(wire.receive(), Err(Unreadable::Gone)));
    }

    #[test]
    fn bad_requests_are_named_not_feared() {
        for (bytes, status) in [
            (&b"\x16\x03\x01 nonsense\r\n\r\n"[..], 400),
            (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
            (b"POST / HTTP/1.1\r\nContent-Length: nine\r\n\r\n", 400),
            (b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", 413),
        ] {
            assert!(matches!(connection(bytes).receive(), Err(Unreadable::Bad(s)) if s == status));
        }
    }

    #[test]
    fn broken_escapes_stay_as_they_are() {
        assert_eq!(decode("%zz%4", Plus::IsPlus), "%zz%4");
        assert_eq!(decode("%41+%c3%a9", Plus::IsSpace), "A é");
        assert_eq!(encode("https://a b/é"), "https%3A%2F%2Fa%20b%2F%C3%A9");
    }
}
