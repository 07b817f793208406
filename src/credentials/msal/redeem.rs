//! Refresh tokens on their way to the token endpoint and back: which of the vault's MSAL would redeem, what comes into the
//! place of the one that was, and where in the cache the granted tokens go. Pure functions, like those of `edit`.

use zeroize::Zeroizing;

use crate::azure::AZURE_CLI_CLIENT_ID;
use crate::azure::python_json::{Escape, quote};
use crate::credentials::document::{Document, Entry, is_blank, recorded};
use crate::credentials::msal::{Additions, RefreshTokenFields, Section, TokenCache};
use crate::credentials::origin::Origin;
use crate::credentials::rivals;
use crate::failure::Result;
use crate::secret::Secret;
use crate::vault::{Contents, CredentialKind, Owner, Record};

/// A refresh token taken out of the vault to be redeemed.
#[derive(Debug)]
pub struct Redeemable {
    /// The account that it belongs to.
    pub account: Owner,
    /// The token.
    pub refresh_token: Secret,
    /// Its record's id in the vault.
    pub key: String,
}

impl Redeemable {
    /// A second copy, for who says why.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        let refresh_token = self.refresh_token.duplicate();
        Self { account: self.account.clone(), refresh_token, key: self.key.clone() }
    }

    /// `None` for one that is of another account or client, or not to be redeemed by us: refresh tokens are plain text, and one
    /// with an escape in it is az's to read.
    fn of(record: &Record, token: &RefreshTokenFields<'_>, account: &Owner) -> Option<Self> {
        let is_ours = token.account == *account
            && (token.family_id.as_deref() == Some("1") || token.client_id.as_deref() == Some(AZURE_CLI_CLIENT_ID));
        let quoted = token.secret.get();
        (is_ours && !quoted.contains('\\')).then(|| Self {
            account: account.clone(),
            refresh_token: Secret::new(quoted.trim_matches('"').as_bytes().to_vec()),
            key: record.id.clone(),
        })
    }

    fn is_of(&self, record: &Record) -> bool {
        record.is(CredentialKind::RefreshToken, &self.key)
    }
}

/// The refresh token that MSAL would redeem for `account`: of the family that the Azure CLI is in or the CLI's own, the
/// one that changed last (msal 1.39.0, `application.py`, `_acquire_token_silent_by_finding_specific_refresh_token`).
///
/// # Errors
/// `CacheForeign` when an entry is not one, which the vault never holds.
pub fn redeemable(contents: &Contents, account: &Owner) -> Result<Option<Redeemable>> {
    let mut best: Option<(i64, Redeemable)> = None;
    for record in contents.of(CredentialKind::RefreshToken) {
        let token = entry_of(record, &record.entry).refresh_token()?;
        let Some(redeemable) = Redeemable::of(record, &token, account) else { continue };
        let changed = token.last_modification_time.as_deref().and_then(|time| time.parse().ok()).unwrap_or(0);
        if !is_blank(token.secret.get()) && best.as_ref().is_none_or(|(time, _)| *time < changed) {
            best = Some((changed, redeemable));
        }
    }
    Ok(best.map(|(_, redeemable)| redeemable))
}

/// The rivals of a refresh token that was taken out to be redeemed, the likeliest first.
///
/// # Errors
/// `CacheForeign` when an entry is not one, which the vault never holds.
pub fn rivals_of(contents: &Contents, preferred: &Redeemable) -> Result<Vec<Redeemable>> {
    let mut found = Vec::new();
    if let Some(record) = contents.get(CredentialKind::RefreshToken, &preferred.key) {
        for rival in &record.rivals {
            let token = entry_of(record, &rival.entry).refresh_token()?;
            found.extend(Redeemable::of(record, &token, &preferred.account));
        }
    }
    Ok(found)
}

/// The endpoint has accepted the one that was redeemed: it is preferred from now on, and its rivals are old. Says whether
/// that is news.
///
/// # Errors
/// `CacheForeign` when an entry is not one, which the vault never holds.
pub fn accept(contents: &mut Contents, redeemed: &Redeemable) -> Result<bool> {
    match contents.get_mut(CredentialKind::RefreshToken, &redeemed.key) {
        Some(record) => rivals::accept::<TokenCache<'_>>(record, &redeemed.refresh_token),
        None => Ok(false),
    }
}

/// Puts a new refresh token in the place of the one redeemed, as MSAL does: secret and time change, the rest stays
/// (msal 1.39.0, `token_cache.py`, `TokenCache.update_rt`). One that the vault has forgotten meanwhile (a logout) stays
/// forgotten; one that another process replaced meanwhile is replaced in its turn, and remembered.
///
/// # Errors
/// `CacheForeign` when an entry is not one, which the vault never holds.
pub fn replace_refresh_token(contents: &mut Contents, redeemed: &Redeemable, new: &str, now: i64) -> Result<()> {
    accept(contents, redeemed)?;
    let Some(record) = contents.get_mut(CredentialKind::RefreshToken, &redeemed.key) else { return Ok(()) };
    let old = recorded::<TokenCache<'_>>(record, &record.entry)?.fingerprint();
    let secret = quote(new, Escape::NonAscii);
    let time = format!("\"{now}\"");
    let fields = [("secret", secret.as_str()), ("last_modification_time", &time)];
    let text = entry_of(record, &record.entry).with_fields(&fields)?;
    record.entry = Secret::new(text.as_bytes().to_vec());
    rivals::remember(&mut record.predecessors, old);
    record.stored_at = now;
    Origin::Rotation.as_str().clone_into(&mut record.stored_by);
    Ok(())
}

/// The cache's text with the granted tokens in it; a refresh token that is exposed there gives way to the one in
/// `contents`, and so does, exposed or not, the one that the vault could not take (`homeless`).
///
/// # Errors
/// `CacheForeign` when a section is not what it should be.
pub fn add_tokens(
    cache: &TokenCache<'_>,
    additions: &Additions,
    contents: &Contents,
    homeless: Option<&Redeemable>,
) -> Result<Zeroizing<String>> {
    let mut changes = vec![cache.upsertion(Section::AccessToken, &[as_raw(&additions.access_token)])?];
    if let Some(id_token) = &additions.id_token {
        changes.push(cache.upsertion(Section::IdToken, &[as_raw(id_token)])?);
    }
    changes.push(cache.upsertion(Section::AppMetadata, &[as_raw(&additions.app_metadata)])?);
    let exposed = cache.entries(Section::RefreshToken)?;
    let is_there = |record: &Record| exposed.iter().any(|entry| entry.key == record.id);
    let newer: Vec<Entry<'_>> = contents
        .of(CredentialKind::RefreshToken)
        .filter(|record| is_there(record) || homeless.is_some_and(|token| token.is_of(record)))
        .map(|record| entry_of(record, &record.entry))
        .collect();
    if !newer.is_empty() {
        changes.push(cache.upsertion(Section::RefreshToken, &newer)?);
    }
    Ok(cache.edit(&changes))
}

fn as_raw((key, value): &(String, Zeroizing<String>)) -> Entry<'_> {
    Entry { key, value }
}

/// An entry that is kept with a record, its own or a rival's, as the cache has it.
fn entry_of<'r>(record: &'r Record, entry: &'r Secret) -> Entry<'r> {
    Entry { key: &record.id, value: entry.expose_text() }
}
