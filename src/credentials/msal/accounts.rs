//! What of a token cache goes with its refresh tokens: the accounts that they belong to, and what MSAL notes of clients. A
//! harvest takes them along, an injection brings back an account that the cache has lost, a logout forgets them. Pure
//! functions, like those of `edit`.

use std::collections::HashSet;

use zeroize::Zeroizing;

use crate::credentials::document::{Change, Document, Entry};
use crate::credentials::edit::{self, Harvest};
use crate::credentials::msal::{AccountFields, Section, TokenCache};
use crate::credentials::origin::{Order, Origin};
use crate::failure::Result;
use crate::vault::{Contents, CredentialKind, KeptEntry, Owner};

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

/// Puts those accounts of the vault into the cache that it lacks and that `is_user` names, exactly as they were and without a
/// refresh token. `None` when it has them all already.
///
/// # Errors
/// `CacheForeign` when a section is not what it should be.
pub fn seat(
    cache: &TokenCache<'_>,
    contents: &Contents,
    is_user: impl Fn(&str) -> bool,
) -> Result<Option<Zeroizing<String>>> {
    let lost = lost_accounts(cache, contents, is_user)?;
    if lost.is_empty() { Ok(None) } else { restore_accounts(cache, contents, &lost).map(Some) }
}

/// Puts the vault's refresh tokens of the accounts that are there into the cache. `None` when it has them all already.
///
/// # Errors
/// `CacheForeign` when a section is not what it should be.
pub fn inject_present(cache: &TokenCache<'_>, contents: &Contents) -> Result<Option<Zeroizing<String>>> {
    let present = cache.owners()?;
    edit::inject(cache, contents, |owner| present.contains(owner))
}

/// Takes what is new in the cache into `contents`: refresh tokens (see [`edit::harvest`]), and the accounts and clients that
/// they belong to.
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
    let mut harvest = edit::harvest(cache, contents, now, by, order)?;
    let tokens = contents.of(CredentialKind::RefreshToken);
    let owners: HashSet<Owner> = tokens.map(|record| record.owner.clone()).collect();
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
    Ok(harvest)
}

/// Forgets the accounts that were in the cache before and are not there now, as `az logout` leaves it. Their names are
/// returned.
///
/// # Errors
/// `CacheForeign` when a section is not what it should be.
pub fn forget(before: &[Owner], after: &TokenCache<'_>, contents: &mut Contents) -> Result<Vec<String>> {
    let after = after.owners()?;
    let gone: HashSet<&Owner> = before.iter().filter(|account| !after.contains(*account)).collect();
    let accounts = vault_accounts(contents)?;
    edit::forget(contents, |owner| gone.contains(owner));
    let mut accounts = accounts.into_iter();
    let mut names = Vec::new();
    contents.accounts.retain(|_| match accounts.next() {
        Some(account) if gone.contains(&account.id) => {
            names.push(account.username);
            false
        }
        _ => true,
    });
    Ok(names)
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

/// The user name of the vault's account `owner`.
#[must_use]
pub fn name_of(contents: &Contents, owner: &Owner) -> Option<String> {
    let account = |kept: &KeptEntry| as_entry(kept).account().ok().filter(|account| account.id == *owner);
    contents.accounts.iter().find_map(account).map(|account| account.username)
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
    let mut changes = vec![Change { section: Section::Account.name(), entries }];
    let mut clients = cache.entries(Section::AppMetadata)?;
    let known: Vec<&str> = clients.iter().map(|entry| entry.key).collect();
    clients.extend(contents.app_metadata.iter().map(as_entry).filter(|entry| !known.contains(&entry.key)));
    if !clients.is_empty() {
        changes.push(Change { section: Section::AppMetadata.name(), entries: clients });
    }
    Ok(cache.edit(&changes))
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
