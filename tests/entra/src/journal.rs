//! What was asked of the server, in order, without a secret in it.

use std::fmt;
use std::sync::Mutex;
use std::time::SystemTime;

use crate::locked;

/// One request and how it was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// When it arrived.
    pub time: SystemTime,
    /// GET, POST, …
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The tenant segment of a login path, as the client wrote it.
    pub tenant: Option<String>,
    /// The form field `grant_type`.
    pub grant_type: Option<String>,
    /// The form field `scope`.
    pub scope: Option<String>,
    /// The form field (or query parameter) `client_id`.
    pub client_id: Option<String>,
    /// Who it was about: a username, or the client id of a service principal.
    pub account: Option<String>,
    /// The status answered; `None` while the request is under way, and for one dropped without an answer.
    pub status: Option<u16>,
    /// The error code answered, such as `AADSTS700082` or `InvalidAuthenticationToken`.
    pub error: Option<String>,
    /// The [`fingerprint`](crate::fingerprint) of the refresh token presented.
    pub refresh_token: Option<String>,
    /// The number of the refresh token presented: 1 is the first one this server issued.
    pub presented_generation: Option<u64>,
    /// The number of the refresh token issued in answer.
    pub issued_generation: Option<u64>,
    /// The header X-AnchorMailbox.
    pub anchor_mailbox: Option<String>,
    /// The header User-Agent.
    pub user_agent: Option<String>,
    /// Whether the form carried `claims`.
    pub has_claims: bool,
    /// The names of the form fields, sorted.
    pub fields: Vec<String>,
}

impl Request {
    /// Tells whether this is a POST to a token endpoint.
    pub fn is_token_request(&self) -> bool {
        let is_instance = self.is_instance_request();
        let is_endpoint = self.path.ends_with("/oauth2/v2.0/token") || self.path.ends_with("/oauth2/token");
        self.method == "POST" && is_endpoint && !is_instance
    }

    /// Tells whether a managed identity's token was asked for.
    pub fn is_instance_request(&self) -> bool {
        ["/metadata/identity/oauth2/token", "/msi/token", "/arc/token"].contains(&self.path.as_str())
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = chrono::DateTime::<chrono::Local>::from(self.time).format("%H:%M:%S%.3f");
        let status = self.status.map_or_else(|| "---".to_owned(), |status| status.to_string());
        write!(f, "{time} {status} {} {}", self.method, self.path)?;
        let words =
            [("grant", &self.grant_type), ("scope", &self.scope), ("account", &self.account), ("error", &self.error)];
        for (name, value) in words {
            if let Some(value) = value {
                write!(f, " {name}={value:?}")?;
            }
        }
        if let Some(n) = self.presented_generation {
            write!(f, " presented=#{n}")?;
        }
        self.issued_generation.map_or(Ok(()), |n| write!(f, " issued=#{n}"))
    }
}

/// Called with every request once its answer is settled.
pub(crate) type Watch = Box<dyn Fn(&Request) + Send + Sync>;

/// The record of all requests since the start or the last clearing.
#[derive(Default)]
pub(crate) struct Journal {
    pages: Mutex<Pages>,
    watch: Option<Watch>,
}

#[derive(Default)]
struct Pages {
    next: u64,
    entries: Vec<(u64, Request)>,
}

impl Journal {
    pub(crate) fn new(watch: Option<Watch>) -> Self {
        Self { watch, ..Self::default() }
    }

    /// Writes a request down as it arrives, so that a test can see it while it is held up.
    pub(crate) fn open(&self, request: &Request) -> u64 {
        let mut pages = locked(&self.pages);
        let number = pages.next;
        pages.next += 1;
        pages.entries.push((number, request.clone()));
        number
    }

    /// Completes an entry; one cleared away in the meantime stays away.
    pub(crate) fn close(&self, number: u64, request: &Request) {
        if let Some(watch) = &self.watch {
            watch(request);
        }
        let mut pages = locked(&self.pages);
        if let Some((_, entry)) = pages.entries.iter_mut().find(|(n, _)| *n == number) {
            entry.clone_from(request);
        }
    }

    pub(crate) fn read(&self) -> Vec<Request> {
        locked(&self.pages).entries.iter().map(|(_, request)| request.clone()).collect()
    }

    pub(crate) fn clear(&self) {
        locked(&self.pages).entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &str) -> Request {
        Request {
            time: SystemTime::UNIX_EPOCH,
            method: "POST".to_owned(),
            path: path.to_owned(),
            tenant: None,
            grant_type: Some("refresh_token".to_owned()),
            scope: None,
            client_id: None,
            account: None,
            status: None,
            error: None,
            refresh_token: None,
            presented_generation: Some(3),
            issued_generation: None,
            anchor_mailbox: None,
            user_agent: None,
            has_claims: false,
            fields: Vec::new(),
        }
    }

    #[test]
    fn entries_open_close_and_stay_cleared() {
        let journal = Journal::default();
        let mut first = request("/common/oauth2/v2.0/token");
        let number = journal.open(&first);
        assert_eq!(journal.read()[0].status, None);
        first.status = Some(200);
        journal.close(number, &first);
        assert_eq!(journal.read(), [first.clone()]);
        assert!(first.is_token_request() && first.to_string().contains("200 POST /common"));
        journal.clear();
        journal.close(number, &first);
        assert!(journal.read().is_empty());
    }
}
