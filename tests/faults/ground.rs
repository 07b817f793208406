//! The ground that a scenario stands on: a box with the real az and a stand-in, whose home is brought into one state once,
//! saved, and put back before every fault.

use std::cell::Cell;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use azward::azure::ConfigDir;
use azward::context::Context;
use azward::helper::{self, Helper};
use azward::settings::Settings;
use azward::vault::{Contents, CredentialKind, Vault};
use entra::{Entra, Request, Rolling, User};
use serde_json::Value;

use crate::scenarios::{Scenario, Whose};
use crate::support::adal_az::adal_az;
use crate::support::canary::{PrivateKey, Search, Wanted};
use crate::support::{Sandbox, SecretService, State};
use crate::treasure::{self, Treasure};

/// How long an access token lives: longer than a scenario takes with all its faults, and not long enough to be renewed
/// before its time.
const LIFETIME: u64 = 7200;

/// The same of an az before 2.30, which renews one that is due within five minutes.
const DUE_AT_ONCE: u64 = 200;

/// The variable that says what leaves the token cache.
const SEAL: &str = "AZWARD_FAULTS_SEAL";

pub(crate) struct Ground {
    pub(crate) sandbox: Sandbox,
    pub(crate) entra: Entra,
    pub(crate) scenario: &'static Scenario,
    exposure: &'static str,
    /// The number of alice's newest refresh token when the ground was saved; 0 before her first login.
    generation: Cell<u64>,
}

impl Ground {
    /// A box in which nothing has happened yet; none where the scenario's az cannot be had, which is announced.
    pub(crate) fn new(scenario: &'static Scenario, exposure: &'static str) -> Option<Self> {
        let sandbox = match scenario.is_adal {
            true => Sandbox::new().with_az(adal_az()?),
            false => Sandbox::new().with_real_az(),
        };
        // Every search here is the judge's.
        sandbox.expect_clear(sandbox.root());
        let entra = sandbox.start_entra(|knobs| {
            knobs.rolling = Rolling::Entra;
            knobs.lifetime = if scenario.is_adal { DUE_AT_ONCE } else { LIFETIME };
        });
        let ground = Self { sandbox, entra, scenario, exposure, generation: Cell::new(0) };
        ground.set_exposure();
        Some(ground)
    }

    /// Starts the keyring, where the scenario has one; `Err` where this system has not what that takes. It is not put back with the
    /// home: the scenario puts back what is in it.
    pub(crate) fn start_keyring(&self) -> Result<Option<SecretService<'_>>, ()> {
        if !self.scenario.has_keyring {
            return Ok(None);
        }
        if !self.sandbox.with_libsecret() {
            return Err(());
        }
        Ok(Some(SecretService::start(&self.sandbox, State::Unlocked)))
    }

    /// Brings the box into the state that the command finds, and saves it.
    pub(crate) fn prepare(&self) {
        (self.scenario.prepare)(&self.sandbox, &self.entra);
        self.generation.set(newest(&self.entra.journal(), |_| true));
        copy(&self.sandbox.home(), &self.saved());
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation.get()
    }

    /// Puts the home back as it was saved, and forgets what was asked of the stand-in.
    pub(crate) fn restore(&self) {
        let home = self.sandbox.home();
        fs::remove_dir_all(&home).expect("the box can be emptied");
        copy(&self.saved(), &home);
        self.sandbox.lose_memory();
        (self.scenario.before)(&self.sandbox);
        self.entra.clear_journal();
    }

    fn saved(&self) -> PathBuf {
        self.sandbox.root().join("saved")
    }

    /// Has exposure and seal hold again where the settings went with the azward home.
    pub(crate) fn set_exposure(&self) {
        self.sandbox.set_exposure(self.exposure);
        if let Ok(seal) = std::env::var(SEAL) {
            self.sandbox.set("seal", seal);
        }
    }

    /// Whether short-lived tokens are to be in no file either.
    pub(crate) fn seals_all(&self) -> bool {
        std::env::var(SEAL).is_ok_and(|seal| seal == "all-tokens")
    }

    /// Whether az has its secrets where nobody else sees them.
    pub(crate) fn is_private(&self) -> bool {
        self.exposure == "private"
    }

    /// The files of the home with a secret in the clear.
    pub(crate) fn in_the_clear(&self) -> Vec<PathBuf> {
        Search::of(&self.wanted(), &self.sandbox.home(), &[]).found
    }

    /// What is in no file: of short-lived tokens it is asked later, when they are to be sealed.
    fn wanted(&self) -> Wanted {
        // Who was killed in between has a certificate's file and the vault.
        let keys = PrivateKey::made_below(self.sandbox.root()).into_iter().map(PrivateKey::in_its_file);
        Wanted::always().and_keys(keys)
    }

    /// The files in memory with a refresh token in the clear.
    pub(crate) fn in_memory(&self) -> Vec<PathBuf> {
        self.sandbox.memory().map(|memory| Search::below(memory, &[]).found).unwrap_or_default()
    }

    /// The file in which az has what it is all about.
    pub(crate) fn file(&self) -> PathBuf {
        match (self.scenario.treasure, self.scenario.whose) {
            _ if self.scenario.is_adal => treasure::adal_file(&self.sandbox),
            (Some(Treasure::AdalFile), _) => treasure::adal_file(&self.sandbox),
            (_, Whose::Principals) => self.sandbox.config_dir().join("service_principal_entries.json"),
            _ => self.sandbox.config().token_cache_path(),
        }
    }

    /// The lock files of MSAL's kind that are there.
    pub(crate) fn msal_locks(&self) -> Vec<PathBuf> {
        let names =
            ["msal_token_cache.json.lockfile", "service_principal_entries.json.lockfile", "accessTokens.json.lockfile"];
        names.map(|name| self.sandbox.config_dir().join(name)).into_iter().filter(|path| path.exists()).collect()
    }

    /// The copies of the token file that runs of an az before 2.30 had for themselves, and their locks.
    pub(crate) fn copies(&self) -> Vec<PathBuf> {
        let below =
            |directory: PathBuf| fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
        let memory = self.sandbox.memory().into_iter().flat_map(|memory| below(memory.to_owned())).flat_map(below);
        let all = below(self.sandbox.azward_home().join("run")).chain(memory);
        let is_copy = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().contains("copy-"));
        all.filter(is_copy).collect()
    }

    /// The entries of this kind that the vault has, as the library reads it; none if it cannot be read.
    pub(crate) fn records(&self, kind: CredentialKind) -> Vec<String> {
        self.contents().of(kind).map(|record| record.entry.expose_text().to_owned()).collect()
    }

    /// Whether the vault has what the file has that the command takes in or hands over.
    pub(crate) fn is_in_the_vault(&self) -> bool {
        match (self.scenario.treasure, self.scenario.whose) {
            (Some(Treasure::AdalFile), _) => !self.records(CredentialKind::AdalTokens).is_empty(),
            (_, Whose::Principals) => !self.contents().records.is_empty(),
            // A newer one may be in the file alone.
            _ => {
                let newest = |tokens: Vec<String>| tokens.iter().map(|token| self.number(token)).max();
                let in_the_file = self.in_the_cache();
                let oldest = in_the_file.iter().map(|token| self.number(token)).min();
                oldest <= newest(self.in_the_vault())
            }
        }
    }

    /// The refresh tokens that the vault holds.
    pub(crate) fn in_the_vault(&self) -> Vec<String> {
        let secret = |entry: &String| {
            let entry: Value = serde_json::from_str(entry).unwrap_or_default();
            entry["secret"].as_str().unwrap_or_default().to_owned()
        };
        let of_adal = self
            .records(CredentialKind::AdalRefreshToken)
            .iter()
            .flat_map(|entry| tokens_of_adal(&format!("[{entry}]")))
            .collect::<Vec<_>>();
        self.records(CredentialKind::RefreshToken).iter().map(secret).chain(of_adal).collect()
    }

    fn contents(&self) -> Contents {
        let context = Context::new(self.sandbox.environment(), None).helped_by(Helper::Here(helper::here));
        let settings = Settings::load(&context.azward_home).unwrap_or_default();
        Vault::of(&context, &settings, &ConfigDir::of(&context)).load().unwrap_or_default()
    }

    /// The refresh tokens that the token cache holds, or the file of an az before 2.30 and its copies; none if it cannot be read.
    pub(crate) fn in_the_cache(&self) -> Vec<String> {
        if self.scenario.is_adal {
            let files = std::iter::once(self.file()).chain(self.copies());
            return files.flat_map(|file| tokens_of_adal(&fs::read_to_string(file).unwrap_or_default())).collect();
        }
        let text = fs::read_to_string(self.sandbox.config().token_cache_path()).unwrap_or_default();
        let cache: Value = serde_json::from_str(&text).unwrap_or_default();
        let entries = cache["RefreshToken"].as_object().cloned().unwrap_or_default();
        entries.values().filter_map(|entry| entry["secret"].as_str().map(str::to_owned)).collect()
    }

    /// The number of a refresh token: the stand-in's first is 1.
    pub(crate) fn number(&self, token: &str) -> u64 {
        let place = self.entra.refresh_tokens_issued().iter().position(|issued| issued == token);
        place.map_or(0, |place| place as u64 + 1)
    }
}

/// The refresh tokens in such a list of ADAL's.
fn tokens_of_adal(list: &str) -> Vec<String> {
    let entries: Vec<Value> = serde_json::from_str(list).unwrap_or_default();
    let tokens = entries.iter().filter_map(|entry| entry["refreshToken"].as_str());
    tokens.filter(|token| !token.is_empty()).map(str::to_owned).collect()
}

/// The number of the newest refresh token that alice was given in answer to such requests.
pub(crate) fn newest(requests: &[Request], is_meant: impl Fn(&Request) -> bool) -> u64 {
    let is_alice = |request: &&Request| request.account.as_deref() == Some(User::Alice.username());
    let granted = requests.iter().filter(is_alice).filter(|request| request.status == Some(200) && is_meant(request));
    granted.filter_map(|request| request.issued_generation).max().unwrap_or(0)
}

/// Whether a request came from azward itself.
pub(crate) fn is_azward_s(request: &Request) -> bool {
    request.user_agent.as_deref().is_some_and(|agent| agent.starts_with("azward"))
}

fn copy(from: &PathBuf, to: &PathBuf) {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(status.is_ok_and(|status| status.success()), "cannot copy `{}`", from.display());
}
