//! The list that is in `accessTokens.json` as a document (`list`). A user has an entry for each authority and resource, all with
//! one refresh token most often; a service principal has one with its secret where a user's has the access token. Whatever else
//! is in an entry stays as it is. A text that is no such list is [`Kind::CacheForeign`] and is never edited.
//!
//! [`Kind::CacheForeign`]: crate::failure::Kind::CacheForeign

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::credentials::document::{Absence, Change, Credential, Document, Entry, is_blank};
use crate::credentials::edit::{self, Harvest};
use crate::credentials::list::{BARE, Layout, List, Place, WHOLE, are_distinct, only, with_empty};
use crate::credentials::msal::{Members, not_understood};
use crate::credentials::origin::{Order, Origin};
use crate::credentials::rivals;
use crate::credentials::service_principals::Replaced;
use crate::failure::{Failure, Result};
use crate::vault::{Contents, CredentialKind, Owner, Record};

/// As az writes the list: `json.dumps(…)`.
const LAYOUT: Layout = Layout { before: "[", between: ", ", after: "]" };

/// The members of a user's entry that tell it from others (adal 1.2.7, `token_cache.py`, `TokenCacheKey`).
const OF_USER: [&str; 4] = ["_authority", "resource", "_clientId", "userId"];

/// Those of a service principal's (azure-cli-core 2.29.2, `_profile.py`, `CredsCache.save_service_principal_cred`).
const OF_PRINCIPAL: [&str; 2] = ["servicePrincipalTenant", "servicePrincipalId"];

/// A list of ADAL's tokens, borrowed from its text.
pub struct AdalTokens<'a> {
    text: &'a str,
    entries: Vec<AdalEntry<'a>>,
}

/// An entry in its list.
struct AdalEntry<'a> {
    key: String,
    raw: &'a str,
    bare: Cow<'a, str>,
    secret: Option<(CredentialKind, &'a str)>,
    /// A user's access token, where the refresh token beside it is in the vault: so is the whole entry then.
    access_token: Option<&'a str>,
}

impl fmt::Debug for AdalTokens<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AdalTokens").field("length", &self.text.len()).finish_non_exhaustive()
    }
}

impl<'a> AdalTokens<'a> {
    /// Reads the text of the file of that name. One without anything but white space is an empty list.
    ///
    /// # Errors
    /// [`Kind::CacheForeign`](crate::failure::Kind::CacheForeign) when it is not JSON, or no such list.
    pub fn parse(text: &'a str, file: &str) -> Result<Self> {
        if text.trim().is_empty() {
            return Ok(Self { text: "[]", entries: Vec::new() });
        }
        let raws: Vec<&'a RawValue> = serde_json::from_str(text).map_err(|error| foreign(&error))?;
        let entries = raws.into_iter().map(|raw| AdalEntry::read(raw.get(), file)).collect::<Result<Vec<_>>>()?;
        match are_distinct(entries.iter().map(|entry| entry.key.as_str())) {
            true => Ok(Self { text, entries }),
            false => Err(foreign(&"an entry stands twice")),
        }
    }

    /// How many entries have a secret in them.
    #[must_use]
    pub fn secret_count(&self) -> usize {
        self.entries.iter().filter(|entry| entry.secret.is_some()).count()
    }

    /// The text without any secret.
    #[must_use]
    pub(crate) fn without_secrets(&self) -> Zeroizing<String> {
        self.with_credentials(&[])
    }

    /// The text without the access tokens of whose entries the vault has the refresh token too; `None` where there is none to take.
    #[must_use]
    pub(crate) fn without_access_tokens(&self) -> Option<Zeroizing<String>> {
        let emptied = |own: &AdalEntry<'_>| own.access_token.map(|token| with_empty(own.raw, token));
        let emptied: Vec<Option<String>> = self.entries.iter().map(emptied).collect();
        let entries = self
            .entries
            .iter()
            .zip(&emptied)
            .map(|(own, emptied)| Entry { key: &own.key, value: emptied.as_deref().unwrap_or(own.raw) });
        let entries = entries.collect();
        let changes = [Change { section: BARE, entries }, Change { section: WHOLE, entries: Vec::new() }];
        emptied.iter().any(Option::is_some).then(|| self.edit(&changes))
    }

    fn list(&self) -> List<'_> {
        let places = self.entries.iter().map(|own| Place {
            key: &own.key,
            raw: own.raw,
            bare: &own.bare,
            has_secret: own.secret.is_some(),
        });
        List { text: self.text, places: places.collect(), layout: LAYOUT }
    }
}

impl<'a> AdalEntry<'a> {
    fn read(raw: &'a str, file: &str) -> Result<Self> {
        let members: Members<'a> = serde_json::from_str(raw).map_err(|error| foreign(&error))?;
        let member = |name| only(&members, name).map_err(|reason| foreign(&format_args!("an entry {reason}")));
        let text = |name| -> Result<String> {
            let Some(raw) = member(name)?.filter(|raw| raw.get() != "null") else { return Ok(String::new()) };
            serde_json::from_str(raw.get()).map_err(|error| foreign(&error))
        };
        let is_principal = !text("servicePrincipalId")?.is_empty();
        let (kind, name, names) = match is_principal {
            true => (CredentialKind::AdalClientSecret, "accessToken", &OF_PRINCIPAL[..]),
            false => (CredentialKind::AdalRefreshToken, "refreshToken", &OF_USER[..]),
        };
        let mut parts = vec![file.to_owned(), if is_principal { "principal" } else { "user" }.to_owned()];
        for name in names {
            parts.push(text(name)?);
        }
        let is_sealed = !is_principal && member(name)?.is_some_and(|secret| secret.get() == "\"\"");
        let access_token = member("accessToken")?.map(RawValue::get);
        let access_token = access_token.filter(|token| is_sealed && token.starts_with('"') && !is_blank(token));
        let secret = member(name)?.map(RawValue::get).filter(|secret| *secret != "null");
        if secret.is_some_and(|secret| !secret.starts_with('"')) {
            return Err(foreign(&format_args!("a {name} is not a string")));
        }
        let secret = secret.filter(|secret| !is_blank(secret));
        let bare = secret.map_or(Cow::Borrowed(raw), |secret| Cow::Owned(with_empty(raw, secret)));
        Ok(Self {
            key: serde_json::Value::from(parts).to_string(),
            raw,
            bare,
            secret: secret.map(|secret| (kind, secret)),
            access_token,
        })
    }
}

impl Document for AdalTokens<'_> {
    fn section_of(kind: CredentialKind) -> Option<&'static str> {
        match kind {
            CredentialKind::AdalRefreshToken | CredentialKind::AdalClientSecret => Some(WHOLE),
            CredentialKind::RefreshToken
            | CredentialKind::ClientSecret
            | CredentialKind::ClientAssertion
            | CredentialKind::ClientCertificate
            | CredentialKind::AdalTokens => None,
        }
    }

    fn credential<'e>(_section: &str, entry: Entry<'e>) -> Result<Credential<'e>> {
        let (kind, secret) =
            AdalEntry::read(entry.value, "")?.secret.ok_or_else(|| foreign(&"an entry has no secret"))?;
        let owner = Self::owner(entry).ok_or_else(|| foreign(&"an entry is nobody's"))?;
        Ok(Credential { kind, id: entry.key, owner, secret, entry: entry.value, changed_at: None })
    }

    fn owner(entry: Entry<'_>) -> Option<Owner> {
        let parts: Vec<String> = serde_json::from_str(entry.key).ok()?;
        // az knows them by that name, in whatever tenant.
        Some(Owner { home_account_id: parts.last()?.clone(), environment: parts.first()?.clone() })
    }

    fn renewed_at(_section: &str, _entry: Entry<'_>) -> Option<i64> {
        None
    }

    fn absence(_section: &str) -> Absence {
        Absence::Doubtful
    }

    fn section_names(&self) -> Vec<Cow<'_, str>> {
        vec![Cow::Borrowed(BARE), Cow::Borrowed(WHOLE)]
    }

    fn section(&self, name: &str) -> Result<Vec<Entry<'_>>> {
        Ok(self.list().section(name))
    }

    fn owners(&self) -> Result<HashSet<Owner>> {
        Ok(self.list().section(BARE).into_iter().filter_map(Self::owner).collect())
    }

    fn edit(&self, changes: &[Change<'_>]) -> Zeroizing<String> {
        self.list().edit(changes)
    }
}

/// The name of the file that a record is of; `None` for what is none of ADAL's.
pub(crate) fn file_of(record: &Record) -> Option<&str> {
    AdalTokens::section_of(record.kind).map(|_| record.owner.environment.as_str())
}

/// Puts the vault's secrets of the file of that name into the list: those of whoever is in it, or `is_listed`. `None` when there is
/// nothing to do.
///
/// # Errors
/// `CacheForeign` for what the vault never holds.
pub(crate) fn inject(
    tokens: &AdalTokens<'_>,
    contents: &Contents,
    file: &str,
    is_listed: impl Fn(&str) -> bool,
) -> Result<Option<Zeroizing<String>>> {
    let there = tokens.owners()?;
    let belongs =
        |owner: &Owner| owner.environment == file && (there.contains(owner) || is_listed(&owner.home_account_id));
    edit::inject(tokens, contents, belongs)
}

/// Takes what is new in the list into `contents` (see [`edit::harvest`]).
///
/// # Errors
/// `CacheForeign` for what the vault never holds.
pub(crate) fn harvest(
    tokens: &AdalTokens<'_>,
    contents: &mut Contents,
    now: i64,
    by: Origin<'_>,
    order: Order,
    replaced: Replaced,
) -> Result<Harvest> {
    if replaced == Replaced::IsBack {
        // A refresh token that was replaced stays so.
        let secrets = tokens.credentials()?.into_iter().filter(|own| own.kind == CredentialKind::AdalClientSecret);
        rivals::let_back(contents, secrets);
    }
    edit::harvest(tokens, contents, now, by, order)
}

/// Forgets those of `before` that are not in the list now, as `az logout` leaves it. Their names are returned.
///
/// # Errors
/// Never, as the list was read.
pub(crate) fn forget(before: &[Owner], after: &AdalTokens<'_>, contents: &mut Contents) -> Result<Vec<String>> {
    let after = after.owners()?;
    let is_gone =
        |record: &Record| file_of(record).is_some() && before.contains(&record.owner) && !after.contains(&record.owner);
    let gone = contents.records.iter().filter(|record| is_gone(record));
    let mut names: Vec<String> = gone.map(|record| record.owner.home_account_id.clone()).collect();
    names.sort_unstable();
    names.dedup();
    contents.records.retain(|record| !is_gone(record));
    Ok(names)
}

fn foreign(reason: &dyn fmt::Display) -> Failure {
    not_understood("the token file of an az before 2.30 is not one", reason)
}
