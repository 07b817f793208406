//! Two refresh tokens with one key and no known order. A token cache that was restored from a backup, or synchronised from
//! another machine, may hold an older refresh token than the vault, or a newer one, and no clock is to be trusted with
//! the difference. Both are kept: the later one by its own time is preferred, is what az is handed and what is redeemed
//! first; the others are its rivals, and are tried when it is refused. The one that the endpoint accepts stays, and the
//! rest goes. Pure functions over the vault's contents, like those of `edit`.

use crate::credentials::edit::{Redeemable, fingerprint_of, is_redeemable, token_entry};
use crate::credentials::msal::Entry;
use crate::credentials::origin::Origin;
use crate::failure::Result;
use crate::secret::Secret;
use crate::vault::{Contents, CredentialKind, Record, Rival};

/// How many fingerprints of replaced refresh tokens the vault remembers for each. An older one that comes back is a rival.
const PREDECESSORS: usize = 64;

/// How many rivals a refresh token may have. So many copies of which the endpoint never accepted any are a fault of whatever
/// restores them; the unlikeliest one goes.
const RIVALS: usize = 16;

/// How far ahead of ours another machine's clock may be, in seconds. A time later than that means nothing.
const AHEAD: i64 = 24 * 60 * 60;

/// How long ago, in seconds, a refresh token can have changed that is of any use: far longer than one lives.
const LONGEST_AGO: i64 = 10 * 365 * 24 * 60 * 60;

/// What is known of the order of two refresh tokens of one account: one in a cache that azward has not seen, and the one that
/// the vault has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// az stored the one in the cache in a run that was handed the vault's: it replaces it.
    Successor,
    /// An az had the file to itself: one that is not older by its own time, or whose time tells nothing, replaces the vault's.
    Ran,
    /// The file may be anything, a backup's or another machine's: both are kept until the endpoint has accepted one.
    Unknown,
}

/// The rivals of a refresh token that was taken out to be redeemed, the likeliest first.
///
/// # Errors
/// `CacheForeign` when an entry is not one, which the vault never holds.
pub fn rivals(contents: &Contents, redeemable: &Redeemable) -> Result<Vec<Redeemable>> {
    let mut found = Vec::new();
    if let Some(kept) = contents.get(CredentialKind::RefreshToken, &redeemable.key) {
        for rival in &kept.rivals {
            let token = rival_entry(kept, rival).refresh_token()?;
            let quoted = token.secret.get();
            if is_redeemable(&token, &redeemable.account) && !quoted.contains('\\') {
                let refresh_token = Secret::new(quoted.trim_matches('"').as_bytes().to_vec());
                let account = redeemable.account.clone();
                found.push(Redeemable { account, refresh_token, key: kept.id.clone() });
            }
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
    let Some(kept) = contents.get_mut(CredentialKind::RefreshToken, &redeemed.key) else {
        return Ok(false);
    };
    if kept.rivals.is_empty() {
        return Ok(false);
    }
    let is_it = |entry: &Entry<'_>| -> Result<bool> {
        Ok(entry.refresh_token()?.secret.get().trim_matches('"').as_bytes() == redeemed.refresh_token.expose())
    };
    if !is_it(&token_entry(kept))? {
        let mut place = None;
        for (at, rival) in kept.rivals.iter().enumerate() {
            if is_it(&rival_entry(kept, rival))? {
                place = Some(at);
            }
        }
        // Another process has settled it meanwhile, one way or the other.
        let Some(place) = place else { return Ok(false) };
        let winner = kept.rivals.remove(place);
        let loser = std::mem::replace(&mut kept.entry, winner.entry);
        kept.owner = token_entry(kept).refresh_token()?.account;
        kept.rivals.push(Rival { entry: loser, stored_at: kept.stored_at, stored_by: kept.stored_by.clone() });
    }
    drop_rivals(kept)?;
    Ok(true)
}

/// Whether it is the secret of one of the rivals.
pub(super) fn is_rival(kept: &Record, secret: &String) -> Result<bool> {
    for rival in &kept.rivals {
        if fingerprint_of(&rival_entry(kept, rival))? == *secret {
            return Ok(true);
        }
    }
    Ok(false)
}

/// When a refresh token changed last by its own account. One that does not say so, or says what cannot be, is older than any
/// that does.
pub(super) fn changed_at(entry: &Entry<'_>, now: i64) -> Result<i64> {
    let time = entry.refresh_token()?.last_modification_time.and_then(|time| time.parse().ok());
    Ok(time.filter(|time| (1..=now.saturating_add(AHEAD)).contains(time)).unwrap_or(0))
}

/// Whether the time of a refresh token tells nothing: none, or one that only a clock that is wrong can have told.
pub(super) fn is_untimed(entry: &Entry<'_>, now: i64) -> Result<bool> {
    let time: Option<i64> = entry.refresh_token()?.last_modification_time.and_then(|time| time.parse().ok());
    let credible = now.saturating_sub(LONGEST_AGO)..=now.saturating_add(AHEAD);
    Ok(!time.is_some_and(|time| credible.contains(&time)))
}

/// Puts an entry in the place of the one that it came after, whose rivals are old too.
pub(super) fn supersede(kept: &mut Record, entry: &Entry<'_>, old: String, now: i64, by: Origin<'_>) -> Result<()> {
    let secret = fingerprint_of(entry)?;
    drop_rivals(kept)?;
    kept.predecessors.retain(|predecessor| *predecessor != secret);
    remember(&mut kept.predecessors, old);
    take(kept, entry, now, by)
}

pub(super) fn take(kept: &mut Record, entry: &Entry<'_>, now: i64, by: Origin<'_>) -> Result<()> {
    kept.owner = entry.refresh_token()?.account;
    kept.entry = Secret::new(entry.value.as_bytes().to_vec());
    (kept.stored_at, kept.brought_at) = (now, now);
    by.as_str().clone_into(&mut kept.stored_by);
    Ok(())
}

/// The preferred entry as the rival that it is to another.
pub(super) fn rival_of(kept: &mut Record) -> Rival {
    let entry = std::mem::replace(&mut kept.entry, Secret::new(Vec::new()));
    Rival { entry, stored_at: kept.stored_at, stored_by: std::mem::take(&mut kept.stored_by) }
}

/// Adds a rival in its place, the later before the earlier. Of too many the unlikeliest goes, without being taken for old;
/// says whether there was room for this one: what is not kept is not scrubbed either.
pub(super) fn add_rival(kept: &mut Record, rival: Rival, now: i64) -> Result<bool> {
    let time =
        |rival: &Rival| -> Result<(i64, i64)> { Ok((changed_at(&rival_entry(kept, rival), now)?, rival.stored_at)) };
    let own = time(&rival)?;
    let times = kept.rivals.iter().map(time).collect::<Result<Vec<_>>>()?;
    let place = times.iter().position(|other| *other <= own).unwrap_or(times.len());
    if place >= RIVALS {
        return Ok(false);
    }
    kept.rivals.insert(place, rival);
    kept.rivals.truncate(RIVALS);
    Ok(true)
}

/// Lets all rivals go, and knows them for old if they come back.
fn drop_rivals(kept: &mut Record) -> Result<()> {
    for rival in std::mem::take(&mut kept.rivals) {
        let old = fingerprint_of(&rival_entry(kept, &rival))?;
        remember(&mut kept.predecessors, old);
    }
    Ok(())
}

fn rival_entry<'a>(kept: &'a Record, rival: &'a Rival) -> Entry<'a> {
    Entry { key: &kept.id, value: rival.entry.expose_text() }
}

/// Adds a replaced secret's fingerprint, and lets the oldest go.
pub(super) fn remember(predecessors: &mut Vec<String>, replaced: String) {
    predecessors.push(replaced);
    let excess = predecessors.len().saturating_sub(PREDECESSORS);
    predecessors.drain(..excess);
}
