//! One credential as the vault keeps it: of which kind it is, whose, the whole entry as az wrote it, and what is known of
//! those that came before it.

pub use crate::azure::Owner;
use crate::secret::Secret;

/// What a credential is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialKind {
    /// A refresh token of MSAL's token cache.
    RefreshToken,
    /// A service principal's secret.
    ClientSecret,
    /// A signed assertion that stands for a service principal's secret.
    ClientAssertion,
    /// The PEM file of a service principal's certificate.
    ClientCertificate,
    /// The file in which an az before 2.30 kept its tokens, whole.
    AdalTokens,
    /// A refresh token of such a file, where such an az uses it.
    AdalRefreshToken,
    /// A service principal's secret of such a file.
    AdalClientSecret,
}

impl CredentialKind {
    const ALL: [Self; 7] = [
        Self::RefreshToken,
        Self::ClientSecret,
        Self::ClientAssertion,
        Self::ClientCertificate,
        Self::AdalTokens,
        Self::AdalRefreshToken,
        Self::AdalClientSecret,
    ];

    /// Its name in a vault, which never changes.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::RefreshToken => "refresh_token",
            Self::ClientSecret => "client_secret",
            Self::ClientAssertion => "client_assertion",
            Self::ClientCertificate => "client_certificate",
            Self::AdalTokens => "adal_tokens",
            Self::AdalRefreshToken => "adal_refresh_token",
            Self::AdalClientSecret => "adal_client_secret",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A credential, and what is known of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Record {
    /// What it is.
    pub kind: CredentialKind,
    /// What tells it from others of its kind, as raw JSON text with its quotes: of a refresh token its entry's key in its
    /// section, of a service principal its client id and tenant, of an entry of ADAL's a list of all that tells it from others.
    pub id: String,
    /// Whose it is.
    pub owner: Owner,
    /// The whole entry, as its file has it; of a certificate with its PEM file.
    pub entry: Secret,
    /// Fingerprints of the secret values that this one replaced, newest last.
    pub predecessors: Vec<String>,
    /// When it was stored, in seconds since the epoch.
    pub stored_at: i64,
    /// What stored it: a command's group, "rotation".
    pub stored_by: String,
    /// When an az stored it, or the one that it was redeemed from, in seconds since the epoch.
    pub brought_at: i64,
    /// Other entries with the same id of which nobody knows whether they are older, the likeliest first. They are kept
    /// until the endpoint has accepted one of them all.
    pub rivals: Vec<Rival>,
}

/// An entry with a secret that may be older or newer than the one it is kept beside.
#[derive(Debug, PartialEq, Eq)]
pub struct Rival {
    /// The whole entry, as its file had it.
    pub entry: Secret,
    /// When it was stored, in seconds since the epoch.
    pub stored_at: i64,
    /// What stored it.
    pub stored_by: String,
}

impl Record {
    /// Whether it is the credential of this kind and id.
    #[must_use]
    pub fn is(&self, kind: CredentialKind, id: &str) -> bool {
        self.kind == kind && self.id == id
    }

    /// Its own entry, then its rivals'.
    pub fn entries(&self) -> impl Iterator<Item = &Secret> {
        std::iter::once(&self.entry).chain(self.rivals.iter().map(|rival| &rival.entry))
    }
}
