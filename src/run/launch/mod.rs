//! The launch of one az with the secrets at hand, from the fork of a child that waits to become it until everything is
//! settled: by private exposure, in place, or not at all. What the system refuses is told, remembered, and done in place
//! instead.

use std::process::ExitStatus;
use std::sync::Mutex;
use std::time::Duration;

use crate::azure::Command;
use crate::azure::command::AccountEffect;
use crate::credentials::CredentialFile;
use crate::credentials::merge::Base;
use crate::credentials::origin::Origin;
use crate::failure::{Failure, Kind, Result};
use crate::run::exposure::in_place::Exposed;
use crate::run::exposure::policy::{self, Exposure, ExposureKind, Plan};
use crate::run::exposure::private::PrivateCopy;
use crate::run::exposure::temp_cache;
use crate::run::guardian::Guardian;
use crate::run::keep_alive::End;
use crate::run::run_variable::RunVariable;
use crate::run::supervise::WaitingAz;
use crate::settings::ExposureChoice;
use crate::store::lease::MountLock;
use crate::store::{CredentialStore, Forgetting, Handed};
use crate::sys::PrivateMount;

/// One az and what is handed to it.
#[derive(Debug)]
pub struct Launch<'a> {
    store: &'a CredentialStore<'a>,
    exposure: &'a Exposure<'a>,
    guardian: &'a Guardian,
    start: Start<'a>,
    az: Option<WaitingAz>,
    plan: Plan,
    mount_lock: Option<MountLock>,
    held: Held,
}

/// How az is started.
#[derive(Clone, Copy, Debug)]
pub struct Start<'a> {
    /// What it is to do.
    pub command: &'a Command<'a>,
    /// The run variable for it.
    pub run_variable: &'a RunVariable,
    /// Whether it has nothing of the caller's standard streams.
    pub is_quiet: bool,
}

/// How an az ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AzEnd {
    /// With exit code 0.
    Succeeded,
    /// With another one, by a signal, or it was never let go.
    Failed,
}

impl AzEnd {
    /// Where it is known whether it did what it was told.
    #[must_use]
    pub fn of(has_succeeded: bool) -> Self {
        if has_succeeded { Self::Succeeded } else { Self::Failed }
    }
}

/// What is held while az runs.
#[derive(Debug)]
enum Held {
    Nothing,
    InPlace(Exposed),
    Private(Box<PrivateCopy>),
}

impl<'a> Launch<'a> {
    /// Forks the child that waits to become az; in a private mount if that is the plan.
    ///
    /// # Errors
    /// [`Kind::NotStarted`].
    pub fn begin(
        store: &'a CredentialStore<'a>,
        exposure: &'a Exposure<'a>,
        guardian: &'a Guardian,
        start: Start<'a>,
    ) -> Result<Self> {
        let mut plan = exposure.plan(start.command);
        let handed = Handed::to(start.command.effect());
        if plan == Plan::Private && handed != Handed::Nothing && store.has_nothing() {
            plan = Plan::InPlace("there is nothing to hand over yet".to_owned());
        }
        // What an unwrapped az left in the real file is not to lie there for as long as the run takes, and of two refresh
        // tokens it is to be known which is good before az is handed one. What keeps it there now is told when the secrets
        // are handed over.
        let _ = store.sweep();
        let mut launch =
            Self { store, exposure, guardian, start, az: None, plan, mount_lock: None, held: Held::Nothing };
        let mount = if launch.plan == Plan::Private { launch.mount() } else { None };
        launch.az = Some(launch.fork(mount.as_ref())?);
        if !start.is_quiet {
            guardian.watch_waiting(launch.process());
        }
        Ok(launch)
    }

    /// Waits until it is certain which exposure it is going to be, and says which.
    ///
    /// # Errors
    /// [`Kind::NotStarted`].
    pub fn kind(&mut self) -> Result<ExposureKind> {
        if self.plan != Plan::Private {
            return Ok(ExposureKind::InPlace);
        }
        if matches!(self.held, Held::Private(_)) {
            return Ok(ExposureKind::Private);
        }
        let refused = match self.az.as_ref().map(|az| az.child().private_file()) {
            Some(Ok(Ok(private))) => {
                self.held = Held::Private(Box::new(PrivateCopy {
                    file: private.file,
                    namespace: Some(private.namespace),
                    base: Base::default(),
                    handed: self.handed(),
                    brought: Mutex::default(),
                    mount_lock: self.mount_lock.take(),
                    watch: None,
                }));
                return Ok(ExposureKind::Private);
            }
            Some(Ok(Err(refused))) => self.exposure.note_refusal(&refused),
            Some(Err(error)) => format!("the child ended early: {error}"),
            None => "there is no child".to_owned(),
        };
        self.go_without_mount(refused)?;
        Ok(ExposureKind::InPlace)
    }

    /// Hands the secrets over, without the access tokens `left_out` of a private copy.
    ///
    /// # Errors
    /// Whatever kept it from doing so; az can be run all the same.
    pub fn expose(&mut self, left_out: &[String]) -> Result<()> {
        self.kind()?;
        let process = self.process();
        match std::mem::replace(&mut self.held, Held::Nothing) {
            Held::Private(mut copy) => match self.store.expose_privately(&mut copy, self.origin(), left_out) {
                Ok(()) => {
                    copy.base.note_names(temp_cache::names_in(self.store.config_dir.path()));
                    copy.watch = self.store.watch(&copy);
                    self.guardian.watch_private(process, &copy, self.start.command.group());
                    self.held = Held::Private(copy);
                    Ok(())
                }
                Err(failure) => {
                    // What the real file has is better than a copy with nothing in it.
                    self.go_without_mount(failure.what.clone())?;
                    self.hold_unexposed(self.process());
                    Err(failure)
                }
            },
            _ if self.handed() == Handed::Nothing => {
                self.hold_unexposed(process);
                Ok(())
            }
            _ if self.plan == Plan::Nothing => {
                self.hold_unexposed(process);
                match self.start.command.effect() {
                    AccountEffect::Clear => Ok(()),
                    _ => Err(policy::refused("private exposure is set and cannot be had")),
                }
            }
            _ => {
                // No lock is held while a keyring waits for a person.
                let prepared = if self.store.has_nothing() { Ok(()) } else { self.store.prepare_vault() };
                // Asked before this run needs the file too.
                let order = self.store.order();
                // Before the first byte is in the clear.
                self.hold_unexposed(process);
                prepared?;
                let exposed = self.store.expose(self.origin(), order)?;
                if let Held::InPlace(held) = &mut self.held {
                    held.before = exposed.before;
                    held.share = held.share.take().or(exposed.share);
                }
                Ok(())
            }
        }
    }

    /// Lets az go and waits for its end; see [`WaitingAz::run`].
    ///
    /// # Errors
    /// [`Kind::NotStarted`].
    pub fn run(&mut self, beside: impl FnOnce(&End, Option<&PrivateCopy>) + Send) -> Result<ExitStatus> {
        let Some(az) = self.az.take() else { return Err(no_child()) };
        let copy = match &self.held {
            Held::Private(copy) => Some(&**copy),
            _ => None,
        };
        az.run(|end| beside(end, copy))
    }

    /// See [`WaitingAz::succeeds_within`].
    #[must_use]
    pub fn succeeds_within(&mut self, deadline: Duration) -> bool {
        self.az.take().is_some_and(|az| az.succeeds_within(deadline))
    }

    /// Settles what az left, or what was handed to one that never ran.
    ///
    /// # Errors
    /// Whatever kept it from doing so; the guardian tries again, and the next invocation's sweep.
    pub fn settle(mut self, forgetting: Forgetting, end: AzEnd) -> Result<()> {
        drop(self.az.take());
        let by = self.origin();
        match self.held {
            Held::Nothing => Ok(()),
            Held::InPlace(exposed) => self.store.settle(exposed, forgetting, by),
            Held::Private(mut copy) => {
                let temp_caches = match end {
                    AzEnd::Failed => temp_cache::take_in(self.store, &copy)?,
                    AzEnd::Succeeded => Vec::new(),
                };
                self.store.settle_privately(&mut copy, forgetting, by)?;
                if temp_cache::clear_up(self.store, &temp_caches)? {
                    self.exposure.note_rename();
                }
                Ok(())
            }
        }
    }

    /// Has the guardian watch this az: it goes by what another of the same run has exposed in place, and may outlive a
    /// shim that is killed.
    pub fn hold_in_place(&mut self) {
        self.hold_unexposed(self.process());
    }

    /// Says that this az needs no more of what another of the same run has exposed in place. The guardian has the same
    /// share, and may not hear of it.
    pub fn let_go_in_place(&mut self) {
        if let Held::InPlace(exposed) = &mut self.held
            && let Some(share) = exposed.share.take()
        {
            // Where it cannot be given up it goes with its last holder.
            let _ = share.give_up();
        }
    }

    /// Has the guardian watch this az again, after another of the same run that has ended.
    pub fn watch_again(&self) {
        if let Held::InPlace(exposed) = &self.held {
            self.guardian.watch_in_place(self.process(), exposed.share.as_ref(), self.start.command.group());
        }
    }

    fn hold_unexposed(&mut self, process: u32) {
        let exposed = self.store.unexposed(self.handed());
        self.guardian.watch_in_place(process, exposed.share.as_ref(), self.start.command.group());
        self.held = Held::InPlace(exposed);
    }

    /// The private mount over the token cache, which is made if it is not there; `None`, and another plan, if that cannot be.
    fn mount(&mut self) -> Option<PrivateMount> {
        let stage = self.store.app.context.azward_home.join("run/stage");
        let presence = self.store.app.context.home_lock.enter();
        let made = presence
            .and_then(|_presence| crate::private::make_dir(&stage))
            .and_then(|()| self.store.make_placeholder())
            .and_then(|()| {
                // Before there is something that a rename could take away.
                self.mount_lock = Some(self.store.lease.mount_lock()?);
                Ok(())
            });
        let target = self.store.cache.target();
        let mount = match made {
            Ok(()) => PrivateMount::over(&target, &stage, 0o600).map_err(|error| error.to_string()),
            Err(failure) => Err(failure.what),
        };
        match mount {
            Ok(Ok(mount)) => return Some(mount),
            Ok(Err(reason)) => self.plan = self.instead(reason.to_owned()),
            Err(reason) => self.plan = self.instead(reason),
        }
        self.mount_lock = None;
        None
    }

    fn go_without_mount(&mut self, reason: String) -> Result<()> {
        self.mount_lock = None;
        self.plan = self.instead(reason);
        self.az = None;
        self.az = Some(self.fork(None)?);
        Ok(())
    }

    /// The plan when private exposure cannot be had.
    fn instead(&self, reason: String) -> Plan {
        match self.exposure.choice() {
            ExposureChoice::Private => {
                self.store.app.journal.warn(self.store.app.context.now(), &policy::refused(&reason));
                Plan::Nothing
            }
            _ => Plan::InPlace(reason),
        }
    }

    fn fork(&self, mount: Option<&PrivateMount>) -> Result<WaitingAz> {
        let Start { command, run_variable, is_quiet } = self.start;
        let run_variable =
            run_variable.within(if mount.is_some() { ExposureKind::Private } else { ExposureKind::InPlace });
        let context = &self.store.app.context;
        WaitingAz::fork(context, self.exposure.real_az(), command.arguments(), &run_variable, mount, is_quiet)
    }

    fn origin(&self) -> Origin<'a> {
        Origin::Command(self.start.command.group())
    }

    fn handed(&self) -> Handed {
        Handed::to(self.start.command.effect())
    }

    fn process(&self) -> u32 {
        self.az.as_ref().map_or(0, |az| az.child().id())
    }
}

fn no_child() -> Failure {
    Failure::new(Kind::NotStarted, "the real az was started already", "report this with the command's name")
}
