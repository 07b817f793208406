//! What azward does to a document of credentials, as pure functions over the document and the vault's contents: inject,
//! harvest, scrub; and renew and sign out, where another directory of the login has done either. Each says what the result
//! is and touches no file; so scrub after inject loses nothing, and inject after scrub restores every byte. Whatever the
//! format, the functions are these.

use zeroize::Zeroizing;

use crate::credentials::document::{Change, Credential, Document, recorded};
use crate::credentials::origin::{Order, Origin};
use crate::credentials::rivals::{add_rival, changed_at, is_rival, is_untimed, rival_of, supersede, take};
use crate::failure::Result;
use crate::secret::Secret;
use crate::vault::{Contents, Owner, Record, Rival};

/// Puts the vault's credentials of this format into the document: those whose owner `belongs` there. `None` when it has them
/// all already.
///
/// # Errors
/// `CacheForeign` when a section is not what it should be.
pub fn inject<D: Document>(
    document: &D,
    contents: &Contents,
    belongs: impl Fn(&Owner) -> bool,
) -> Result<Option<Zeroizing<String>>> {
    let before = document.credentials()?;
    let ours = contents.records.iter().filter(|record| D::section_of(record.kind).is_some());
    let mut after = Vec::new();
    for record in ours.filter(|record| belongs(&record.owner)) {
        after.push(recorded::<D>(record, &record.entry)?);
    }
    // What is in the file and not in the vault (a vault that could not be written) stays where it is.
    let is_kept = |credential: &Credential<'_>| contents.get(credential.kind, credential.id).is_some();
    after.extend(before.iter().filter(|credential| !is_kept(credential)).cloned());
    let is_same = before.len() == after.len() && after.iter().all(|credential| before.contains(credential));
    Ok((!is_same).then(|| document.with_credentials(&after)))
}

/// What a harvest found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Harvest {
    /// The ids of the credentials that were new.
    pub taken: Vec<String>,
    /// Whether the contents are another than before.
    pub is_changed: bool,
}

/// Takes the credentials into `contents` that azward has not seen. One that the vault has replaced already is old and is
/// passed over, whatever any clock says; of two whose `order` is not known the later one by its own time is preferred, and the
/// other is kept beside it.
///
/// # Errors
/// `CacheForeign` when a section is not what it should be.
pub fn harvest<D: Document>(
    document: &D,
    contents: &mut Contents,
    now: i64,
    by: Origin<'_>,
    order: Order,
) -> Result<Harvest> {
    let mut harvest = Harvest::default();
    for credential in document.credentials()? {
        let Some(record) = contents.get_mut(credential.kind, credential.id) else {
            contents.records.push(keep(&credential, now, by));
            harvest.taken.push(credential.id.to_owned());
            continue;
        };
        match settle::<D>(record, &credential, now, by, order)? {
            Settled::Old => continue,
            Settled::Changed => {}
            Settled::New => harvest.taken.push(credential.id.to_owned()),
        }
        harvest.is_changed = true;
    }
    harvest.is_changed |= !harvest.taken.is_empty();
    Ok(harvest)
}

/// What a credential in a document was to the one that the vault has.
enum Settled {
    /// Nothing that the vault does not know.
    Old,
    /// The same secret with other fields.
    Changed,
    /// Another secret.
    New,
}

/// Takes a credential in of which the vault has a record.
fn settle<D: Document>(
    record: &mut Record,
    found: &Credential<'_>,
    now: i64,
    by: Origin<'_>,
    order: Order,
) -> Result<Settled> {
    // MSAL stores an empty refresh token over a good one if an endpoint answers so (msal 1.39.0, `token_cache.py`,
    // `TokenCache.update_rt`).
    if record.entry.expose() == found.entry.as_bytes() || found.is_blank() {
        return Ok(Settled::Old);
    }
    let secret = found.fingerprint();
    let kept = recorded::<D>(record, &record.entry)?;
    let own = kept.fingerprint();
    if own == secret {
        take(record, found, now, by);
        return Ok(Settled::Changed);
    }
    let is_rival = is_rival::<D>(record, &secret)?;
    if record.predecessors.contains(&secret) || is_rival && order == Order::Unknown {
        return Ok(Settled::Old);
    }
    // Whatever comes after none is newer.
    let order = if kept.is_blank() { Order::Successor } else { order };
    let is_later = changed_at(found, now) >= changed_at(&kept, now);
    match order {
        Order::Successor => supersede::<D>(record, found, own, now, by)?,
        Order::Ran if (is_later || is_untimed(found, now)) && !is_rival => {
            supersede::<D>(record, found, own, now, by)?;
        }
        _ if is_rival => return Ok(Settled::Old),
        Order::Ran | Order::Unknown if is_later => {
            let preferred = rival_of(record);
            take(record, found, now, by);
            add_rival::<D>(record, preferred, now)?;
        }
        Order::Ran | Order::Unknown => {
            let entry = Secret::new(found.entry.as_bytes().to_vec());
            let rival = Rival { entry, stored_at: now, stored_by: by.as_str().to_owned() };
            if !add_rival::<D>(record, rival, now)? {
                return Ok(Settled::Old);
            }
        }
    }
    Ok(Settled::New)
}

/// Takes the credentials out of the document that `contents` has, or has replaced. `None` when there are none to take.
///
/// # Errors
/// `CacheForeign` when a section is not what it should be.
pub fn scrub<D: Document>(document: &D, contents: &Contents) -> Result<Option<Zeroizing<String>>> {
    let credentials = document.credentials()?;
    let mut left = Vec::new();
    for credential in &credentials {
        let is_kept = match contents.get(credential.kind, credential.id) {
            Some(record) => has::<D>(record, credential)?,
            None => false,
        };
        if !is_kept {
            left.push(credential.clone());
        }
    }
    let is_less = left.len() < credentials.len() || document.has_stand_ins();
    Ok(is_less.then(|| document.with_credentials(&left)))
}

/// Puts the vault's credentials into the place of those in the document that they came after. `None` when there are none.
///
/// # Errors
/// `CacheForeign` when a section is not what it should be.
pub fn renew<D: Document>(document: &D, contents: &Contents) -> Result<Option<Zeroizing<String>>> {
    let mut credentials = document.credentials()?;
    let mut is_changed = false;
    for credential in &mut credentials {
        if let Some(record) = contents.get(credential.kind, credential.id)
            && record.predecessors.contains(&credential.fingerprint())
        {
            *credential = recorded::<D>(record, &record.entry)?;
            is_changed = true;
        }
    }
    Ok(is_changed.then(|| document.with_credentials(&credentials)))
}

/// Takes everything out of the document that belongs to one of `accounts`. `None` when there is nothing.
///
/// # Errors
/// `CacheForeign` when a section is not what it should be.
pub fn sign_out<D: Document>(document: &D, accounts: &[Owner]) -> Result<Option<Zeroizing<String>>> {
    let names = document.section_names();
    let mut changes = Vec::new();
    for name in &names {
        let mut entries = document.section(name)?;
        let count = entries.len();
        entries.retain(|entry| !D::owner(*entry).is_some_and(|owner| accounts.contains(&owner)));
        if entries.len() < count {
            changes.push(Change { section: name, entries });
        }
    }
    Ok((!changes.is_empty()).then(|| document.edit(&changes)))
}

/// Whether the record has that credential, or has replaced it, or there is nothing in it to lose.
fn has<D: Document>(record: &Record, credential: &Credential<'_>) -> Result<bool> {
    if record.entry.expose() == credential.entry.as_bytes() || credential.is_blank() {
        return Ok(true);
    }
    let secret = credential.fingerprint();
    Ok(record.predecessors.contains(&secret) || is_rival::<D>(record, &secret)?)
}

/// Forgets the credentials whose owner `is_gone`, whatever their kind.
pub fn forget(contents: &mut Contents, is_gone: impl Fn(&Owner) -> bool) {
    contents.records.retain(|record| !is_gone(&record.owner));
}

fn keep(credential: &Credential<'_>, now: i64, by: Origin<'_>) -> Record {
    Record {
        kind: credential.kind,
        id: credential.id.to_owned(),
        owner: credential.owner.clone(),
        entry: Secret::new(credential.entry.as_bytes().to_vec()),
        predecessors: Vec::new(),
        stored_at: now,
        stored_by: by.as_str().to_owned(),
        brought_at: now,
        rivals: Vec::new(),
    }
}
