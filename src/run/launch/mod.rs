//! The launch of one az with its credentials at hand, from the readying of what is going to be az until everything is
//! settled. What must happen in order is a type:
//!
//! ```text
//! Launch ── begin ── Begun ─────── hold ── Held ─────── expose ── Exposed ── start ── Going ── wait ── Ended ── settle
//!                    the exposure          which it is            az may be         az was          az is over;
//!                    may be refused        is certain             let go            let go          nothing is settled
//! ```
//! What is held and not let go is abandoned, which settles it too. What the system refuses is told, remembered, and done in
//! place instead.

#[cfg_attr(unix, path = "hold.rs")]
#[cfg_attr(not(unix), path = "spawn.rs")]
mod pending;
mod plan;

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use pending::PendingAz;

use crate::azure::command::Subject;
use crate::azure::known_az::KnownAz;
use crate::azure::{Command, TokenStorage};
use crate::failure::{Failure, Result};
use crate::run::exposure::in_place::Extent;
use crate::run::exposure::policy::{Plan, Policy};
#[cfg(target_os = "linux")]
use crate::run::exposure::private::PrivateCopy;
use crate::run::exposure::{AzEnd, Ending, Exposure, ExposureKind, GivenCredentials, Recipient};
use crate::run::guardian::Guardian;
use crate::run::keep_alive::End;
use crate::run::run_variable::{self, RunVariable};
use crate::run::supervise::{self, not_started, program_not_started};
#[cfg(target_os = "linux")]
use crate::store::lease::SharedLock;
use crate::store::{CredentialStore, Forgetting};
use crate::sys::{ChildProcess, Program};

/// One az that is to be launched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Launch<'a> {
    /// Where its credentials come from.
    pub store: &'a CredentialStore<'a>,
    /// How it gets them.
    pub policy: &'a Policy<'a>,
    /// Settles in our place.
    pub guardian: &'a Guardian,
    /// What it is to do.
    pub command: &'a Command<'a>,
    /// The run variable for it.
    pub run_variable: &'a RunVariable,
    /// Whose standard streams it has.
    pub streams: Streams,
    /// Where it keeps its tokens.
    pub storage: TokenStorage,
    /// What is known of the real az.
    pub known: &'a KnownAz<'a>,
}

/// Whose standard streams an az has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Streams {
    /// The caller's.
    Callers,
    /// None: it is started on our own behalf, and says nothing.
    Nobodys,
}

/// What is going to be az is ready, and may be on its way into a private mount.
#[derive(Debug)]
pub(super) struct Begun<'a> {
    launch: Launch<'a>,
    az: PendingAz,
    way: Way,
}

/// The exposure that it is going to be, as far as that is known.
#[derive(Debug)]
enum Way {
    Certain(Box<dyn Exposure>),
    #[cfg(target_os = "linux")]
    Private(SharedLock),
}

/// It is certain which exposure it is, and nothing is exposed yet.
#[derive(Debug)]
pub(super) struct Held<'a> {
    launch: Launch<'a>,
    az: PendingAz,
    exposure: Box<dyn Exposure>,
}

/// The credentials are where az finds them, as far as that could be, and the guardian knows.
#[derive(Debug)]
pub(super) struct Exposed<'a> {
    launch: Launch<'a>,
    az: PendingAz,
    exposure: Box<dyn Exposure>,
}

/// az was let go, or could not be started.
#[derive(Debug)]
pub(super) struct Going<'a> {
    launch: Launch<'a>,
    exposure: Box<dyn Exposure>,
    az: io::Result<ChildProcess>,
}

/// az has ended, or could not be started.
#[derive(Debug)]
pub(super) struct Ended<'a> {
    launch: Launch<'a>,
    exposure: Box<dyn Exposure>,
    az: AzEnd,
}

impl<'a> Launch<'a> {
    /// Makes ready what is going to be az; in a private mount if that is the plan.
    ///
    /// # Errors
    /// [`Kind::NotStarted`](crate::failure::Kind::NotStarted).
    pub(super) fn begin(self) -> Result<Begun<'a>> {
        let reads_the_cache = self.storage.is_file() && !self.known.keeps_adal_tokens();
        let mut plan = if reads_the_cache { self.policy.plan(self.command) } else { Plan::Nothing };
        if plan == Plan::Private {
            plan = self.instead_of_private();
        }
        // What an unwrapped az left in the real file is not to lie there for as long as the run takes, and of two refresh
        // tokens it is to be known which is good before az is handed one. What keeps it there now is told when the secrets
        // are handed over.
        let _ = self.store.sweep();
        self.store.seat_lost_principals();
        if !self.known.keeps_adal_tokens() {
            self.store.take_in_adal(|| self.known.version());
        }
        let begun = match plan {
            _ if self.known.keeps_adal_tokens() => self.begin_with_own_file()?,
            Plan::Private => self.begin_privately()?,
            Plan::Memory => self.begin_in_memory()?,
            plan => self.begin_in_place(self.extent(&plan))?,
        };
        if self.streams == Streams::Callers {
            self.guardian.watch_waiting(begun.az.process());
        }
        Ok(begun)
    }

    /// The same for an az that uses what another of the same run has exposed in place, and is going to settle.
    ///
    /// # Errors
    /// [`Kind::NotStarted`](crate::failure::Kind::NotStarted).
    pub(super) fn begin_beside(self) -> Result<Held<'a>> {
        self.begin_in_place(Extent::OfAnother)?.hold()
    }

    /// What is going to be az: with the caller's environment, but for what is azward's to say.
    fn pending(
        &self,
        kind: ExposureKind,
        of_exposure: Option<(&'static OsStr, &OsStr)>,
        make: impl FnOnce(Program) -> io::Result<PendingAz>,
    ) -> Result<PendingAz> {
        let real_az = self.policy.real_az();
        let run_variable = self.run_variable.within(kind).to_value();
        let storage = self.storage.variable().filter(|_| self.is_its_login_ours());
        let storage = storage.map(|(name, value)| (OsStr::new(name), OsStr::new(value)));
        // Not even for as long as it takes to write over it.
        let no_requests =
            self.known.keeps_requests().then(|| (OsStr::new("AZURE_CORE_USE_MSAL_HTTP_CACHE"), OsStr::new("false")));
        let own = [Some((OsStr::new(run_variable::VARIABLE), &*run_variable)), storage, no_requests, of_exposure];
        let own = || own.iter().flatten().copied();
        let others = self.store.app.context.variables().filter(|(name, _)| own().all(|(own, _)| own != *name));
        let program = Program::new(real_az, self.command.arguments(), others.chain(own()));
        let program = match self.streams {
            Streams::Callers => program,
            Streams::Nobodys => program.and_then(Program::quietly),
        };
        let program = match self.command.name() {
            Some(name) => program.and_then(|program| program.called(name)),
            None => program,
        };
        program.and_then(make).map_err(|error| self.not_started(&error))
    }

    fn not_started(&self, error: &io::Error) -> Failure {
        match self.command.name() {
            Some(name) => program_not_started(name, error),
            None => not_started(self.policy.real_az(), error),
        }
    }

    /// Whether azward has the login that it uses, or is going to have the one that it makes. That of a managed identity alone is
    /// az's own affair: nothing is sealed of it.
    fn is_its_login_ours(&self) -> bool {
        // An empty one is there for a private mount.
        let has_something = |path: &Path| path.metadata().is_ok_and(|metadata| metadata.len() > 0);
        let is_ours = self.store.vault.exists() || has_something(&self.store.config_dir.token_cache());
        is_ours || self.command.subject() != Subject::ManagedIdentity
    }

    fn given(&self) -> GivenCredentials {
        GivenCredentials::to(self.command.effect())
    }

    fn recipient(&self, process: Option<u32>) -> Recipient<'a> {
        let command = self.command.group();
        Recipient { store: self.store, guardian: self.guardian, command, subject: self.command.subject(), process }
    }

    fn abandon(self, az: PendingAz, exposure: Box<dyn Exposure>) -> Result<()> {
        // It ends before what it might have read is settled.
        drop(az);
        self.settle(exposure, Forgetting::Never, AzEnd::NeverBegan)
    }

    fn settle(self, exposure: Box<dyn Exposure>, forgetting: Forgetting, az: AzEnd) -> Result<()> {
        let origin = self.recipient(None).origin();
        #[cfg(windows)]
        self.guardian.have_share_given_up();
        if az != AzEnd::NeverBegan {
            self.store.blank_kept_answers();
        }
        let finding = exposure.settle(self.store, Ending { forgetting, origin, az })?;
        self.policy.note(finding);
        Ok(())
    }
}

impl<'a> Begun<'a> {
    /// Waits until it is certain which exposure it is going to be.
    ///
    /// # Errors
    /// [`Kind::NotStarted`](crate::failure::Kind::NotStarted).
    pub(super) fn hold(self) -> Result<Held<'a>> {
        let Self { launch, az, way } = self;
        match way {
            Way::Certain(exposure) => Ok(Held { launch, az, exposure }),
            #[cfg(target_os = "linux")]
            Way::Private(lock) => match launch.enter(&az, lock) {
                Ok(copy) => Ok(Held { launch, az, exposure: Box::new(copy) }),
                Err(refused) => {
                    drop(az);
                    launch.begin_instead(ExposureKind::Private, refused)?.hold()
                }
            },
        }
    }
}

#[cfg(target_os = "linux")]
impl Launch<'_> {
    /// The copy that `az` sees once it is in its private mount; or why there is none, in words.
    fn enter(&self, az: &PendingAz, lock: SharedLock) -> std::result::Result<PrivateCopy, String> {
        match az.private_files() {
            Ok(Ok(entered)) => PrivateCopy::new(entered, lock, self.given()).ok_or_else(|| "it has no file".to_owned()),
            Ok(Err(refused)) => Err(self.policy.refusals().note_refusal(&refused)),
            Err(error) => Err(format!("the child ended early: {error}")),
        }
    }
}

impl<'a> Held<'a> {
    /// Which exposure it is.
    #[must_use]
    pub(super) fn kind(&self) -> ExposureKind {
        self.exposure.kind()
    }

    /// Exposes the credentials, without the access tokens `left_out` of a private copy. The inner error is what kept it from
    /// doing so: az can be let go all the same.
    ///
    /// # Errors
    /// [`Kind::NotStarted`](crate::failure::Kind::NotStarted).
    pub(super) fn expose(mut self, left_out: &[String]) -> Result<(Exposed<'a>, Result<()>)> {
        let outcome = self.exposure.expose(&self.launch.recipient(self.az.process()), left_out);
        if let Err(failure) = &outcome
            && self.kind() == ExposureKind::Private
        {
            // What the real file has is better than a copy with nothing in it.
            let launch = self.launch;
            launch.plan_instead(ExposureKind::Private, failure.what.clone());
            drop(self);
            self = launch.begin_in_place(Extent::Nothing)?.hold()?;
            self.exposure.expose(&launch.recipient(self.az.process()), &[])?;
        }
        let Self { launch, az, exposure } = self;
        Ok((Exposed { launch, az, exposure }, outcome))
    }

    /// Ends what is not going to be az, and settles.
    ///
    /// # Errors
    /// Whatever kept it from doing so; the guardian tries again, and the next invocation's sweep.
    pub(super) fn abandon(self) -> Result<()> {
        self.launch.abandon(self.az, self.exposure)
    }
}

impl<'a> Exposed<'a> {
    /// What kept the service principals' secrets from this az.
    #[must_use]
    pub(super) fn principals_handicap(&self) -> Option<Failure> {
        self.exposure.principals_handicap().cloned()
    }

    /// Has the guardian watch this az, again after another of the same run that has ended.
    pub(super) fn tell_guardian(&self) {
        self.exposure.tell_guardian(&self.launch.recipient(self.az.process()));
    }

    /// Lets az go.
    #[must_use]
    pub(super) fn start(self) -> Going<'a> {
        let Self { launch, az, exposure } = self;
        // az's caller is not to find a dead process beside az.
        launch.guardian.reap();
        let az = az.start();
        #[cfg(windows)]
        if let Ok(az) = &az {
            // Before this there was none.
            exposure.tell_guardian(&launch.recipient(Some(az.id())));
        }
        Going { launch, exposure, az }
    }

    /// Lets az go, and ends it where it does not succeed before the deadline and before a signal asks us to stop.
    #[must_use]
    pub(super) fn run_within(self, deadline: Duration) -> Ended<'a> {
        let Going { launch, exposure, az } = self.start();
        let has_succeeded = az.is_ok_and(|az| supervise::succeeds_within(az, deadline));
        Ended { launch, exposure, az: AzEnd::of(has_succeeded.then_some(0)) }
    }

    /// Ends what is not going to be az, and settles.
    ///
    /// # Errors
    /// Whatever kept it from doing so; the guardian tries again, and the next invocation's sweep.
    pub(super) fn abandon(self) -> Result<()> {
        self.launch.abandon(self.az, self.exposure)
    }
}

impl<'a> Going<'a> {
    /// Waits for az's end; `beside` runs meanwhile, on a thread of its own, and is told when the end has come.
    pub(super) fn wait(self, beside: impl FnOnce(&End, &dyn Exposure) + Send) -> (Ended<'a>, Result<ExitStatus>) {
        let Self { launch, exposure, az } = self;
        let beside = |end: &End| beside(end, &*exposure);
        #[cfg(target_os = "linux")]
        let status = az.and_then(|az| supervise::wait_for(az, exposure.watched(), beside));
        #[cfg(not(target_os = "linux"))]
        let status = az.and_then(|az| supervise::wait_for(az, beside));
        let status = status.map_err(|error| launch.not_started(&error));
        let az = AzEnd::of(status.as_ref().ok().and_then(ExitStatus::code));
        (Ended { launch, exposure, az }, status)
    }
}

impl Ended<'_> {
    /// How az ended.
    #[must_use]
    pub(super) fn az(&self) -> AzEnd {
        self.az
    }

    /// Settles what az left.
    ///
    /// # Errors
    /// Whatever kept it from doing so; the guardian tries again, and the next invocation's sweep.
    pub(super) fn settle(self, forgetting: Forgetting) -> Result<()> {
        self.launch.settle(self.exposure, forgetting, self.az)
    }
}
