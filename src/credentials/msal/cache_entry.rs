//! One entry of the token cache: its key and value as the bytes that stand in the file, and the few fields that azward
//! reads or sets. Every other field stays as it is. An entry that lacks what every one has is [`Kind::CacheForeign`].
//!
//! [`Kind::CacheForeign`]: crate::failure::Kind::CacheForeign

use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::azure::Owner;
use crate::credentials::document::Entry;
use crate::credentials::msal::sections::{Members, foreign, joined, place_of};
use crate::failure::Result;

/// The fields of a refresh token entry that azward looks at.
#[derive(Deserialize)]
pub struct RefreshTokenFields<'a> {
    /// The token itself, raw, with its quotes: borrowed from the file's text, never copied.
    #[serde(borrow)]
    pub secret: &'a RawValue,
    /// The account that it belongs to.
    #[serde(flatten)]
    pub account: Owner,
    /// The client that got it.
    #[serde(default)]
    pub client_id: Option<String>,
    /// The family of clients that may redeem it.
    #[serde(default)]
    pub family_id: Option<String>,
    /// When it changed last, in seconds since the epoch, as text.
    #[serde(default)]
    pub last_modification_time: Option<String>,
}

impl fmt::Debug for RefreshTokenFields<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RefreshTokenFields")
            .field("account", &self.account)
            .field("client_id", &self.client_id)
            .field("family_id", &self.family_id)
            .finish_non_exhaustive()
    }
}

/// The fields of an account entry that azward looks at.
#[derive(Debug, Deserialize)]
#[serde(from = "AccountInFile")]
pub struct AccountFields {
    /// Which account it is.
    pub id: Owner,
    /// The user's name.
    pub username: String,
    /// By what it was signed in (msal 1.39.0, `token_cache.py`, `TokenCache.__add`).
    account_source: Option<String>,
}

/// The same as they stand in the file, side by side: to have serde tell those of the account from the others takes several times
/// as long as to read them, and whoever lists sessions reads hundreds.
#[derive(Deserialize)]
struct AccountInFile {
    home_account_id: String,
    environment: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    account_source: Option<String>,
}

impl From<AccountInFile> for AccountFields {
    fn from(AccountInFile { home_account_id, environment, username, account_source }: AccountInFile) -> Self {
        Self { id: Owner { home_account_id, environment }, username, account_source }
    }
}

impl AccountFields {
    /// Whether a broker (WAM, Company Portal) signed it in, and has its refresh token.
    #[must_use]
    pub fn is_brokered(&self) -> bool {
        self.account_source.as_deref() == Some("broker")
    }
}

impl<'a> Entry<'a> {
    /// The entry's value with some fields set, raw; the others stay byte for byte. A field that is absent is added at the
    /// end.
    ///
    /// # Errors
    /// `CacheForeign` when the value is not an object.
    pub fn with_fields(&self, fields: &[(&str, &str)]) -> Result<Zeroizing<String>> {
        let mut text = Zeroizing::new(self.value.to_owned());
        for (name, value) in fields {
            let members: Members<'_> = serde_json::from_str(&text).map_err(|error| foreign(&error))?;
            let parts = match members.named(name).next().map(|raw| place_of(raw, &text)) {
                Some((start, end)) => vec![&text[..start], value, &text[end..]],
                None => {
                    let end = text.rfind('}').unwrap_or(text.len());
                    let comma = if members.0.is_empty() { "" } else { "," };
                    let (before, after) = text.split_at(end);
                    vec![before.trim_end(), comma, "\n            \"", name, "\": ", value, "\n        ", after]
                }
            };
            text = joined(&parts);
        }
        Ok(text)
    }

    /// Reads a refresh token entry.
    ///
    /// # Errors
    /// `CacheForeign` when it lacks what every one has.
    pub fn refresh_token(&self) -> Result<RefreshTokenFields<'a>> {
        let fields: RefreshTokenFields<'a> = self.read()?;
        if !fields.secret.get().starts_with('"') {
            return Err(foreign(&"a refresh token is not a string"));
        }
        Ok(fields)
    }

    /// Whose the entry is; `None` for one that is nobody's.
    #[must_use]
    pub fn owner(&self) -> Option<Owner> {
        self.read().ok()
    }

    /// When an access token was stored, in seconds since the epoch; 0 where that is not told.
    #[must_use]
    pub fn cached_at(&self) -> i64 {
        #[derive(Deserialize)]
        struct Time {
            cached_at: String,
        }
        self.read::<Time>().ok().and_then(|time| time.cached_at.parse().ok()).unwrap_or(0)
    }

    /// Reads an account entry.
    ///
    /// # Errors
    /// `CacheForeign` when it lacks what every one has.
    pub fn account(&self) -> Result<AccountFields> {
        if !self.value.starts_with('{') {
            // serde takes a list for a record.
            return Err(foreign(&"an account is not an object"));
        }
        self.read()
    }

    fn read<T: Deserialize<'a>>(&self) -> Result<T> {
        serde_json::from_str(self.value).map_err(|error| foreign(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_set_in_its_place_and_an_absent_one_at_the_end() {
        let entry =
            Entry { key: "\"k\"", value: "{\n            \"secret\": \"a\",\n            \"b\": 1.0\n        }" };
        assert_eq!(
            *entry.with_fields(&[("secret", "\"longer\""), ("c", "2")]).unwrap(),
            "{\n            \"secret\": \"longer\",\n            \"b\": 1.0,\n            \"c\": 2\n        }"
        );
    }

    #[test]
    fn fields_are_read() {
        let value =
            "{\"secret\": \"hush\", \"home_account_id\": \"h.t\", \"environment\": \"env\", \"family_id\": \"1\"}";
        let token = Entry { key: "\"k\"", value }.refresh_token().unwrap();
        assert_eq!((token.secret.get(), token.account.home_account_id.as_str()), ("\"hush\"", "h.t"));
        assert_eq!((token.family_id.as_deref(), token.client_id), (Some("1"), None));
        let value = "{\"home_account_id\": \"h.t\", \"environment\": \"env\", \"username\": \"u@x\"}";
        let account = Entry { key: "\"k\"", value }.account().unwrap();
        assert_eq!((account.username.as_str(), account.id.environment.as_str()), ("u@x", "env"));
    }

    #[test]
    fn an_entry_that_lacks_what_every_one_has_is_foreign() {
        for value in ["7", "{}", "{\"secret\": 7, \"home_account_id\": \"h\", \"environment\": \"e\"}"] {
            assert!(Entry { key: "\"k\"", value }.refresh_token().is_err(), "{value}");
        }
    }
}
