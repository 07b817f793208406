//! One request for an access token, whatever is redeemed for it: a source builds its fields (`tokens::source`), and the
//! client sends it. The body holds a secret, so it is built in a buffer of its final size that is zeroed on drop.

use std::borrow::Cow;

use zeroize::Zeroizing;

use crate::secret::Secret;
use crate::tokens::TokenKey;

/// What tells Entra that the caller understands claims challenges; the answer is then a CAE token.
pub(in crate::tokens) const CP1: &str = r#"{"access_token": {"xms_cc": {"values": ["CP1"]}}}"#;

/// What a client declares of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// It understands claims challenges, as az does since 2.41.
    Cp1,
    /// It does not: an older az, or `AZURE_IDENTITY_DISABLE_CP1` is set.
    None,
}

/// One request for an access token.
#[derive(Debug)]
pub struct GrantRequest<'a> {
    /// What is asked for.
    pub wanted: &'a TokenKey,
    /// The host that issued what is redeemed, as that one's own entry names it: it goes nowhere else.
    pub environment: &'a str,
    /// Whose it is: `{oid}.{tid}`; nothing for an application.
    pub home_account_id: &'a str,
    /// The body's fields, in their order.
    pub form: Vec<(&'static str, Field<'a>)>,
}

/// The value of a field of a request.
#[derive(Debug)]
pub enum Field<'a> {
    /// Everybody may know it.
    Text(Cow<'a, str>),
    /// It is what is redeemed, or proves who does.
    Secret(&'a Secret),
}

impl GrantRequest<'_> {
    /// Where it goes.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}/{}/oauth2/v2.0/token", self.wanted.authority, self.wanted.tenant)
    }

    /// The header by which Entra routes it to the account's region; none for an application, which has no account.
    #[must_use]
    pub fn anchor_mailbox(&self) -> Option<String> {
        let id = Some(self.home_account_id).filter(|id| !id.is_empty())?;
        Some(format!("Oid:{}", id.replace('.', "@")))
    }

    /// The body, form-encoded.
    #[must_use]
    pub fn body(&self) -> Zeroizing<Vec<u8>> {
        let size = self.form.iter().map(|(name, value)| name.len() + 3 * value.bytes().len() + 2).sum();
        let mut body = Zeroizing::new(Vec::with_capacity(size));
        for (place, (name, value)) in self.form.iter().enumerate() {
            if place > 0 {
                body.push(b'&');
            }
            body.extend_from_slice(name.as_bytes());
            body.push(b'=');
            encode(value.bytes(), &mut body);
        }
        body
    }

    /// Whether an answer has one of its secrets in it.
    pub(super) fn is_echoed_in(&self, answer: &Secret) -> bool {
        self.secrets().any(|secret| memchr::memmem::find(answer.expose(), secret.expose()).is_some())
    }

    /// The secrets in it.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.form.iter().filter_map(|(_, value)| match value {
            Field::Secret(secret) => Some(*secret),
            Field::Text(_) => None,
        })
    }
}

impl Field<'_> {
    /// The value itself.
    pub(in crate::tokens) fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Secret(secret) => secret.expose(),
        }
    }
}

impl<'a, T: Into<Cow<'a, str>>> From<T> for Field<'a> {
    fn from(text: T) -> Self {
        Self::Text(text.into())
    }
}

/// `application/x-www-form-urlencoded`, as Python's `urllib.parse.quote_plus` does it.
fn encode(value: &[u8], body: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in value {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'-' | b'~' => body.push(byte),
            b' ' => body.push(b'+'),
            _ => body.extend([b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]),
        }
    }
}
