//! A stand-in Entra ID, Resource Manager and Graph, over TLS on loopback, and a machine's own endpoints beside it.
//!
//! The real `az`, azward and any HTTPS client can log in against it, refresh tokens, list subscriptions and read
//! Graph, without a network. Tests turn its [`Knobs`] while it runs, and read in its journal what was asked of it.
//!
//! ```no_run
//! use entra::{Entra, Fault, Options, Refusal};
//!
//! let entra = Entra::start(Options::new("/tmp/ca.pem"))?;
//! entra.write_az_config("/tmp/azure".as_ref(), entra::CLOUD_NAME)?;
//! // … run az with entra.az_environment("/tmp/azure".as_ref()) …
//! entra.knobs(|knobs| knobs.faults.push(Fault::refuse(Refusal::Expired)));
//! assert_eq!(entra.token_requests(), 0);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Every request goes to a thread of its own connection; what they share is in `server::Shared`, behind mutexes that
//! are never held across a wait.
#![forbid(unsafe_code)]

mod applications;
mod arc;
mod az_config;
mod directory;
mod graph;
mod http;
mod instance;
mod issued;
mod journal;
mod knobs;
mod proxy;
mod random;
mod refusals;
mod resource_manager;
mod resources;
mod scopes;
mod server;
mod sign_in;
mod tls;
mod token_endpoint;
mod tokens;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest as _, Sha256};

pub use applications::CLIENT_ASSERTION_CANARY;
pub use arc::{ARC_KEY_CANARY, ARC_KEYS, ArcKey};
pub use az_config::CLOUD_NAME;
pub use directory::{
    AZURE_CLI_CLIENT_ID, GUEST_PRINCIPAL, RESOURCE_GROUPS, SERVICE_PRINCIPAL, SUBSCRIPTION_1, SUBSCRIPTION_2,
    SUBSCRIPTION_3, SUBSCRIPTION_OF_GUEST, SUBSCRIPTION_OF_MACHINE, SUBSCRIPTION_OF_PRINCIPAL, SUBSCRIPTIONS,
    ServicePrincipal, Subscription, TENANT_A, TENANT_B, TENANTS, Tenant, User,
};
pub use instance::{Instance, SYSTEM_IDENTITY, USER_IDENTITY, USER_IDENTITY_RESOURCE};
pub use journal::Request;
pub use knobs::{Fault, Knobs, Refusal, Rolling, Sight, Trouble};
pub use tokens::{
    ACCESS_TOKEN_CANARY, CLIENT_SECRET_CANARY, ID_TOKEN_CANARY, IDENTITY_TOKEN_CANARY, PASSWORD_CANARY,
    REFRESH_TOKEN_CANARY,
};

use issued::{Ledger, State};
use journal::{Journal, Watch};
use server::{Running, Shared};

/// How to start a server.
pub struct Options {
    ca_file: PathBuf,
    port: u16,
    knobs: Knobs,
    watch: Option<Watch>,
}

impl Options {
    /// Any free port, default knobs; the certificate authority goes to `ca_file`.
    pub fn new(ca_file: impl Into<PathBuf>) -> Self {
        Self { ca_file: ca_file.into(), port: 0, knobs: Knobs::default(), watch: None }
    }

    /// Sets the port.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Sets the knobs to start with.
    pub fn knobs(mut self, knobs: Knobs) -> Self {
        self.knobs = knobs;
        self
    }

    /// Has every request shown to `watch` as soon as its answer is settled.
    pub fn watch(mut self, watch: impl Fn(&Request) + Send + Sync + 'static) -> Self {
        self.watch = Some(Box::new(watch));
        self
    }
}

/// A running server; it stops when dropped.
pub struct Entra {
    // Stops the threads before the rest goes.
    _running: Running,
    shared: Arc<Shared>,
    ca_file: PathBuf,
    ca_pem: String,
    port: u16,
}

impl Entra {
    /// Starts a server and writes its certificate authority to the file the options name.
    pub fn start(options: Options) -> io::Result<Self> {
        let identity = tls::Identity::generate()?;
        fs::write(&options.ca_file, &identity.ca_pem)?;
        let (listeners, port) = server::bind(options.port)?;
        let shared = Arc::new(Shared {
            origin: format!("https://localhost:{port}"),
            knobs: Mutex::new(options.knobs),
            ledger: Mutex::new(Ledger::default()),
            journal: Journal::new(options.watch),
            applications: Mutex::default(),
            secrets: directory::Secrets::draw(),
            resources: Mutex::default(),
        });
        let running = Running::start(listeners, &identity.config, &shared)?;
        Ok(Self { _running: running, shared, ca_file: options.ca_file, ca_pem: identity.ca_pem, port })
    }

    /// Returns the origin of all three services: `https://localhost:PORT`.
    pub fn origin(&self) -> &str {
        &self.shared.origin
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the certificate authority that clients must trust, as PEM.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Returns the file the certificate authority was written to.
    pub fn ca_file(&self) -> &Path {
        &self.ca_file
    }

    /// Turns the knobs; the next request sees the change.
    pub fn knobs<T>(&self, turn: impl FnOnce(&mut Knobs) -> T) -> T {
        turn(&mut locked(&self.shared.knobs))
    }

    /// Returns all requests since the start or the last clearing, in order of arrival.
    pub fn journal(&self) -> Vec<Request> {
        self.shared.journal.read()
    }

    /// Forgets all requests so far.
    pub fn clear_journal(&self) {
        self.shared.journal.clear();
    }

    /// Counts the requests to token endpoints in the journal.
    pub fn token_requests(&self) -> usize {
        self.journal().iter().filter(|request| request.is_token_request()).count()
    }

    /// Counts the refresh token grants in the journal.
    pub fn refreshes(&self) -> usize {
        self.journal().iter().filter(|request| request.grant_type.as_deref() == Some("refresh_token")).count()
    }

    /// Tells whether a refresh token was issued here and is neither spent nor revoked.
    pub fn is_refresh_token_good(&self, token: &str) -> bool {
        locked(&self.shared.ledger).refresh(token).is_some_and(|refresh| refresh.state == State::Good)
    }

    /// Returns every refresh token issued so far; the first has generation 1.
    pub fn refresh_tokens_issued(&self) -> Vec<String> {
        locked(&self.shared.ledger).refresh_tokens().to_vec()
    }

    /// Returns every access token issued so far.
    pub fn access_tokens_issued(&self) -> Vec<String> {
        locked(&self.shared.ledger).access_tokens().to_vec()
    }

    /// Revokes all refresh tokens of a user, as a new password does (AADSTS50173).
    pub fn revoke(&self, user: User) {
        locked(&self.shared.ledger).revoke(user);
    }

    /// Returns the secret of [`SERVICE_PRINCIPAL`] on this server.
    pub fn client_secret(&self) -> &str {
        &self.shared.secrets.client_secret
    }

    /// Gives an application another secret beside the one that it has, and returns that.
    pub fn add_client_secret(&self, application: &'static ServicePrincipal) -> String {
        let secret = format!("{CLIENT_SECRET_CANARY}8Q~{}", random::text(32));
        locked(&self.shared.applications).add_secret(application, &secret);
        secret
    }

    /// Takes back a secret that was given so.
    pub fn revoke_client_secret(&self, secret: &str) {
        locked(&self.shared.applications).revoke_secret(secret);
    }

    /// Registers the first certificate of a PEM file with an application.
    pub fn register_certificate(&self, application: &'static ServicePrincipal, pem: &str) {
        locked(&self.shared.applications).register(application, pem);
    }

    /// Returns a token of an identity provider that stands for an application, good for so many seconds.
    pub fn federated_token(&self, application: &'static ServicePrincipal, lifetime: u64) -> String {
        locked(&self.shared.applications).federate(application, lifetime)
    }

    /// Returns the resources that were put into resource groups and not deleted since, in the order of their ids.
    pub fn resources(&self) -> Vec<serde_json::Value> {
        locked(&self.shared.resources).values().cloned().collect()
    }

    /// Returns the password of a user on this server.
    pub fn password(&self, user: User) -> &str {
        self.shared.secrets.password(user)
    }

    /// Returns the environment variables with which a real `az` talks to this server.
    pub fn az_environment(&self, config_dir: &Path) -> Vec<(String, String)> {
        az_config::environment(config_dir, &self.ca_file)
    }

    /// Starts a proxy through which this server is also where an older `az` asks which authorities there are, and returns its
    /// address, for `HTTPS_PROXY`.
    pub fn start_proxy(&self) -> io::Result<String> {
        proxy::start(self.port)
    }

    /// Starts the endpoints of a machine that has managed identities, and says how az finds them.
    pub fn start_instance(&self) -> io::Result<Instance> {
        instance::start(&self.shared)
    }

    /// Returns the arguments with which `az` registers this server as a cloud; `az cloud set` comes after.
    pub fn cloud_register_args(&self, name: &str) -> Vec<String> {
        az_config::cloud_register_args(name, self.origin())
    }

    /// Writes `clouds.config` and `config` as `az cloud register` and `az cloud set` would.
    pub fn write_az_config(&self, config_dir: &Path, name: &str) -> io::Result<()> {
        az_config::write(config_dir, name, self.origin())
    }
}

/// Returns a short fingerprint by which the journal names a refresh token.
pub fn fingerprint(token: &str) -> String {
    Sha256::digest(token).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Locks a mutex; a panic elsewhere does not spread.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
