//! The door to the exposures: how the credentials of a run are at hand for its az. Each way is a file of its own, a
//! [`Exposure`] that is made before anything is exposed and settled at the end, by the run or, in its place, by the
//! guardian; which of them a run gets `policy` says. Whatever fails, az can be run all the same, and nothing is lost.

pub(crate) mod in_place;
pub(crate) mod kind;
#[cfg(target_os = "linux")]
pub(crate) mod memory;
pub(crate) mod own_file;
pub(crate) mod policy;
#[cfg(target_os = "linux")]
pub(crate) mod private;
#[cfg(target_os = "linux")]
mod refusals;
#[cfg(target_os = "linux")]
mod temp_cache;

use std::ffi::OsStr;
use std::fmt::Debug;
use std::fs::File;

pub(crate) use self::kind::ExposureKind;
use crate::azure::command::{AccountEffect, Group, Subject};
use crate::credentials::origin::Origin;
use crate::failure::{Failure, Result};
use crate::run::guardian::Guardian;
use crate::run::manifest::{Files, Role};
use crate::store::lease::{Lease, SharedLock};
use crate::store::{CredentialStore, Forgetting};

/// Which credentials an az is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum GivenCredentials {
    /// Every refresh token of an account that the cache has.
    #[default]
    All,
    /// No refresh token: it signs in, may wait for a person meanwhile, and uses what it then stores itself.
    None,
}

impl GivenCredentials {
    /// What a command is given that does this to the accounts.
    #[must_use]
    pub(crate) fn to(effect: AccountEffect) -> Self {
        if effect == AccountEffect::SignIn { Self::None } else { Self::All }
    }

    /// Says that a run needs them where all see them, or stores some there.
    ///
    /// # Errors
    /// Those of [`Lease::share`].
    pub(crate) fn share_in(self, lease: &Lease) -> Result<SharedLock> {
        match self {
            Self::All => lease.share(),
            Self::None => lease.share_of_login(),
        }
    }
}

/// How an az ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AzEnd {
    /// With exit code 0.
    Succeeded,
    /// With exit code 1: az's own, for an error that it has put in words.
    Error,
    /// With another one, or by a signal, or nobody knows how.
    Failed,
    /// It was never let go.
    NeverBegan,
}

impl AzEnd {
    /// That of a process with this exit code, if it had one.
    #[must_use]
    pub(crate) fn of(code: Option<i32>) -> Self {
        match code {
            Some(0) => Self::Succeeded,
            Some(1) => Self::Error,
            _ => Self::Failed,
        }
    }
}

/// The az to which credentials are exposed, and who is told of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recipient<'a> {
    /// Where they come from.
    pub store: &'a CredentialStore<'a>,
    /// Settles in our place.
    pub guardian: &'a Guardian,
    /// What the az is to do.
    pub command: &'a Group,
    /// Who signs in by it, if it is one to sign in.
    pub subject: Subject,
    /// Its process; none where it is not started before it is let go.
    pub process: Option<u32>,
}

impl<'a> Recipient<'a> {
    /// Has the guardian watch it, and settle what is exposed to it so with `files`.
    pub(crate) fn tell_guardian(&self, exposure: ExposureKind, files: &[(Role, &File)]) {
        self.guardian.watch(self.process, self.command, exposure, files);
    }

    /// Who has what az stores taken into the vault.
    #[must_use]
    pub(crate) fn origin(&self) -> Origin<'a> {
        Origin::Command(self.command)
    }
}

/// How a run's end is to be settled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending<'a> {
    /// What may be forgotten.
    pub forgetting: Forgetting,
    /// Who has what az stored taken into the vault.
    pub origin: Origin<'a>,
    /// How az ended.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "private exposure asks"))]
    pub az: AzEnd,
}

/// What came to light about an az when its exposure was settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// Nothing of note.
    Nothing,
    /// It replaces its token cache by rename.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "private exposure finds it"))]
    Renames,
    /// It failed, and nobody has opened the file with the credentials that it was to have.
    #[cfg(target_os = "linux")]
    NeverOpened(ExposureKind),
}

/// One exposure of one run.
pub(crate) trait Exposure: Debug + Sync {
    /// Which one it is.
    fn kind(&self) -> ExposureKind;

    /// Gives the credentials to `az`, taking into the vault first what is new in the real cache, and tells the guardian.
    /// An az with a copy of its own does not get the access tokens `left_out`.
    ///
    /// # Errors
    /// Whatever kept it from doing so; az can be run all the same.
    fn expose(&mut self, az: &Recipient<'_>, left_out: &[String]) -> Result<()>;

    /// What az is to have in its environment for it.
    fn variable(&self) -> Option<(&'static OsStr, &OsStr)> {
        None
    }

    /// What kept the service principals' secrets from an az that has all else.
    fn principals_handicap(&self) -> Option<&Failure>;

    /// Has the guardian watch `az`, and settle this exposure in our place.
    fn tell_guardian(&self, az: &Recipient<'_>);

    /// What has something to read when az, or somebody else, has stored something that concerns a living run.
    fn watched(&self) -> Option<&File> {
        None
    }

    /// Brings the vault and what az sees up to date with one another while it runs; what fails now is done at the end.
    fn keep_together(&self, _store: &CredentialStore<'_>, _origin: Origin<'_>) {}

    /// Takes what az changed into the vault and scrubs what nobody needs any more; does nothing where nothing was exposed.
    ///
    /// # Errors
    /// Whatever kept it from doing so; the guardian tries again, and the next invocation's sweep.
    fn settle(self: Box<Self>, store: &CredentialStore<'_>, ending: Ending<'_>) -> Result<Finding>;
}

/// The exposure that a guardian was told of, with the files that came along; `None` when one that it needs did not.
#[must_use]
pub(crate) fn handed_over(kind: ExposureKind, given: GivenCredentials, files: &mut Files) -> Option<Box<dyn Exposure>> {
    match kind {
        #[cfg(target_os = "linux")]
        ExposureKind::Private => Some(Box::new(private::PrivateCopy::from_files(given, files)?)),
        #[cfg(not(target_os = "linux"))]
        ExposureKind::Private => None,
        ExposureKind::Memory | ExposureKind::InPlace => Some(Box::new(in_place::InPlace::from_files(given, files))),
    }
}
