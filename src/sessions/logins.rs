//! The logins that have a name: `default`, which is the user's own `~/.azure`, and those that `azward login` has made, each a
//! config directory in the azward home's `logins`. The directories are the register: what is there is a login.

use std::path::PathBuf;
use std::time::Duration;

use super::directory::furnish_login;
use super::slug::{NAME_HINT, is_name};
use crate::app::App;
use crate::azure::ConfigDir;
use crate::context::Context;
use crate::failure::{Failure, Kind, Result};
use crate::home_lock::Alone;
use crate::private;
use crate::run::idle;
use crate::store::CredentialStore;
use crate::store::lease::Lease;
use crate::text;

/// How long to wait for whoever creates something in the azward home.
const LOCK_DEADLINE: Duration = Duration::from_secs(10);

/// The name of the user's own.
pub const DEFAULT: &str = "default";

/// One login that has a name.
#[derive(Clone, Debug)]
pub struct NamedLogin {
    /// The name.
    pub name: String,
    /// Its config directory.
    pub config_dir: ConfigDir,
}

impl NamedLogin {
    /// The login called `name`, be it there or not.
    ///
    /// # Errors
    /// `Usage` for what cannot be a name.
    pub fn named(context: &Context, name: &str) -> Result<Self> {
        if !is_name(name) {
            return Err(Failure::new(Kind::Usage, format!("`{}` is no name for a login", text::name(name)), NAME_HINT));
        }
        let directory = if name == DEFAULT { context.home.join(".azure") } else { directory(context).join(name) };
        Ok(Self { name: name.to_owned(), config_dir: ConfigDir::at(&directory) })
    }

    /// The same, if it is there.
    ///
    /// # Errors
    /// `Usage`.
    pub fn existing(context: &Context, name: &str) -> Result<Self> {
        let login = Self::named(context, name)?;
        match login.is_there() {
            true => Ok(login),
            false => Err(Failure::new(
                Kind::Usage,
                format!("there is no login `{name}`"),
                "`azward list` names them; `azward login NAME` makes one",
            )),
        }
    }

    /// Whether it has a directory.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.config_dir.path().is_dir()
    }

    /// Whether it is the user's own, and not of azward's making.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.name == DEFAULT
    }

    /// Makes its directory, which is the user's alone, with the settings of the user's own; az signs in there to `cloud`.
    ///
    /// # Errors
    /// `Storage`, `Gone`; `Usage` for another cloud in the user's own directory, and for one that cannot be a name.
    pub fn make(&self, context: &Context, cloud: Option<&str>) -> Result<()> {
        let own = Self::named(context, DEFAULT)?;
        if self.is_default() {
            return match cloud {
                None => Ok(()),
                Some(_) => Err(Failure::new(
                    Kind::Usage,
                    "the cloud of the user's own config directory is az's to change",
                    "use `az cloud set`, or give the login a name of its own",
                )),
            };
        }
        if cloud.is_some_and(|cloud| cloud.is_empty() || cloud.chars().any(|letter| letter.is_control())) {
            return Err(Failure::new(Kind::Usage, "that is no name of a cloud", "`az cloud list` names them"));
        }
        {
            let _presence = context.home_lock.enter()?;
            private::make_dir(self.config_dir.path())?;
        }
        furnish_login(&self.config_dir, &own.config_dir, cloud)
    }

    /// Says that nobody works or signs in in its directory; `_alone` keeps everybody from beginning to.
    ///
    /// # Errors
    /// `Busy` while somebody does, `Storage`.
    pub fn expect_idle(&self, app: &App, alone: &Alone) -> Result<()> {
        let context = &app.context;
        let is_at_work = idle::at_work(&context.azward_home, Some(self.config_dir.id()), alone).is_some();
        if is_at_work || Lease::of(context, &self.config_dir).login_since()?.is_some() {
            return Err(Failure::new(
                Kind::Busy,
                format!("an az is running in the login `{}`", self.name),
                "run this again when that has ended",
            ));
        }
        Ok(())
    }

    /// Removes the directory of one that nobody has signed in to, not even meanwhile.
    ///
    /// # Errors
    /// `Busy` while somebody is at work there, `Storage`.
    pub fn remove_unless_used(&self, app: &App) -> Result<()> {
        let alone = app.context.home_lock.alone(LOCK_DEADLINE)?;
        self.expect_idle(app, &alone)?;
        let store = CredentialStore::new(app, &self.config_dir);
        if store.vault.exists() || store.is_in_the_clear() {
            return Ok(());
        }
        let path = self.config_dir.path();
        std::fs::remove_dir_all(path).map_err(|error| Failure::storage("remove", path, &error))
    }

    /// Every login that is there, the user's own first.
    #[must_use]
    pub fn all(context: &Context) -> Vec<Self> {
        let entries = std::fs::read_dir(directory(context)).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.retain(|name| name != DEFAULT);
        names.sort();
        let all = std::iter::once(DEFAULT.to_owned()).chain(names);
        all.filter_map(|name| Self::named(context, &name).ok()).filter(Self::is_there).collect()
    }
}

/// Where those are that azward made.
fn directory(context: &Context) -> PathBuf {
    context.azward_home.join("logins")
}
