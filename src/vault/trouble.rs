//! What is said when a vault does not open, or is not what it was: each with what its owner can do.

use std::path::Path;

use crate::failure::{Failure, Kind};

pub(super) fn fell_back(current: &Path, reason: Option<Failure>) -> Failure {
    let missing = || format!("`{}` is missing", current.display());
    let (kind, why) = reason.map_or_else(|| (Kind::VaultDamaged, missing()), |reason| (reason.kind, reason.what));
    Failure::new(
        kind,
        format!("{why}; the previous generation was used"),
        "nothing need be done; if an account has to sign in again, its last login was only in the newer one",
    )
}

pub(super) fn elsewhere(path: &Path) -> Failure {
    Failure::new(
        Kind::KeyLost,
        format!("the vault `{}` belongs to another machine or user, or its key is gone", path.display()),
        "use it where its key is; or sign in to Azure here too: it stays as it is, and a new one is begun beside it",
    )
}

pub(super) fn damaged(path: &Path, why: &str) -> Failure {
    Failure::new(
        Kind::VaultDamaged,
        format!("the vault `{}` {why}", path.display()),
        "restore it from a backup; or sign in to Azure again, and it is set aside unopened",
    )
}

pub(super) fn newer(path: &Path, version: u16) -> Failure {
    Failure::new(
        Kind::VaultDamaged,
        format!("the vault `{}` was made by a newer azward (version {version}); it is left as it is", path.display()),
        "update azward, then run the command again",
    )
}

pub(super) fn set_aside(failure: &Failure, aside: &Path) -> Failure {
    Failure::new(
        failure.kind,
        format!("{}; it was set aside as `{}`", failure.what, aside.display()),
        "keep that file if its key or a backup may come back; it is sealed, and can be removed otherwise",
    )
}
