//! One request to an endpoint, and its answer, within bounds: nobody waits for ever, or reads more than an az could say.

use std::io::{self, Read, Write};
use std::time::Duration;

use zeroize::Zeroizing;

use super::{Endpoint, Place, Stream};
use crate::failure::{Failure, Kind, Result};
use crate::text;

/// How long the other end may be silent: a real az may have to be started there, and ask its own endpoint.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long an answer may be.
const MOST: u64 = 8 * 1024 * 1024;

/// How many headers it may have.
const LINES: usize = 32;

/// An answer.
pub struct Answer {
    /// Its status.
    pub status: u16,
    headers: Vec<(String, String)>,
    /// Its body.
    pub body: Zeroizing<Vec<u8>>,
}

impl Answer {
    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Why there is nothing, as a failure.
    pub(super) fn refusal(&self) -> Failure {
        let body: Option<serde_json::Value> = serde_json::from_slice(&self.body).ok();
        let said = body.as_ref().and_then(|body| body.get("error_description")).and_then(|said| said.as_str());
        let what =
            format!("the endpoint refuses ({}): {}", self.status, text::line(said.unwrap_or("it does not say why")));
        let hint = match self.status {
            401 => "take the secret that the running `azward serve` printed",
            403 => "have `azward serve` started with what is needed allowed",
            400 => "sign in again on the host that serves",
            _ => "try again; the host's `azward log` shows more",
        };
        Failure::new(Kind::Refused, what, hint)
    }
}

/// Connects to where an endpoint is.
fn connect(place: &Place) -> Result<Stream> {
    let connected = Stream::connect(place).and_then(|stream| stream.set_patience(PATIENCE).map(|()| stream));
    connected.map_err(|error| {
        let shown = match place {
            Place::Socket(path) => format!("`{}`", text::path(path)),
            Place::Port(port) => format!("port {port}"),
        };
        let what = format!("no endpoint of azward's answers at {shown}: {error}");
        Failure::new(Kind::Refused, what, "start `azward serve` on the host, or look whether it is mounted here")
    })
}

/// Sends `body`, and reads what is answered.
pub(super) fn post(endpoint: &Endpoint, path: &str, body: &[u8]) -> Result<Answer> {
    let mut connection = connect(&endpoint.place)?;
    let head = Zeroizing::new(format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nX-IDENTITY-HEADER: {}\r\nContent-Length: {}\r\n\r\n",
        *endpoint.secret,
        body.len()
    ));
    let broken = |error: io::Error| {
        let what = format!("the endpoint did not answer: {error}");
        Failure::new(Kind::Refused, what, "try again; the host's `azward log` shows more")
    };
    // One that refuses may not read all of it.
    let sent = connection.write_all(head.as_bytes()).and_then(|()| connection.write_all(body));
    let mut bytes = Zeroizing::new(Vec::with_capacity(64 * 1024));
    let read = connection.take(MOST).read_to_end(&mut bytes);
    match read_answer(&bytes) {
        Some(answer) => Ok(answer),
        None => Err(broken(sent.and(read.map(|_| ())).err().unwrap_or(io::ErrorKind::UnexpectedEof.into()))),
    }
}

/// What was read, if that is all of it.
fn read_answer(bytes: &[u8]) -> Option<Answer> {
    let mut headers = [httparse::EMPTY_HEADER; LINES];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(start) = head.parse(bytes).ok()? else { return None };
    let headers: Vec<(String, String)> = head
        .headers
        .iter()
        .map(|header| (header.name.to_owned(), String::from_utf8_lossy(header.value).into_owned()))
        .collect();
    let answer = Answer { status: head.code?, headers, body: Zeroizing::new(bytes[start..].to_vec()) };
    let length = answer.header("Content-Length")?.parse::<usize>().ok()?;
    (answer.body.len() == length).then_some(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_was_cut_off_is_none() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nAzward-Exit-Code: 0\r\n\r\nabc";
        let answer = read_answer(whole).unwrap();
        assert_eq!((answer.status, &answer.body[..], answer.header("azward-exit-code")), (200, &b"abc"[..], Some("0")));
        for length in 0..whole.len() {
            assert!(read_answer(&whole[..length]).is_none(), "{length}");
        }
        assert!(read_answer(b"HTTP/1.1 200 OK\r\n\r\nabc").is_none());
    }
}
