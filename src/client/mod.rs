//! The other end of `azward serve`: an az in a container, or on another host, that has no login and asks an endpoint what an az there
//! would say. It is told of by two variables, or by a file beside the socket. It asks once, prints what came back and ends as that
//! did; where nobody answers, that is a failure with a hint, and no other login is ever looked for.

mod connection;
pub mod relay;
mod stand_in;
mod stream;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

pub use connection::Answer;
pub use stand_in::stand_in;
pub(crate) use stream::Stream;

use crate::failure::{Failure, Kind, Result};

/// The variable that says where an endpoint is: `unix:` and a path, or `http://127.0.0.1:` and a port.
pub const ENDPOINT: &str = "AZWARD_ENDPOINT";

/// The variable with its secret; where it is not set, the file of this name beside the socket has it.
pub const SECRET: &str = "AZWARD_ENDPOINT_SECRET";
const SECRET_FILE: &str = "secret";

/// Where an az is asked.
pub const AZ_PATH: &str = "/az";

/// The header that tells how that ended.
pub const EXIT_CODE: &str = "Azward-Exit-Code";
/// The header that tells how much of the body is its output; the rest is what it said on stderr.
pub const OUTPUT_LENGTH: &str = "Azward-Output-Length";

/// The error of what an endpoint does not answer.
pub const NOT_SERVED: &str = "unsupported_command";

/// What an endpoint said.
pub enum Said {
    /// What an az there says.
    Az {
        /// How that ended.
        exit_code: u8,
        /// Its output.
        output: Zeroizing<Vec<u8>>,
        /// What it said on stderr.
        errors: Vec<u8>,
    },
    /// That it does not answer such a command.
    NotServed,
}

/// Where an endpoint is.
#[derive(Debug)]
pub struct Endpoint {
    pub(crate) place: Place,
    pub(crate) secret: Zeroizing<String>,
}

/// How it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// By a Unix socket.
    Socket(PathBuf),
    /// By a port of loopback.
    Port(u16),
}

impl Endpoint {
    /// The endpoint that the environment tells of, if it does.
    ///
    /// # Errors
    /// `Usage` where what it tells is not understood, or the secret is nowhere.
    pub fn told(place: &str, secret: Option<OsString>) -> Result<Self> {
        let place = read_place(place).ok_or_else(|| {
            let what = format!("`{ENDPOINT}` says neither `unix:` and a path nor `http://127.0.0.1:` and a port");
            Failure::new(Kind::Usage, what, "set it as `azward serve` printed it")
        })?;
        let of_variable = secret.and_then(|secret| secret.into_string().ok()).filter(|secret| !secret.is_empty());
        let secret = of_variable.map(Zeroizing::new).or_else(|| beside(&place)).ok_or_else(|| {
            let what = format!("there is no secret for the endpoint in `{ENDPOINT}`");
            Failure::new(
                Kind::Usage,
                what,
                format!("set `{SECRET}` as `azward serve` printed it, or mount its directory"),
            )
        })?;
        // It stands in a line of HTTP.
        if !secret.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            let what = format!("what `{SECRET}` has is no secret of an endpoint");
            return Err(Failure::new(Kind::Usage, what, "set it as `azward serve` printed it"));
        }
        Ok(Self { place, secret })
    }

    /// What an az there says to `arguments`.
    ///
    /// # Errors
    /// `Refused` where nobody answers, or it refuses.
    pub fn ask(&self, arguments: &[OsString]) -> Result<Said> {
        let mut body = Vec::new();
        for argument in arguments {
            body.extend_from_slice(argument.as_encoded_bytes());
            body.push(0);
        }
        let answer = connection::post(self, AZ_PATH, &body)?;
        if answer.status == 404 && answer.body.windows(NOT_SERVED.len()).any(|part| part == NOT_SERVED.as_bytes()) {
            return Ok(Said::NotServed);
        }
        if answer.status != 200 {
            return Err(answer.refusal());
        }
        let length = answer.header(OUTPUT_LENGTH).and_then(|length| length.parse::<usize>().ok());
        let exit_code = answer.header(EXIT_CODE).and_then(|code| code.parse::<i32>().ok());
        let (Some(length), Some(exit_code)) = (length.filter(|length| *length <= answer.body.len()), exit_code) else {
            let what = "what the endpoint answered is not understood";
            return Err(Failure::new(
                Kind::Refused,
                what,
                "the azward there is another version: bring both up to date",
            ));
        };
        let (output, errors) = answer.body.split_at(length);
        let exit_code = u8::try_from(exit_code).unwrap_or(1);
        Ok(Said::Az { exit_code, output: Zeroizing::new(output.to_vec()), errors: errors.to_vec() })
    }
}

fn read_place(told: &str) -> Option<Place> {
    if let Some(path) = told.strip_prefix("unix:") {
        return (!path.is_empty()).then(|| Place::Socket(path.into()));
    }
    // It goes nowhere else: the secret is sent there, and tokens come back in the clear.
    let port = told.strip_prefix("http://127.0.0.1:")?.trim_end_matches('/');
    port.parse().ok().filter(|port| *port != 0).map(Place::Port)
}

/// The secret that lies beside a socket.
fn beside(place: &Place) -> Option<Zeroizing<String>> {
    let Place::Socket(path) = place else { return None };
    let text = std::fs::read_to_string(path.parent().unwrap_or(Path::new("/")).join(SECRET_FILE)).ok()?;
    Some(Zeroizing::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_on_this_machine_or_none() {
        assert_eq!(read_place("unix:/run/azward/socket"), Some(Place::Socket("/run/azward/socket".into())));
        assert_eq!(read_place("http://127.0.0.1:80"), Some(Place::Port(80)));
        assert_eq!(read_place("http://127.0.0.1:8080/"), Some(Place::Port(8080)));
        for told in ["", "unix:", "http://127.0.0.1:0", "http://127.0.0.1:1@evil", "http://10.0.0.1:80", "https://x"] {
            assert_eq!(read_place(told), None, "{told}");
        }
    }

    #[test]
    fn a_secret_that_would_make_lines_of_its_own_is_none() {
        for secret in ["a\r\nX: y", "a b", ""] {
            assert!(Endpoint::told("http://127.0.0.1:80", Some(secret.into())).is_err(), "{secret:?}");
        }
        assert!(Endpoint::told("http://127.0.0.1:80", Some("0af1".into())).is_ok());
    }
}
