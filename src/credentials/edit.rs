//! The three things azward does to a token cache, as pure functions over the document and the vault's contents: inject,
//! harvest, scrub. Each says what the result is and touches no file; so scrub after inject loses nothing, and inject after
//! scrub restores every byte.

use std::borrow::Cow;
use std::collections::HashSet;

use zeroize::Zeroizing;

use crate::azure::AZURE_CLI_CLIENT_ID;
use crate::azure::python_json::{Escape, quote};
use crate::credentials::msal::{AccountFields, Additions, Entry, RefreshTokenFields, Section, TokenCache};
use crate::credentials::origin::Origin;
use crate::credentials::rivals::{
    Order, accept, add_rival, changed_at, is_rival, is_untimed, remember, rival_of, supersede, take,
};
use crate::failure::Result;
use crate::secret::{Secret, fingerprint};
use crate::vault::{Contents, CredentialKind, KeptEntry, Owner, Record, Rival};

/// Puts the vault's refresh tokens into the cache: those of the accounts that are there. An account that the cache lost
/// (a torn or removed file) and that `is_user` still knows is put back exactly as it was; none is ever invented.
/// `None` when the cache has it all already.
///
/// # Errors
/// `CacheForeign` when a section is not what it should be.
pub fn inject(
    cache: &TokenCache<'_>,
    contents: &Contents,
    is_user: impl Fn(&str) -> bool,
) -> Result<Option<Zeroizing<String>>> {
    let lost = lost_accounts(cache, contents, is_user)?;
    if !lost.is_empty() {
        let text = restore_accounts(cache, contents, &lost)?;
        let restored = TokenCache::parse(&text)?;
        return Ok(Some(inject_present(&restored, contents)?.unwrap_or(text)));
    }
    inject_present(cache, contents)
}

/// Takes what is new in the cache into `contents`: refresh tokens that azward has not seen, and the accounts and clients
/// that they belong to. A token that the vault has replaced already is old and is passed over, whatever any clock says; of
/// two whose `order` is not known the later one by its own time is preferred, and the other is kept beside it.
/// The keys of the refresh tokens taken are returned; the accounts' changes are not worth a word.
///
/// # Errors
/// `CacheForeign` when a section is not what it should be.
pub fn harvest(
    cache: &TokenCache<'_>,
    contents: &mut Contents,
    now: i64,
    by: Origin<'_>,
    order: Order,
) -> Result<Harvest> {
    let mut harvest = Harvest::default();
    for entry in cache.entries(Section::RefreshToken)? {
        let secret = fingerprint_of(&entry)?;
        let Some(kept) = contents.get_mut(CredentialKind::RefreshToken, entry.key) else {
            contents.records.push(keep(&entry, now, by)?);
            harvest.taken.push(entry.key.to_owned());
            continue;
        };
        // MSAL stores an empty refresh token over a good one if an endpoint answers so (msal 1.39.0, `token_cache.py`,
        // `TokenCache.update_rt`).
        if is_no_token(entry.refresh_token()?.secret.get()) {
            continue;
        }
        let own = fingerprint_of(&token_entry(kept))?;
        if own == secret {
            // The same token with other fields.
            if kept.entry.expose() != entry.value.as_bytes() {
                take(kept, &entry, now, by)?;
                harvest.is_changed = true;
            }
            continue;
        }
        let is_rival = is_rival(kept, &secret)?;
        if kept.predecessors.contains(&secret) || is_rival && order == Order::Unknown {
            continue;
        }
        // Whatever comes after none is newer.
        let is_none = is_no_token(token_entry(kept).refresh_token()?.secret.get());
        let order = if is_none { Order::Successor } else { order };
        let (theirs, ours) = (changed_at(&entry, now)?, changed_at(&token_entry(kept), now)?);
        match order {
            Order::Successor => supersede(kept, &entry, own, now, by)?,
            Order::Ran if (theirs >= ours || is_untimed(&entry, now)?) && !is_rival => {
                supersede(kept, &entry, own, now, by)?;
            }
            _ if is_rival => continue,
            Order::Ran | Order::Unknown if theirs >= ours => {
                let preferred = rival_of(kept);
                take(kept, &entry, now, by)?;
                add_rival(kept, preferred, now)?;
            }
            Order::Ran | Order::Unknown => {
                let value = Secret::new(entry.value.as_bytes().to_vec());
                if !add_rival(kept, Rival { entry: value, stored_at: now, stored_by: by.as_str().to_owned() }, now)? {
                    continue;
                }
            }
        }
        harvest.taken.push(entry.key.to_owned());
        harvest.is_changed = true;
    }
    let owners: HashSet<Owner> = contents.records.iter().map(|kept| kept.owner.clone()).collect();
    for entry in cache.entries(Section::Account)? {
        if owners.contains(&entry.account()?.id) {
            harvest.is_changed |= upsert(&mut contents.accounts, &entry);
        }
    }
    if !owners.is_empty() {
        for entry in cache.entries(Section::AppMetadata)? {
            harvest.is_changed |= upsert(&mut contents.app_metadata, &entry);
        }
    }
    harvest.is_changed |= !harvest.taken.is_empty();
    Ok(harvest)
}

/// What a harvest found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Harvest {
    /// The keys of the refresh tokens that were new.
    pub taken: Vec<String>,
    /// Whether the contents are another than before.
    pub is_changed: bool,
}

/// Forgets the accounts that were in the cache before and are not there now, as `az logout` leaves it. Their names are
/// returned.
///
/// # Errors
/// `CacheForeign` when a section is not what it should be.
pub fn forget(before: &[Owner], after: &TokenCache<'_>, contents: &mut Contents) -> Result<Vec<String>> {
    let after: HashSet<Owner> = account_ids(after)?;
    let gone: HashSet<&Owner> = before.iter().filter(|account| !after.contains(*account)).collect();
    let mut names = Vec::new();
    contents.records.retain(|kept| !gone.contains(&kept.owner));
    let mut keep_account = |kept: &KeptEntry| {
        let account = as_entry(kept).account()?;
        let is_gone = gone.contains(&account.id);
        if is_gone {
            names.push(account.username);
        }
        Ok(!is_gone)
    };
    retain(&mut contents.accounts, &mut keep_account)?;
    Ok(names)
}

/// Takes the refresh tokens out of the cache that `contents` has, or has replaced. `None` when there are none to take.
///
/// # Errors
/// `CacheForeign` when a section is not what it should be.
pub fn scrub(cache: &TokenCache<'_>, contents: &Contents) -> Result<Option<Zeroizing<String>>> {
    let entries = cache.entries(Section::RefreshToken)?;
    let mut left = Vec::new();
    for entry in &entries {
        let secret = fingerprint_of(entry)?;
        let is_kept = match contents.get(CredentialKind::RefreshToken, entry.key) {
            Some(kept) => {
                is_no_token(entry.refresh_token()?.secret.get())
                    || kept.entry.expose() == entry.value.as_bytes()
                    || kept.predecessors.contains(&secret)
                    || is_rival(kept, &secret)?
            }
            None => false,
        };
        if !is_kept {
            left.push(*entry);
        }
    }
    Ok((left.len() < entries.len()).then(|| cache.with_entries(Section::RefreshToken, &left)))
}

/// A refresh token taken out of the vault to be redeemed.
#[derive(Debug)]
pub struct Redeemable {
    /// The account that it belongs to.
    pub account: Owner,
    /// The token.
    pub refresh_token: Secret,
    /// Its entry's key in the vault.
    pub key: String,
}

impl Redeemable {
    /// A second copy, for who says why.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        let refresh_token = self.refresh_token.duplicate();
        Self { account: self.account.clone(), refresh_token, key: self.key.clone() }
    }
}

/// The refresh token that MSAL would redeem for `account`: of the family that the Azure CLI is in or the CLI's own, the
/// one that changed last (msal 1.39.0, `application.py`, `_acquire_token_silent_by_finding_specific_refresh_token`).
///
/// # Errors
/// `CacheForeign` when an entry is not one, which the vault never holds.
pub fn redeemable(contents: &Contents, account: &Owner) -> Result<Option<Redeemable>> {
    let mut best: Option<(i64, Redeemable)> = None;
    for kept in contents.of(CredentialKind::RefreshToken) {
        let token = token_entry(kept).refresh_token()?;
        let is_ours = is_redeemable(&token, account);
        let changed = token.last_modification_time.as_deref().and_then(|time| time.parse().ok()).unwrap_or(0);
        let quoted = token.secret.get();
        // Refresh tokens are plain text; one with an escape in it is az's to read, and an empty one is none.
        if !is_ours
            || quoted.contains('\\')
            || is_no_token(quoted)
            || best.as_ref().is_some_and(|(time, _)| *time >= changed)
        {
            continue;
        }
        let refresh_token = Secret::new(quoted.trim_matches('"').as_bytes().to_vec());
        best = Some((changed, Redeemable { account: account.clone(), refresh_token, key: kept.id.clone() }));
    }
    Ok(best.map(|(_, redeemable)| redeemable))
}

pub(super) fn is_redeemable(token: &RefreshTokenFields<'_>, account: &Owner) -> bool {
    token.account == *account
        && (token.family_id.as_deref() == Some("1") || token.client_id.as_deref() == Some(AZURE_CLI_CLIENT_ID))
}

/// Puts a new refresh token in the place of the one redeemed, as MSAL does: secret and time change, the rest stays
/// (msal 1.39.0, `token_cache.py`, `TokenCache.update_rt`). One that the vault has forgotten meanwhile (a logout) stays
/// forgotten; one that another process replaced meanwhile is replaced in its turn, and remembered.
///
/// # Errors
/// `CacheForeign` when an entry is not one, which the vault never holds.
pub fn replace_refresh_token(contents: &mut Contents, redeemed: &Redeemable, new: &str, now: i64) -> Result<()> {
    accept(contents, redeemed)?;
    let Some(kept) = contents.get_mut(CredentialKind::RefreshToken, &redeemed.key) else { return Ok(()) };
    let entry = token_entry(kept);
    let old = fingerprint_of(&entry)?;
    let secret = quote(new, Escape::NonAscii);
    let time = format!("\"{now}\"");
    let text = entry.with_fields(&[("secret", &secret), ("last_modification_time", &time)])?;
    kept.entry = Secret::new(text.as_bytes().to_vec());
    remember(&mut kept.predecessors, old);
    kept.stored_at = now;
    Origin::Rotation.as_str().clone_into(&mut kept.stored_by);
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
    let mut text = cache.with_upserted(Section::AccessToken, &[as_raw(&additions.access_token)])?;
    if let Some(id_token) = &additions.id_token {
        text = TokenCache::parse(&text)?.with_upserted(Section::IdToken, &[as_raw(id_token)])?;
    }
    text = TokenCache::parse(&text)?.with_upserted(Section::AppMetadata, &[as_raw(&additions.app_metadata)])?;
    let exposed = cache.entries(Section::RefreshToken)?;
    let newer: Vec<Entry<'_>> = contents
        .of(CredentialKind::RefreshToken)
        .filter(|kept| {
            exposed.iter().any(|entry| entry.key == kept.id) || homeless.is_some_and(|token| token.key == kept.id)
        })
        .map(token_entry)
        .collect();
    if !newer.is_empty() {
        text = TokenCache::parse(&text)?.with_upserted(Section::RefreshToken, &newer)?;
    }
    Ok(text)
}

fn as_raw((key, value): &(String, Zeroizing<String>)) -> Entry<'_> {
    Entry { key, value }
}

/// How many refresh tokens a cache has.
///
/// # Errors
/// `CacheForeign` when the section is not what it should be.
pub fn refresh_token_count(cache: &TokenCache<'_>) -> Result<usize> {
    Ok(cache.entries(Section::RefreshToken)?.len())
}

/// The accounts of a cache.
///
/// # Errors
/// `CacheForeign` when the section is not what it should be.
pub fn accounts(cache: &TokenCache<'_>) -> Result<Vec<AccountFields>> {
    cache.entries(Section::Account)?.iter().map(Entry::account).collect()
}

/// The accounts of the vault.
///
/// # Errors
/// `CacheForeign` when an entry is not one, which the vault never holds.
pub fn vault_accounts(contents: &Contents) -> Result<Vec<AccountFields>> {
    contents.accounts.iter().map(|kept| as_entry(kept).account()).collect()
}

/// Which accounts a cache has.
///
/// # Errors
/// `CacheForeign` when the section is not what it should be.
pub fn account_ids<C: FromIterator<Owner>>(cache: &TokenCache<'_>) -> Result<C> {
    cache.entries(Section::Account)?.iter().map(|entry| Ok(entry.account()?.id)).collect()
}

/// Puts the vault's refresh tokens of the accounts that are there into the cache. `None` when it has them all already.
///
/// # Errors
/// `CacheForeign` when a section is not what it should be.
pub fn inject_present(cache: &TokenCache<'_>, contents: &Contents) -> Result<Option<Zeroizing<String>>> {
    let present: HashSet<Owner> = account_ids(cache)?;
    let before = cache.entries(Section::RefreshToken)?;
    let mut after = Vec::new();
    after.extend(
        contents.of(CredentialKind::RefreshToken).filter(|kept| present.contains(&kept.owner)).map(token_entry),
    );
    // What is in the file and not in the vault (a vault that could not be written) stays where it is.
    after.extend(before.iter().filter(|entry| contents.get(CredentialKind::RefreshToken, entry.key).is_none()));
    let is_same = before.len() == after.len() && after.iter().all(|entry| before.contains(entry));
    Ok((!is_same).then(|| cache.with_entries(Section::RefreshToken, &after)))
}

/// The vault's accounts that the cache no longer has, although the profile still lists their user and no other account
/// in the cache bears that name: two accounts with one name break every command.
fn lost_accounts<'c>(
    cache: &TokenCache<'_>,
    contents: &'c Contents,
    is_user: impl Fn(&str) -> bool,
) -> Result<Vec<&'c KeptEntry>> {
    let present = accounts(cache)?;
    let mut lost = Vec::new();
    for kept in &contents.accounts {
        let account = as_entry(kept).account()?;
        let is_there = present.iter().any(|other| other.username.eq_ignore_ascii_case(&account.username));
        if !is_there && is_user(&account.username) {
            lost.push(kept);
        }
    }
    Ok(lost)
}

fn restore_accounts(cache: &TokenCache<'_>, contents: &Contents, lost: &[&KeptEntry]) -> Result<Zeroizing<String>> {
    let mut entries = cache.entries(Section::Account)?;
    entries.extend(lost.iter().map(|kept| as_entry(kept)));
    let text = cache.with_entries(Section::Account, &entries);
    let restored = TokenCache::parse(&text)?;
    let mut clients = restored.entries(Section::AppMetadata)?;
    let known: Vec<&str> = clients.iter().map(|entry| entry.key).collect();
    clients.extend(contents.app_metadata.iter().map(as_entry).filter(|entry| !known.contains(&entry.key)));
    Ok(restored.with_entries(Section::AppMetadata, &clients))
}

/// A refresh token's record as the entry that it is in a token cache.
pub(super) fn token_entry(kept: &Record) -> Entry<'_> {
    Entry { key: &kept.id, value: kept.entry.expose_text() }
}

/// The longest refresh token that is one, in bytes.
const LONGEST_TOKEN: usize = 64 * 1024;

/// Whether a secret, raw and with its quotes, is none: nothing but blanks, however they are written, or absurdly long.
fn is_no_token(quoted: &str) -> bool {
    let text = serde_json::from_str::<Cow<'_, str>>(quoted).unwrap_or_default();
    quoted.len() > LONGEST_TOKEN || text.chars().all(|character| character.is_whitespace() || character.is_control())
}

pub(super) fn fingerprint_of(entry: &Entry<'_>) -> Result<String> {
    Ok(fingerprint(entry.refresh_token()?.secret.get().as_bytes()))
}

fn keep(entry: &Entry<'_>, now: i64, by: Origin<'_>) -> Result<Record> {
    Ok(Record {
        kind: CredentialKind::RefreshToken,
        id: entry.key.to_owned(),
        owner: entry.refresh_token()?.account,
        entry: Secret::new(entry.value.as_bytes().to_vec()),
        predecessors: Vec::new(),
        stored_at: now,
        stored_by: by.as_str().to_owned(),
        brought_at: now,
        rivals: Vec::new(),
    })
}

fn upsert(kept: &mut Vec<KeptEntry>, entry: &Entry<'_>) -> bool {
    match kept.iter_mut().find(|kept| kept.key == entry.key) {
        Some(same) if same.entry == entry.value => false,
        Some(other) => {
            entry.value.clone_into(&mut other.entry);
            true
        }
        None => {
            kept.push(KeptEntry { key: entry.key.to_owned(), entry: entry.value.to_owned() });
            true
        }
    }
}

fn as_entry(kept: &KeptEntry) -> Entry<'_> {
    Entry { key: &kept.key, value: &kept.entry }
}

/// The user name of the vault's account `owner`.
#[must_use]
pub fn name_of(contents: &Contents, owner: &Owner) -> Option<String> {
    let account = |kept: &KeptEntry| as_entry(kept).account().ok().filter(|account| account.id == *owner);
    contents.accounts.iter().find_map(account).map(|account| account.username)
}

fn retain<T>(items: &mut Vec<T>, mut keep: impl FnMut(&T) -> Result<bool>) -> Result<()> {
    let verdicts: Vec<bool> = items.iter().map(&mut keep).collect::<Result<_>>()?;
    let mut verdicts = verdicts.into_iter();
    items.retain(|_| verdicts.next().unwrap_or(true));
    Ok(())
}
