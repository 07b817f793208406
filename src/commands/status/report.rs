//! All that `azward status` looks at, once, for whatever shows it. What cannot be found out is told as such; nothing here
//! fails.

use std::path::PathBuf;

use super::identity::Identity;
use crate::app::App;
use crate::azure::command::Programs;
use crate::azure::known_az::{KnownAz, Shape, Standing, Subject};
use crate::azure::version::Version;
use crate::azure::{TokenStorage, real_az};
use crate::commands::clear::Clear;
use crate::failure::{Failure, Kind};
use crate::journal::{Action, Event};
use crate::run::exposure::policy::{Plan, Policy, Started};
use crate::settings::Provenance;
use crate::store::CredentialStore;
use crate::tokens::renewal::Renewal;
use crate::tokens::sign_in_needed;
use crate::vault::VaultState;

/// How many warnings are shown, newest last.
const WARNINGS: usize = 5;

/// The state of one config directory.
#[derive(Debug)]
pub(super) struct Report {
    /// The login's directory, where this one is a view of it.
    pub(super) view_of: Option<PathBuf>,
    pub(super) real_az: Option<RealAz>,
    pub(super) shim: OnPath,
    /// What runs get: those that start no other program, and all others.
    pub(super) exposures: [Plan; 2],
    /// Who renews tokens, in words.
    pub(super) renewal: String,
    /// The managed identity that commands use.
    pub(super) identity: Option<Identity>,
    pub(super) storage: TokenStorage,
    /// Whose refresh token the system's broker has.
    pub(super) brokered: Vec<String>,
    pub(super) vault: VaultState,
    pub(super) clear: Clear,
    pub(super) warnings: Vec<Event>,
    /// Why a person has to sign in.
    pub(super) sign_in: Option<Failure>,
}

/// The real az, as it would be started here.
#[derive(Debug)]
pub(in crate::commands) struct RealAz {
    pub(in crate::commands) path: PathBuf,
    /// None where its package is not found.
    pub(in crate::commands) version: Option<Version>,
    /// Who names it, where it is not just found.
    pub(super) named_by: Option<Provenance>,
    /// Whether it is answered for, and that in words.
    pub(in crate::commands) answers: (Standing, String),
}

/// The az that a program in this environment starts.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::commands) enum OnPath {
    /// The shim.
    Shim(PathBuf),
    /// Something else, whose path this is.
    Other(PathBuf),
    /// None.
    Nothing,
}

impl RealAz {
    /// Finds it, as the shim does.
    pub(in crate::commands) fn of(app: &App) -> Option<Self> {
        let path = real_az::find(&app.context, &app.settings, &[]).ok()?;
        let setting = app.settings.real_az.iter().find(|setting| setting.value == path);
        let az = KnownAz::at(&app.context, &path);
        let answers = (az.standing(Subject::Token, Shape::Whole), az.line());
        Some(Self { version: az.version(), named_by: setting.map(|setting| setting.provenance), answers, path })
    }
}

impl OnPath {
    /// Looks at this process's own PATH.
    pub(in crate::commands) fn of(app: &App) -> Self {
        let context = &app.context;
        let first = context.variable("PATH").and_then(|path| which::which_in("az", Some(path), ".").ok());
        match first {
            Some(path) if real_az::is_shim(context, &path) => Self::Shim(path),
            Some(path) => Self::Other(path),
            None => Self::Nothing,
        }
    }
}

impl Report {
    /// Looks at everything.
    pub(super) fn of(app: &App, store: &CredentialStore<'_>) -> Self {
        let App { context, journal, .. } = app;
        let login = store.vault.login();
        let real_az = RealAz::of(app);
        let path = real_az.as_ref().map(|az| az.path.clone()).unwrap_or_default();
        let policy = Policy::new(app, &path, Started::Az);
        let vault = store.vault.describe();
        let of_vault = match (&vault.contents, &vault.trouble) {
            (Some(contents), _) => Ok(contents),
            (None, Some(trouble)) => Err(trouble),
            (None, None) => unreachable!("a vault opens or tells why it does not"),
        };
        let known = real_az.as_ref().map(|az| KnownAz::at(context, &az.path));
        let identity = Identity::of(store, known.as_ref());
        Self {
            view_of: login.is_viewed_in(store.config_dir).then(|| login.directory().to_owned()),
            shim: OnPath::of(app),
            exposures: [Programs::None, Programs::Any].map(|programs| policy.try_out(programs)),
            renewal: match (&real_az, &identity) {
                (Some(_), Some(identity)) => identity.renewal(),
                (Some(az), None) => Renewal { context, real_az: &az.path }.line(store.config_dir),
                (None, _) => "by nobody: there is no real az".to_owned(),
            },
            identity,
            real_az,
            storage: store.token_storage(),
            brokered: store.brokered_users(),
            clear: Clear::of(context, store),
            warnings: warnings(journal.recent()),
            sign_in: sign_in_needed(store, of_vault),
            vault,
        }
    }

    /// All that is not as it should be, what matters most first; nothing where az gets its tokens here without anybody's help.
    pub(super) fn troubles(&self, app: &App) -> Vec<Failure> {
        let no_az = || {
            let hint = "install the Azure CLI, or name it in AZWARD_REAL_AZ";
            Failure::new(Kind::NoRealAz, "there is no real az behind azward", hint)
        };
        let no_az = self.real_az.is_none().then(no_az);
        let settings = app.settings_failure.clone();
        let all = [self.sign_in.clone(), self.vault.trouble.clone(), self.clear.verdict().err(), no_az, settings];
        all.into_iter().flatten().collect()
    }
}

fn warnings(events: Vec<Event>) -> Vec<Event> {
    let mut warnings: Vec<Event> = events.into_iter().filter(|event| event.action == Action::Warning).collect();
    warnings.drain(..warnings.len().saturating_sub(WARNINGS));
    warnings
}
