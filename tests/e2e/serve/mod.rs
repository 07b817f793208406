//! The endpoint for containers and other hosts: what it gives to whom, what it refuses, when it ends; the az inside, and what starts
//! containers.

mod client;
#[cfg(target_os = "linux")]
mod containers;
mod ends;
#[cfg(target_os = "linux")]
mod podman;
mod protocols;
mod refusals;
mod ssh;

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::{Running, Sandbox};

/// The session whose tokens are given.
const SESSION: &str = "contoso-development";

/// Resource Manager, as the SDKs name it.
const ARM: &str = "https://management.azure.com/";

/// An endpoint under way.
struct Server<'a> {
    running: Running<'a>,
    variables: BTreeMap<String, String>,
}

/// Serves, with these options.
fn serve<'a>(sandbox: &'a Sandbox, options: &[&str]) -> Server<'a> {
    serve_session(sandbox, SESSION, options)
}

fn serve_session<'a>(sandbox: &'a Sandbox, session: &str, options: &[&str]) -> Server<'a> {
    let running = sandbox.azward(["serve", session, "--format", "json"]).args(options).start();
    running.wait_for("\n}\n");
    let variables = serde_json::from_str(&running.said()).unwrap();
    Server { running, variables }
}

impl Server<'_> {
    fn variable(&self, name: &str) -> &str {
        self.variables.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.variables.keys()))
    }

    fn secret(&self) -> &str {
        self.variable("IDENTITY_HEADER")
    }

    fn port(&self) -> u16 {
        let endpoint = self.variable("IDENTITY_ENDPOINT");
        let port = endpoint.strip_prefix("http://127.0.0.1:").and_then(|rest| rest.split('/').next());
        port.unwrap().parse().unwrap()
    }

    fn socket(&self) -> PathBuf {
        self.variable("AZWARD_ENDPOINT").strip_prefix("unix:").unwrap().into()
    }

    /// What App Service's protocol gives for a resource.
    fn token(&self, resource: &str) -> Response {
        let path = format!("/msi/token?api-version=2019-08-01&resource={resource}");
        self.get(&path, &[("X-IDENTITY-HEADER", self.secret())])
    }

    fn get(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        self.request("GET", path, headers, b"")
    }

    fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
        let stream = TcpStream::connect(("127.0.0.1", self.port())).unwrap();
        exchange(stream, method, path, headers, body).unwrap()
    }

    fn request_by_socket(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        let stream = UnixStream::connect(self.socket()).unwrap();
        exchange(stream, "GET", path, headers, b"").unwrap()
    }
}

/// What came back.
#[derive(Debug)]
struct Response {
    status: u16,
    body: String,
}

impl Response {
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The token, and nothing else will do.
    #[track_caller]
    fn granted(&self) -> String {
        assert_eq!(self.status, 200, "{self:?}");
        self.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// Refused so, in the words of OAuth, without a token.
    #[track_caller]
    fn refused(&self, status: u16, error: &str) {
        assert_eq!((self.status, self.json()["error"].as_str()), (status, Some(error)), "{self:?}");
        assert!(!self.body.contains("eyJ"), "{self:?}");
    }
}

fn exchange(
    mut stream: impl Read + Write,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Response> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    stream.write_all((head + "\r\n").as_bytes())?;
    stream.write_all(body)?;
    read_response(stream)
}

fn read_response(mut stream: impl Read) -> io::Result<Response> {
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    Ok(Response { status, body: body.to_owned() })
}
