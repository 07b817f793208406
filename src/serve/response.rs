//! What is answered: one response, after which the connection ends. Whatever else was sent is read for a moment first, so that who still
//! sends hears the answer and no reset; a token in it is wiped.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use serde_json::json;
use zeroize::Zeroizing;

use crate::client::Stream;

/// How long a write may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long what else was sent is read, and how much of it.
const LINGER: Duration = Duration::from_secs(1);
const MOST: usize = 32 * 1024 * 1024;

/// A response.
pub(super) struct Response {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Zeroizing<Vec<u8>>,
}

impl Response {
    /// One with a body of JSON.
    pub(super) fn json(status: u16, body: Zeroizing<Vec<u8>>) -> Self {
        Self { status, headers: vec![("Content-Type", "application/json; charset=utf-8".to_owned())], body }
    }

    /// One with a body that is nothing but bytes.
    pub(super) fn bytes(body: Zeroizing<Vec<u8>>) -> Self {
        Self { status: 200, headers: vec![("Content-Type", "application/octet-stream".to_owned())], body }
    }

    /// One that says why there is nothing, in the words of OAuth 2.0: `error` is its code.
    pub(super) fn error(status: u16, error: &str, description: &str) -> Self {
        let body = json!({ "error": error, "error_description": description });
        Self::json(status, Zeroizing::new(body.to_string().into_bytes()))
    }

    /// The same refusal with its status and its words under App Service's names, too.
    pub(super) fn with_message(mut self) -> Self {
        if let Ok(mut told) = serde_json::from_slice::<serde_json::Value>(&self.body) {
            told["statusCode"] = self.status.into();
            told["message"] = told["error_description"].clone();
            self.body = Zeroizing::new(told.to_string().into_bytes());
        }
        self
    }

    /// The same with a header.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Its status.
    pub(super) fn status(&self) -> u16 {
        self.status
    }

    /// Sends it, and ends the connection. Who hung up meanwhile hears nothing, and that is all.
    pub(super) fn send(self, stream: &mut Stream) {
        let reason = match self.status {
            200 => "OK",
            400 => "Bad Request",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            408 => "Request Timeout",
            413 => "Content Too Large",
            _ => "Service Unavailable",
        };
        let mut head = format!("HTTP/1.1 {} {reason}\r\n", self.status);
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let _ =
            write!(head, "Content-Length: {}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n", self.body.len());
        let sent = stream
            .set_patience(PATIENCE)
            .and_then(|()| stream.write_all(head.as_bytes()))
            .and_then(|()| stream.write_all(&self.body));
        stream.shut(Shutdown::Write);
        if sent.is_ok() {
            linger(stream);
        }
    }
}

/// Reads what is left, so that it is not what the other side hears of.
fn linger(stream: &mut Stream) {
    let end = Instant::now() + LINGER;
    let (mut buffer, mut read) = (Zeroizing::new([0; 4096]), 0);
    while read < MOST {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() || stream.set_patience(left).is_err() {
            return;
        }
        match stream.read(&mut buffer[..]) {
            Ok(0) | Err(_) => return,
            Ok(more) => read += more,
        }
    }
}
