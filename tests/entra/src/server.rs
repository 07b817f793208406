//! The server: listens on loopback, one thread per connection, and routes requests to the three services.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{TimeDelta, Utc};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::json;

use crate::applications::Applications;
use crate::directory::Secrets;
use crate::http::{Connection, Request, Response, Sent, Then, Unreadable};
use crate::issued::Ledger;
use crate::journal::{self, Journal};
use crate::knobs::Knobs;
use crate::refusals::OauthError;
use crate::resources::Resources;
use crate::{fingerprint, graph, locked, resource_manager, sign_in, token_endpoint};

/// An idle connection is given up after this long, as Azure's front ends do.
const IDLE: Duration = Duration::from_secs(120);

/// What all connections work on.
pub(crate) struct Shared {
    /// `https://localhost:PORT`
    pub(crate) origin: String,
    pub(crate) knobs: Mutex<Knobs>,
    pub(crate) ledger: Mutex<Ledger>,
    pub(crate) journal: Journal,
    pub(crate) applications: Mutex<Applications>,
    pub(crate) secrets: Secrets,
    pub(crate) resources: Mutex<Resources>,
}

/// One request being answered, and what the journal will say of it.
pub(crate) struct Call<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) request: &'a Request,
    pub(crate) note: journal::Request,
    form: Vec<(String, String)>,
}

impl<'a> Call<'a> {
    pub(crate) fn new(shared: &'a Shared, request: &'a Request) -> Self {
        let form = request.form();
        let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let token = field("refresh_token");
        let mut fields: Vec<_> = form.iter().map(|(key, _)| key.clone()).collect();
        fields.sort_unstable();
        let segments: Vec<_> = request.path.split('/').skip(1).collect();
        let is_login = segments.len() > 1 && (segments[1] == "oauth2" || segments[1] == "v2.0");
        let note = journal::Request {
            time: SystemTime::now(),
            method: request.method.clone(),
            path: request.path.clone(),
            tenant: is_login.then(|| segments[0].to_owned()),
            grant_type: field("grant_type"),
            scope: field("scope").filter(|scope| scope != "openid").or_else(|| field("resource")),
            client_id: field("client_id").or_else(|| request.query("client_id").map(str::to_owned)),
            account: field("username"),
            status: None,
            error: None,
            refresh_token: token.as_deref().map(fingerprint),
            presented_generation: token.and_then(|token| locked(&shared.ledger).refresh(&token)).map(|r| r.generation),
            issued_generation: None,
            anchor_mailbox: request.header("x-anchormailbox").map(str::to_owned),
            user_agent: request.header("user-agent").map(str::to_owned),
            has_claims: field("claims").is_some(),
            fields,
        };
        Self { shared, request, note, form }
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether it is to the first endpoint of Entra ID, which has resources and no scopes: ADAL's.
    pub(crate) fn is_by_resource(&self) -> bool {
        let path = self.request.path.to_ascii_lowercase();
        !path.starts_with("/adfs/") && (path.ends_with("/oauth2/token") || path.ends_with("/oauth2/devicecode"))
    }

    /// What is asked for: its scopes, or those that its resource comes to.
    pub(crate) fn scope(&self) -> Option<String> {
        match self.is_by_resource() {
            true => self.field("resource").map(|resource| format!("{resource}/.default openid offline_access")),
            false => self.field("scope").map(str::to_owned),
        }
    }

    /// The client's id and secret, from the form or from HTTP Basic.
    pub(crate) fn client_credentials(&self) -> (String, String) {
        if let Some(id) = self.field("client_id") {
            return (id.to_owned(), self.field("client_secret").unwrap_or_default().to_owned());
        }
        let basic = self.request.header("authorization").and_then(|value| value.strip_prefix("Basic "));
        let pair = basic.and_then(|text| STANDARD.decode(text).ok()).and_then(|bytes| String::from_utf8(bytes).ok());
        let pair = pair.unwrap_or_default();
        let (id, secret) = pair.split_once(':').unwrap_or_default();
        (id.to_owned(), secret.to_owned())
    }

    /// Words an OAuth error and notes its code.
    pub(crate) fn refuse(&mut self, error: &OauthError) -> Response {
        self.note.error = Some(error.code());
        error.response(&self.shared.origin, self.request.header("client-request-id"))
    }

    /// Answers as ARM and Graph word errors, and notes the code.
    pub(crate) fn fail(&mut self, status: u16, code: &str, message: &str) -> Response {
        self.note.error = Some(code.to_owned());
        Response::json(status, &json!({"error": {"code": code, "message": message}}))
    }

    fn answer(&mut self) -> Option<Response> {
        let path = self.request.path.to_ascii_lowercase();
        let segments: Vec<_> = path.split('/').skip(1).collect();
        Some(match (self.request.method.as_str(), segments.as_slice()) {
            ("POST", [tenant, "oauth2", "v2.0", "token"]) if *tenant != "adfs" => {
                return token_endpoint::answer(self, tenant);
            }
            // AD FS has its endpoint there, Entra ID its first one.
            ("POST", [tenant, "oauth2", "token"]) => return token_endpoint::answer(self, tenant),
            (_, ["tenants" | "subscriptions" | "metadata", ..]) => resource_manager::answer(self, &segments),
            (_, ["v1.0" | "beta", ..]) => graph::answer(self, &segments[1..]),
            _ => sign_in::answer(self, &segments),
        })
    }
}

/// The time as HTTP has it, by a clock that is so many seconds ahead.
fn date(ahead: i64) -> String {
    let time = Utc::now() + TimeDelta::seconds(ahead);
    time.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Binds the same port on IPv4 and, where there is one, IPv6 loopback; 0 lets the system choose.
pub(crate) fn bind(port: u16) -> io::Result<(Vec<TcpListener>, u16)> {
    let mut attempts = 0;
    loop {
        let four = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let chosen = four.local_addr()?.port();
        match TcpListener::bind((Ipv6Addr::LOCALHOST, chosen)) {
            Ok(six) => return Ok((vec![four, six], chosen)),
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => return Ok((vec![four], chosen)),
            Err(error) if port != 0 || attempts == 20 => return Err(error),
            Err(_) => attempts += 1,
        }
    }
}

/// The threads that accept connections, and the connections that are open.
pub(crate) struct Running {
    stop: Arc<AtomicBool>,
    open: Arc<Mutex<HashMap<u64, TcpStream>>>,
    acceptors: Vec<(SocketAddr, JoinHandle<()>)>,
}

impl Running {
    pub(crate) fn start(
        listeners: Vec<TcpListener>,
        tls: &Arc<ServerConfig>,
        shared: &Arc<Shared>,
    ) -> io::Result<Self> {
        let mut running = Self { stop: Arc::default(), open: Arc::default(), acceptors: Vec::new() };
        let next = Arc::new(AtomicU64::new(0));
        for listener in listeners {
            let address = listener.local_addr()?;
            let (stop, open) = (Arc::clone(&running.stop), Arc::clone(&running.open));
            let (tls, shared, next) = (Arc::clone(tls), Arc::clone(shared), Arc::clone(&next));
            let acceptor = thread::spawn(move || {
                for stream in listener.incoming() {
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(stream) = stream.ok().and_then(|stream| Some((stream.try_clone().ok()?, stream))) else {
                        thread::sleep(Duration::from_millis(5));
                        continue;
                    };
                    locked(&open).insert(number, stream.0);
                    let (open, tls, shared) = (Arc::clone(&open), Arc::clone(&tls), Arc::clone(&shared));
                    thread::spawn(move || {
                        // A client that goes away, or does not trust the certificate, is its own affair.
                        let _ = serve(stream.1, tls, &shared);
                        if let Some(stream) = locked(&open).remove(&number) {
                            let _ = stream.shutdown(Shutdown::Both);
                        }
                    });
                }
            });
            running.acceptors.push((address, acceptor));
        }
        Ok(running)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        for (address, acceptor) in self.acceptors.drain(..) {
            let _ = TcpStream::connect(address);
            let _ = acceptor.join();
        }
        for stream in locked(&self.open).values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn serve(stream: TcpStream, tls: Arc<ServerConfig>, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(IDLE))?;
    let session = ServerConnection::new(tls).map_err(io::Error::other)?;
    let mut connection = Connection::new(StreamOwned::new(session, stream));
    loop {
        let request = match connection.receive() {
            Ok(request) => request,
            Err(Unreadable::Gone) => return Ok(()),
            Err(Unreadable::Bad(status)) => {
                let response = Response::text(status, "text/plain", "unreadable request\n");
                return connection.send(&response, Sent::Whole, Then::Close);
            }
        };
        let mut call = Call::new(shared, &request);
        let number = shared.journal.open(&call.note);
        let answer = call.answer();
        call.note.status = answer.as_ref().map(|response| response.status);
        shared.journal.close(number, &call.note);
        let Some(response) = answer else { return Ok(()) };
        let response = response.with("Date", date(locked(&shared.knobs).date_ahead));
        let part = if request.method == "HEAD" { Sent::Head } else { Sent::Whole };
        connection.send(&response, part, request.then)?;
        if request.then == Then::Close {
            return Ok(());
        }
    }
}
