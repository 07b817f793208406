//! Uninstalls and installs in the midst of the crowd: the state that they leave, whom they may have met, and whether the first
//! user's login is where one of the two has it, in the token cache or in a vault that its key opens.
//!
//! The installed shim stands first on the crowd's PATH. While it is taken out, what the crowd looks up as `az` is the real
//! one, alone with the only copy of every login: nobody is killed then, because an az that dies while it writes takes them
//! along, as it always did.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use azward::azure::ConfigDir;
use azward::context::Context;
use azward::helper::{self, Helper};
use azward::settings::Settings;
use azward::vault::{Contents, Vault};
use entra::{Entra, User};
use serde_json::Value;

use crate::Plan;
use crate::cast::{Deed, Stage};
use crate::principals;
use crate::support::chance::Chance;
use crate::support::{Invocation, Sandbox};

/// The longest time between two of them; the first comes after this.
const PAUSE: Duration = Duration::from_millis(3000);

/// For how long before most uninstalls the crowd lets up: beside one in full swing an uninstall only finds out that
/// somebody is always at work.
const LULL: Duration = Duration::from_millis(2500);

/// How long a file may be half written, or not there, before what it holds counts as lost.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) struct Upheaval<'a> {
    sandbox: &'a Sandbox,
    plan: &'a Plan,
    is_under_way: bool,
    next: Instant,
    has_lull: bool,
}

/// Installs azward into the box, and puts the shim that it installed first on PATH, where the box's own was.
pub(crate) fn install_first(sandbox: &Sandbox) {
    sandbox.azward(["install", "--no-modify-path"]).run().ok();
    let mut path: Vec<PathBuf> = std::env::split_paths(&sandbox.environment()[OsStr::new("PATH")]).collect();
    path[0] = shim(sandbox).parent().expect("it is a file").to_owned();
    sandbox.set_env("PATH", std::env::join_paths(path).expect("no colon in it"));
}

fn shim(sandbox: &Sandbox) -> PathBuf {
    sandbox.azward_home().join("bin/az")
}

/// Which shim it is: no other one, before or after, is equal.
pub(crate) type Shim = (u64, i64, i64);

/// The shim that is installed.
pub(crate) fn installed(sandbox: &Sandbox) -> Option<Shim> {
    use std::os::unix::fs::MetadataExt;

    let metadata = fs::metadata(shim(sandbox)).ok()?;
    Some((metadata.ino(), metadata.ctime(), metadata.ctime_nsec()))
}

/// An uninstall. The installed program goes with it; where it is gone already (an install or uninstall was killed), one that
/// was kept somewhere can do it again.
pub(crate) fn uninstall(sandbox: &Sandbox) -> Invocation<'_> {
    let own = sandbox.azward_home().join("bin/azward");
    if own.exists() { Invocation::new(sandbox, own).args(["uninstall"]) } else { sandbox.azward(["uninstall"]) }
}

impl<'a> Upheaval<'a> {
    pub(crate) fn new(sandbox: &'a Sandbox, plan: &'a Plan) -> Self {
        Self { sandbox, plan, is_under_way: false, next: Instant::now() + PAUSE, has_lull: true }
    }

    /// Whether azward is installed and nobody is changing that: whoever is started then is wrapped.
    pub(crate) fn is_calm(&self) -> bool {
        !self.is_under_way && installed(self.sandbox).is_some()
    }

    pub(crate) fn is_lull(&self) -> bool {
        self.is_under_way || self.has_lull && self.next.saturating_duration_since(Instant::now()) < LULL
    }

    /// The next install or uninstall, when its time has come and, after a lull, the runs from before it have ended. No
    /// uninstall is begun any more near the end.
    pub(crate) fn next(&mut self, chance: &mut Chance, has_runs: bool, stage: Stage) -> Option<Deed> {
        let may_uninstall = stage == Stage::Open;
        let now = Instant::now();
        if self.is_under_way || now < self.next || self.has_lull && has_runs && now < self.next + PATIENCE {
            return None;
        }
        let is_installed = installed(self.sandbox).is_some();
        if is_installed && !may_uninstall {
            return None;
        }
        self.is_under_way = true;
        // One that was cut short or refused is given again as often as it is undone.
        let is_uninstall = is_installed || may_uninstall && chance.percent(15);
        if is_uninstall {
            return Some(Deed::Uninstall);
        }
        self.write_settings();
        Some(Deed::Install)
    }

    /// The settings of this race, which went with the azward home. In one piece: there are readers.
    fn write_settings(&self) {
        let home = self.sandbox.azward_home();
        if home.join("config.toml").exists() {
            return;
        }
        let draft = self.sandbox.root().join("settings");
        let Plan { exposure, seal, .. } = self.plan;
        let text = format!("exposure = \"{exposure}\"\nseal = \"{seal}\"\n");
        fs::write(&draft, text).expect("the box can be written");
        let _ = fs::create_dir(&home);
        let _ = fs::set_permissions(&home, std::os::unix::fs::PermissionsExt::from_mode(0o700));
        fs::rename(&draft, home.join("config.toml")).expect("the box can be written");
    }

    /// One of them has ended, somehow.
    pub(crate) fn ended(&mut self, chance: &mut Chance) {
        self.is_under_way = false;
        self.has_lull = chance.percent(75);
        self.next = Instant::now() + chance.moment(PAUSE) + if self.has_lull { LULL } else { Duration::ZERO };
    }
}

/// Looks for alice's refresh token, one that the endpoint takes, and for the first principal's secret: in az's files, where they were
/// given back, or in a vault that its key opens. What is wrong if one is in neither.
pub(crate) fn is_somewhere(sandbox: &Sandbox, entra: &Entra) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (cache, opened) = (in_the_cache(sandbox), the_vault(sandbox));
        let is_principal_there = principals::is_in(sandbox, entra, opened.as_ref().ok());
        let vault = opened.map(|contents| {
            let entries = contents.records.iter().map(|kept| kept.entry.expose());
            alices(entries.map(|entry| serde_json::from_slice(entry).unwrap_or_default()))
        });
        let is_good = |tokens: &Result<Vec<String>, String>| {
            tokens.as_ref().is_ok_and(|tokens| tokens.iter().any(|token| entra.is_refresh_token_good(token)))
        };
        if is_principal_there && (is_good(&cache) || is_good(&vault)) {
            return Ok(());
        }
        if Instant::now() > deadline {
            let told = |tokens: Result<Vec<String>, String>| tokens.map(|tokens| tokens.len());
            let home: Vec<_> = files(&sandbox.azward_home());
            return Err(format!(
                "the cache: {:?}, the vault: {:?}, the principal's secret: {is_principal_there}, left: {home:?}",
                told(cache),
                told(vault)
            ));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The secrets of alice's entries.
fn alices(entries: impl Iterator<Item = Value>) -> Vec<String> {
    entries
        .filter(|entry| entry["home_account_id"] == User::Alice.home_account_id())
        .filter_map(|entry| entry["secret"].as_str().map(str::to_owned))
        .collect()
}

fn in_the_cache(sandbox: &Sandbox) -> Result<Vec<String>, String> {
    let text = fs::read_to_string(sandbox.config().token_cache_path()).map_err(|error| error.to_string())?;
    let cache: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    Ok(alices(cache["RefreshToken"].as_object().into_iter().flatten().map(|(_, entry)| entry.clone())))
}

fn the_vault(sandbox: &Sandbox) -> Result<Contents, String> {
    if !sandbox.azward_home().exists() {
        return Err("there is no azward home".to_owned());
    }
    let context = Context::new(sandbox.environment(), None).helped_by(Helper::Here(helper::here));
    let config_dir = ConfigDir::at(&sandbox.config_dir());
    let settings = Settings::load(&context.azward_home).map_err(|failure| failure.to_string())?;
    Vault::of(&context, &settings, &config_dir).load().map_err(|failure| failure.to_string())
}

/// Every file below a directory.
pub(crate) fn files(directory: &std::path::Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.flat_map(|entry| if entry.path().is_dir() { files(&entry.path()) } else { vec![entry.path()] }).collect()
}
