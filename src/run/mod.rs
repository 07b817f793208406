//! A run: one execution of the real az on a caller's behalf, with the secrets at hand for as long as it takes. This is its
//! time line; the steps are in the modules below. Whatever goes wrong on our side, az still runs, and nothing is
//! deleted that is not stored.

mod adal;
#[cfg(any(target_os = "linux", target_os = "macos"))]
mod az_keyring;
mod certificates;
mod copied;
pub(crate) mod exposure;
mod forgetting;
mod give_back;
pub mod guard;
pub mod guardian;
pub(crate) mod idle;
mod keep_alive;
mod launch;
mod logged_out;
mod manifest;
mod principals;
pub mod run_variable;
mod settling;
pub mod supervise;
mod sweep_record;
mod through_az;
mod unused_login;
mod whole_files;

use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

pub use certificates::MovedCertificate;

use crate::app::App;
use crate::azure::clouds::Cloud;
use crate::azure::command::{AccountEffect, TokenRequest};
use crate::azure::known_az::KnownAz;
use crate::azure::profile::Profile;
use crate::azure::{Command, ConfigDir};
use crate::failure::{Failure, Kind, Result};
use crate::home;
use crate::journal::{Action, Event};
use crate::run::exposure::ExposureKind;
use crate::run::exposure::policy::{Policy, Started};
use crate::run::forgetting::forgetting;
use crate::run::guardian::Guardian;
use crate::run::launch::{Launch, Streams};
use crate::run::run_variable::RunVariable;
use crate::secret::wipe_stack;
use crate::store::{CredentialStore, Forgetting};
use crate::sys;
use crate::tokens::{Acquired, Flight, Renew, TokenKey, Tokens, Who};

/// How long one's turn takes to come where somebody else had it.
const SHORTEST_WAIT: Duration = Duration::from_millis(20);

/// One execution of the real az on a caller's behalf.
#[derive(Debug)]
pub struct Run<'a> {
    /// This process.
    pub app: &'a App,
    /// The config directory that az will use.
    pub config_dir: &'a ConfigDir,
    /// What is executed: the real az, or a program that uses az.
    pub program: PathBuf,
    /// The real az, which renews tokens where only it can; where there is none, nobody does.
    pub real_az: Option<PathBuf>,
    /// The run variable for what is started.
    pub run_variable: RunVariable,
}

/// Whether the endpoint was asked already for the token that a run hands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It was not.
    Not,
    /// It was, or was not to be, and there is none: what is left is for az to say, and nothing is asked twice.
    InVain,
}

/// How a run ended.
#[derive(Debug)]
pub struct Finished {
    /// How az ended: ours is to be the same.
    pub status: ExitStatus,
    /// What kept us from handing the secrets over. It is only worth a word if az failed.
    pub handicap: Option<Failure>,
}

impl Run<'_> {
    /// Sweeps, rotates if due, exposes, runs az, harvests, scrubs. Of many that wait for their turn to have az get a token the
    /// first one gets it for all: whoever has waited asks `answer` whether that is what he is for.
    ///
    /// # Errors
    /// [`Kind::NotStarted`] when az could not be started; the file is scrubbed all the same.
    pub fn perform(&self, command: &Command<'_>, asked: Asked, answer: &dyn Fn() -> bool) -> Result<Finished> {
        sys::take_signals();
        let began = Instant::now();
        let store = CredentialStore::new(self.app, self.config_dir);
        #[cfg(any(target_os = "linux", target_os = "macos"))]
        store.take_in_keyring_items();
        let storage = store.token_storage();
        let started = if command.name().is_some() { Started::Program } else { Started::Az };
        let policy = Policy::new(self.app, &self.program, started);
        let guardian = Guardian::start(&self.app.context);
        let known = KnownAz::at(&self.app.context, self.real_az.as_deref().unwrap_or(&self.program));
        let launch = Launch {
            store: &store,
            policy: &policy,
            guardian: &guardian,
            command,
            run_variable: &self.run_variable,
            streams: Streams::Callers,
            storage,
            known: &known,
        };
        let begun = launch.begin()?;
        let request = command.likely_request();
        let wanted =
            self.wanted(&store, command, request.as_ref()).filter(|_| storage.is_file() && !known.keeps_adal_tokens());
        let tokens = Tokens { store: &store, real_az: self.real_az.as_deref(), command: command.group() };
        let is_for_a_token = command.group().is_for_a_token();
        let to_renew = wanted.as_ref().filter(|_| asked == Asked::Not);
        let left_to_az = to_renew.and_then(|wanted| Self::renew_if_due(&tokens, wanted, is_for_a_token));
        let left_to_az = left_to_az.filter(|_| self.real_az.is_some());
        let (waited, since) = (Instant::now(), self.app.context.now());
        let mut turn = if is_for_a_token || left_to_az.is_some() { store.writer_lock() } else { None };
        let has_waited = turn.is_some() && waited.elapsed() > SHORTEST_WAIT;
        let held = begun.hold()?;
        if has_waited && sys::pending_signal().is_none() && answer() {
            if self.is_settled(held.abandon()) {
                drop(guardian.dismiss());
            }
            return Ok(Finished { status: ExitStatus::default(), handicap: None });
        }
        if has_waited && wanted.as_ref().is_some_and(|wanted| tokens.has_az_failed_since(wanted, since)) {
            // So will this one, which then writes nothing, and nobody has to wait for it.
            turn = None;
        }
        let kind = held.kind();
        if let Some(signal) = sys::pending_signal() {
            self.end_by(signal, held.abandon(), &guardian);
        }
        let through_az = wanted.as_ref().zip(left_to_az);
        let renew_through_az = |wanted: &TokenKey, flight: &Flight| {
            let arguments = through_az::arguments(request.as_ref());
            let command = Command::parse(&arguments);
            let policy = Policy::new(self.app, self.real_az.as_deref().unwrap_or(&self.program), Started::Az);
            let quiet = Launch { command: &command, policy: &policy, streams: Streams::Nobodys, ..launch };
            self.renew_through_az(wanted, flight, &tokens, quiet, kind);
        };
        if kind == ExposureKind::Private
            && let Some((wanted, flight)) = &through_az
        {
            renew_through_az(wanted, flight);
        }
        let (exposed, handicap) = held.expose(&[])?;
        let handicap = handicap.err();
        if let Some(failure) = &handicap {
            self.warn(failure);
        }
        if kind.is_shared()
            && handicap.is_none()
            && let Some((wanted, flight)) = &through_az
        {
            renew_through_az(wanted, flight);
            exposed.tell_guardian();
        }
        if through_az.is_some() {
            turn = turn.filter(|_| is_for_a_token);
        }
        drop(through_az);
        if let Some(signal) = sys::pending_signal() {
            self.end_by(signal, exposed.abandon(), &guardian);
        }
        let principals_handicap = exposed.principals_handicap();
        let going = exposed.start();
        // While az begins.
        wipe_stack();
        home::close_files(&self.app.context);
        let (ended, status) = going.wait(|end, exposure| {
            if wanted.is_some() || exposure.watched().is_some() {
                keep_alive::keep_alive(&tokens, wanted.as_ref(), exposure, end);
            }
        });
        let forgetting = forgetting(command, ended.az(), storage);
        let farewell = self.is_settled(ended.settle(forgetting)).then(|| guardian.dismiss());
        if forgetting == Forgetting::Removed && !known.keeps_adal_tokens() {
            self.is_settled(store.forget_adal_file());
        }
        store.drop_outdated_identities();
        if turn.is_some()
            && let Some(wanted) = &wanted
            && status.as_ref().is_ok_and(|status| status.code() == Some(1))
        {
            tokens.note_failed_az(wanted);
        }
        drop(turn);
        if let Ok(status) = &status {
            self.note(command, wanted, status, began);
        }
        drop(farewell);
        let status = status?;
        // A cache that is not one makes az fail in its own words, and where azward is no more az is on its own; everything
        // else that we could not do is ours to say.
        let is_az_s = |kind| matches!(kind, Kind::CacheForeign | Kind::Gone);
        let handicap = handicap.filter(|failure| !is_az_s(failure.kind) && !status.success());
        // So it ends for want of a login; what it says of arguments and resources has other codes.
        let may_lack_a_login = status.code() == Some(1) && command.effect() == AccountEffect::Nothing;
        let reason = || store.login_left_unused(storage).or_else(|| store.login_of_the_original());
        // It is of no concern where nobody but persons is signed in.
        let is_of_concern =
            || Profile::read(&self.config_dir.profile()).subscriptions.iter().any(|one| one.user.is_application());
        let principals_handicap =
            principals_handicap.filter(|failure| may_lack_a_login && !is_az_s(failure.kind) && is_of_concern());
        let handicap = handicap.or(principals_handicap).or_else(|| may_lack_a_login.then(reason).flatten());
        Ok(Finished { status, handicap })
    }

    /// The token that the command is going to hand out, or to use for Resource Manager. Logging in and out need none; which
    /// one only az can tell, only az gets.
    fn wanted(
        &self,
        store: &CredentialStore<'_>,
        command: &Command<'_>,
        request: Option<&TokenRequest>,
    ) -> Option<TokenKey> {
        let is_about_it = matches!(command.effect(), AccountEffect::Nothing | AccountEffect::Unknown);
        // A certificate needs no vault.
        if !is_about_it || !(store.vault.exists() || store.principals.is_there()) {
            return None;
        }
        let App { context, .. } = self.app;
        match request {
            None if command.group().is_for_a_token() => None,
            Some(request) => {
                let cloud = Cloud::active(context, self.config_dir)?;
                let wanted = TokenKey::requested(context, self.config_dir, &cloud, request).map(|(wanted, _)| wanted);
                // az has no cache to find that one in.
                wanted.filter(|wanted| wanted.who != Who::ManagedIdentity)
            }
            None => TokenKey::for_resource_manager(context, self.config_dir),
        }
    }

    /// Renews the token if it is due. What is returned is the right to have the real az do so first, where it is az's to do:
    /// not where the command itself is about to.
    fn renew_if_due(tokens: &Tokens<'_>, wanted: &TokenKey, is_for_a_token: bool) -> Option<Flight> {
        match tokens.acquire(wanted, Renew::IfAllAreDue) {
            Acquired::LeftToAz if is_for_a_token && !tokens.has_usable(wanted) => None,
            Acquired::LeftToAz => tokens.hand_to_az(wanted),
            _ => None,
        }
    }

    fn renew_through_az(
        &self,
        wanted: &TokenKey,
        flight: &Flight,
        tokens: &Tokens<'_>,
        az: Launch<'_>,
        kind: ExposureKind,
    ) {
        let began = Instant::now();
        let now = self.app.context.now();
        let outcome = match kind {
            ExposureKind::Private => through_az::rotate_privately(wanted, tokens.store, az, now),
            ExposureKind::Memory | ExposureKind::InPlace => through_az::rotate_in_place(wanted, tokens.store, az, now),
        };
        // One that a signal ended may well have been able to.
        if !matches!(outcome, Ok(true)) && sys::pending_signal().is_none() {
            flight.back_off_from_az(self.app.context.now());
        }
        let outcome = match outcome {
            Ok(true) => "renewed by the real az".to_owned(),
            Ok(false) => "not renewed by the real az: the old token serves".to_owned(),
            Err(failure) => failure.what,
        };
        tokens.note(wanted, outcome, began);
    }

    /// Whether all is settled; what is not is told.
    fn is_settled(&self, outcome: Result<()>) -> bool {
        if let Err(failure) = &outcome {
            self.warn(failure);
        }
        outcome.is_ok()
    }

    /// Ends this process by a signal that arrived before az was let go. What cannot be settled without a wait is left to the
    /// guardian.
    fn end_by(&self, signal: i32, abandoned: Result<()>, guardian: &Guardian) -> ! {
        if self.is_settled(abandoned) {
            drop(guardian.dismiss());
        }
        sys::die_of(signal)
    }

    /// That a signal ended a wait is nothing to warn of.
    fn warn(&self, failure: &Failure) {
        if failure.kind != Kind::Interrupted {
            self.app.journal.warn(self.app.context.now(), failure);
        }
    }

    fn note(&self, command: &Command<'_>, wanted: Option<TokenKey>, status: &ExitStatus, began: Instant) {
        let mut event = Event::new(self.app.context.now(), Action::Run, status.to_string());
        event.command = Some(command.group().to_string());
        if let Some(wanted) = wanted {
            event.account = Some(wanted.username);
            event.tenant = Some(wanted.tenant);
            // What stands in the arguments of a run is its caller's, until az has a token for it.
            let is_handed_out = command.token_request().is_some() && status.success();
            event.scope = (is_handed_out || !command.group().is_for_a_token()).then_some(wanted.scope);
        }
        event.caller = sys::process_name(sys::parent_id());
        event.milliseconds = u64::try_from(began.elapsed().as_millis()).ok();
        self.app.journal.record(&event);
    }
}
