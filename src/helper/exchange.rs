//! One HTTP request and what comes of it, as data: what is asked of whom, in which way, and for how long. Nothing in it is looked up
//! anywhere else. What fails is a [`Fault`], in words of our own: what an endpoint or a proxy says is never told.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::transit::InTransit;
use crate::secret::Secret;

/// What is done with the resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Method {
    Get,
    Post,
}

/// A request.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Exchange {
    pub(super) method: Method,
    pub(super) url: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: Vec<(String, InTransit)>,
    pub(super) body: InTransit,
    /// The file of the certificates that are trusted, for HTTPS and nothing else; without it, for plain HTTP.
    pub(super) trusted: Option<PathBuf>,
    /// An HTTP proxy's host and port.
    pub(super) proxy: Option<(String, u16)>,
    pub(super) deadline: Duration,
    /// The largest answer that is read, in bytes.
    pub(super) bound: u64,
}

impl Exchange {
    /// A request for `url`, plain and direct, which takes no longer than `deadline` and whose answer is no larger than `bound` bytes.
    pub(crate) fn new(method: Method, url: String, deadline: Duration, bound: u64) -> Self {
        let body = InTransit(Secret::new(Vec::new()));
        let (query, headers) = (Vec::new(), Vec::new());
        Self { method, url, query, headers, body, trusted: None, proxy: None, deadline, bound }
    }

    /// With this behind its URL, too.
    pub(crate) fn query(mut self, name: &str, value: &str) -> Self {
        self.query.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With this header.
    pub(crate) fn header(mut self, name: &str, value: Secret) -> Self {
        self.headers.push((name.to_owned(), InTransit(value)));
        self
    }

    /// With this body.
    pub(crate) fn body(mut self, body: Secret) -> Self {
        self.body = InTransit(body);
        self
    }

    /// Over HTTPS, with the certificates in this file trusted, and through this proxy.
    pub(crate) fn securely(mut self, trusted: PathBuf, proxy: Option<(String, u16)>) -> Self {
        (self.trusted, self.proxy) = (Some(trusted), proxy);
        self
    }
}

/// An answer.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: InTransit,
}

impl Reply {
    /// The headers of this name, which is in lower case.
    pub(crate) fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// For how many seconds nobody is to ask again, if it says so.
    pub(crate) fn retry_after(&self) -> Option<i64> {
        self.headers("retry-after").next().and_then(|text| text.trim().parse().ok())
    }

    /// One with these headers and nothing else.
    #[cfg(test)]
    pub(crate) fn with_headers<const N: usize>(headers: [(&str, &str); N]) -> Self {
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Self { status: 401, headers, body: InTransit(Secret::new(Vec::new())) }
    }

    /// What it says.
    pub(crate) fn into_body(self) -> Secret {
        self.body.0
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Fault {
    /// The endpoint could not be reached.
    Unreachable(String),
    /// It did not answer in time.
    Silent,
    /// The real az has to ask: it can do what this client cannot do as az does it.
    LeftToAz(String),
}

impl Fault {
    pub(super) fn left_to_az(what: &str) -> Self {
        Self::LeftToAz(what.to_owned())
    }
}
