//! Two credentials with one id and no known order. A file that was restored from a backup, or synchronised from another
//! machine, may hold an older refresh token than the vault, or a newer one, and no clock is to be trusted with the difference.
//! Both are kept: the later one by its own time is preferred, is what az is handed and what is redeemed first; the others are
//! its rivals, and are tried when it is refused. The one that the endpoint accepts stays, and the rest goes. Pure functions
//! over the vault's records, like those of `edit`.

use crate::credentials::document::{Credential, Document, recorded};
use crate::credentials::origin::Origin;
use crate::failure::Result;
use crate::secret::Secret;
use crate::vault::{Contents, Record, Rival};

/// How many fingerprints of replaced secrets the vault remembers for each. An older one that comes back is a rival.
const PREDECESSORS: usize = 64;

/// How many rivals a credential may have. So many copies of which the endpoint never accepted any are a fault of whatever
/// restores them; the unlikeliest one goes.
const RIVALS: usize = 16;

/// How far ahead of ours another machine's clock may be, in seconds. A time later than that means nothing.
const AHEAD: i64 = 24 * 60 * 60;

/// How long ago, in seconds, a credential can have changed that is of any use: far longer than one lives.
const LONGEST_AGO: i64 = 10 * 365 * 24 * 60 * 60;

/// The endpoint has accepted this secret: it is preferred from now on, and its rivals are old. Says whether that is news.
///
/// # Errors
/// `CacheForeign` when an entry is not one, which the vault never holds.
pub(super) fn accept<D: Document>(record: &mut Record, secret: &Secret) -> Result<bool> {
    if record.rivals.is_empty() {
        return Ok(false);
    }
    let is_it = |entry: &Secret| -> Result<bool> {
        Ok(recorded::<D>(record, entry)?.secret.trim_matches('"').as_bytes() == secret.expose())
    };
    if !is_it(&record.entry)? {
        let mut place = None;
        for (at, rival) in record.rivals.iter().enumerate() {
            if is_it(&rival.entry)? {
                place = Some(at);
            }
        }
        // Another process has settled it meanwhile, one way or the other.
        let Some(place) = place else { return Ok(false) };
        let winner = record.rivals.remove(place);
        let loser = std::mem::replace(&mut record.entry, winner.entry);
        record.owner = recorded::<D>(record, &record.entry)?.owner;
        record.rivals.push(Rival { entry: loser, stored_at: record.stored_at, stored_by: record.stored_by.clone() });
    }
    drop_rivals::<D>(record)?;
    Ok(true)
}

/// Whether it is the secret of one of the rivals.
pub(super) fn is_rival<D: Document>(record: &Record, secret: &String) -> Result<bool> {
    for rival in &record.rivals {
        if recorded::<D>(record, &rival.entry)?.fingerprint() == *secret {
            return Ok(true);
        }
    }
    Ok(false)
}

/// When a credential changed last by its own account. One that does not say so, or says what cannot be, is older than any that
/// does.
pub(super) fn changed_at(credential: &Credential<'_>, now: i64) -> i64 {
    credential.changed_at.filter(|time| (1..=now.saturating_add(AHEAD)).contains(time)).unwrap_or(0)
}

/// Whether the time of a credential tells nothing: none, or one that only a clock that is wrong can have told.
pub(super) fn is_untimed(credential: &Credential<'_>, now: i64) -> bool {
    let credible = now.saturating_sub(LONGEST_AGO)..=now.saturating_add(AHEAD);
    !credential.changed_at.is_some_and(|time| credible.contains(&time))
}

/// Somebody has signed in again with what the vault has replaced: it is not old any more.
pub(super) fn let_back<'c>(contents: &mut Contents, credentials: impl IntoIterator<Item = Credential<'c>>) {
    for credential in credentials {
        if let Some(record) = contents.get_mut(credential.kind, credential.id) {
            let secret = credential.fingerprint();
            record.predecessors.retain(|predecessor| *predecessor != secret);
        }
    }
}

/// Puts a credential in the place of the one that it came after, whose rivals are old too.
pub(super) fn supersede<D: Document>(
    record: &mut Record,
    credential: &Credential<'_>,
    old: String,
    now: i64,
    by: Origin<'_>,
) -> Result<()> {
    let secret = credential.fingerprint();
    drop_rivals::<D>(record)?;
    record.predecessors.retain(|predecessor| *predecessor != secret);
    remember(&mut record.predecessors, old);
    take(record, credential, now, by);
    Ok(())
}

pub(super) fn take(record: &mut Record, credential: &Credential<'_>, now: i64, by: Origin<'_>) {
    record.entry = Secret::new(credential.entry.as_bytes().to_vec());
    record.owner = credential.owner.clone();
    (record.stored_at, record.brought_at) = (now, now);
    by.as_str().clone_into(&mut record.stored_by);
}

/// The preferred entry as the rival that it is to another.
pub(super) fn rival_of(record: &mut Record) -> Rival {
    let entry = std::mem::replace(&mut record.entry, Secret::new(Vec::new()));
    Rival { entry, stored_at: record.stored_at, stored_by: std::mem::take(&mut record.stored_by) }
}

/// Adds a rival in its place, the later before the earlier. Of too many the unlikeliest goes, without being taken for old;
/// says whether there was room for this one: what is not kept is not scrubbed either.
pub(super) fn add_rival<D: Document>(record: &mut Record, rival: Rival, now: i64) -> Result<bool> {
    let time = |rival: &Rival| -> Result<(i64, i64)> {
        Ok((changed_at(&recorded::<D>(record, &rival.entry)?, now), rival.stored_at))
    };
    let own = time(&rival)?;
    let times = record.rivals.iter().map(time).collect::<Result<Vec<_>>>()?;
    let place = times.iter().position(|other| *other <= own).unwrap_or(times.len());
    if place >= RIVALS {
        return Ok(false);
    }
    record.rivals.insert(place, rival);
    record.rivals.truncate(RIVALS);
    Ok(true)
}

/// Lets all rivals go, and knows them for old if they come back.
fn drop_rivals<D: Document>(record: &mut Record) -> Result<()> {
    for rival in std::mem::take(&mut record.rivals) {
        let old = recorded::<D>(record, &rival.entry)?.fingerprint();
        remember(&mut record.predecessors, old);
    }
    Ok(())
}

/// Adds a replaced secret's fingerprint, and lets the oldest go.
pub(super) fn remember(predecessors: &mut Vec<String>, replaced: String) {
    predecessors.push(replaced);
    let excess = predecessors.len().saturating_sub(PREDECESSORS);
    predecessors.drain(..excess);
}
