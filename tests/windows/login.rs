//! A person's login: sealed by az, taken out of its sealed cache, answered for, rotated, handed over and taken back, and gone
//! after a logout. Each step is asserted by what lies in the cache then, as az's own library opens it.

use std::fs;

use entra::User;
use serde_json::Value;

use super::machine::Machine;
use super::support::outcome::Outcome;

/// The token cache that az seals.
const CACHE: &str = "msal_token_cache.bin";

/// What is answered natively, and what means the same and is left to az: an option that azward does not know.
const TOKEN: [&str; 3] = ["account", "get-access-token", "--only-show-errors"];
const TOKEN_OF_AZ: [&str; 3] = ["account", "get-access-token", "--only-show"];

impl Machine {
    /// One with azward installed.
    pub(crate) fn with_azward() -> Self {
        let machine = Self::new();
        machine.run([&*Self::built("azward.exe"), "install", "--no-modify-path"]).ok();
        machine
    }

    /// One where alice is logged in through the shim.
    pub(crate) fn logged_in() -> Self {
        let machine = Self::with_azward();
        machine.entra().knobs(|knobs| knobs.next_login = User::Alice);
        machine.az(["login", "--use-device-code"]).ok();
        machine
    }

    /// How many refresh tokens az's sealed cache has, after a look for every one that there ever was.
    #[track_caller]
    pub(crate) fn refresh_tokens_in_the_cache(&self) -> usize {
        let text = self.opened(CACHE);
        let cache: Value = serde_json::from_str(&text).expect("it is JSON");
        assert!(cache["AccessToken"].is_object(), "{cache}");
        self.entra().refresh_tokens_issued().iter().filter(|token| text.contains(&**token)).count()
    }

    /// The deeds that azward has written down, oldest first.
    pub(crate) fn deeds(&self) -> Vec<String> {
        let text = fs::read_to_string(self.azward_home().join("journal.jsonl")).unwrap_or_default();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("the journal is JSON lines"));
        lines.map(|line| line["deed"].as_str().unwrap_or("?").to_owned()).collect()
    }

    /// What `action` returns, and what azward wrote down meanwhile.
    pub(crate) fn deeds_of<T>(&self, action: impl FnOnce() -> T) -> (T, Vec<String>) {
        let before = self.deeds().len();
        let value = action();
        (value, self.deeds().split_off(before))
    }
}

/// What is said of the step that was just made.
pub(crate) fn done(step: &str) {
    super::support::provision::announce(&format!("  {step}"));
}

/// How long an answer takes through the shim and of the bare az, as their caller sees it: the best of a few.
fn tell_speed(machine: &Machine) {
    let best =
        |count: usize, run: &dyn Fn() -> Outcome| (0..count).map(|_| run().ok().took).min().expect("there is one");
    let (own, theirs) = (best(10, &|| machine.az(TOKEN)), best(3, &|| machine.real_az(TOKEN)));
    let ratio = theirs.as_secs_f64() / own.as_secs_f64();
    done(&format!(
        "an answer takes {} ms (dev profile, a process of wine's and all), of the bare az {} ms: {ratio:.0} times as long",
        own.as_millis(),
        theirs.as_millis()
    ));
}

#[test]
#[ignore = "needs wine: .ci/windows"]
fn a_login_is_taken_out_of_the_sealed_cache_and_serves() {
    let machine = Machine::logged_in();
    let entra = machine.entra();
    assert!(!machine.config_dir().join("msal_token_cache.json").exists(), "az seals its cache");
    assert!(!entra.refresh_tokens_issued().is_empty());
    assert_eq!(machine.refresh_tokens_in_the_cache(), 0, "the login is in the vault alone");
    done("login: sealed by az, its refresh token is in the vault alone");

    // The first answer is compared with az's.
    machine.az(TOKEN).ok().silent();
    entra.clear_journal();
    let (native, deeds) = machine.deeds_of(|| machine.az(TOKEN).ok().silent());
    assert_eq!(deeds, ["answer"]);
    let (by_az, deeds) = machine.deeds_of(|| machine.az(TOKEN_OF_AZ).ok().silent());
    assert_eq!(deeds, ["run"]);
    assert_eq!(native.out(), by_az.out(), "the same bytes, to the line ends");
    assert_eq!(native.out(), machine.real_az(TOKEN).ok().out());
    assert!(native.out().contains("\r\n"), "{native:?}");
    assert_eq!(native.json()["tenant"], entra::TENANT_A.id);
    assert_eq!(entra.token_requests(), 0, "all three had a valid token");
    done("a valid token is answered with az's own bytes");
    tell_speed(&machine);

    entra.knobs(|knobs| knobs.lifetime = 60);
    machine.az(["account", "get-access-token", "--scope", "https://vault.azure.net/.default"]).ok();
    entra.knobs(|knobs| knobs.lifetime = 3600);
    let issued = entra.refresh_tokens_issued().len();
    let (rotated, deeds) = machine.deeds_of(|| {
        machine
            .az(["account", "get-access-token", "--scope", "https://vault.azure.net/.default", "-o", "tsv"])
            .ok()
            .silent()
    });
    assert!(deeds.contains(&"answer".to_owned()) && !deeds.contains(&"run".to_owned()), "{deeds:?}");
    assert!(!rotated.out().is_empty());
    assert_eq!(
        entra.refresh_tokens_issued().len(),
        issued + 1,
        "a due token was renewed, with the vault's refresh token"
    );
    assert_eq!(machine.refresh_tokens_in_the_cache(), 0);
    done("a due token is renewed natively, and the new refresh token is in the vault alone");

    entra.clear_journal();
    let (listed, deeds) = machine.deeds_of(|| machine.az(["group", "list", "--only-show-errors"]).ok());
    assert!(deeds.contains(&"run".to_owned()), "{deeds:?}");
    assert!(listed.json().as_array().is_some_and(|groups| !groups.is_empty()), "{listed:?}");
    assert_eq!(machine.refresh_tokens_in_the_cache(), 0);
    // One for which az needs the refresh token, which has it use another one.
    let issued = entra.refresh_tokens_issued().len();
    machine.az(["account", "get-access-token", "--scope", "https://graph.microsoft.com/.default", "--only-show"]).ok();
    assert!(entra.refresh_tokens_issued().len() > issued, "az had the refresh token");
    assert_eq!(machine.refresh_tokens_in_the_cache(), 0);
    machine.az(["account", "get-access-token", "--scope", "https://storage.azure.com/.default"]).ok();
    done("a run has the refresh token, and what az made of it is taken back");

    machine.az(["logout"]).ok();
    assert_eq!(machine.refresh_tokens_in_the_cache(), 0);
    let refused = machine.az(TOKEN);
    assert_ne!(refused.status.code(), Some(0), "{refused:?}");
    // What an uninstall has to give back is what there was.
    let gone = machine.azward(["uninstall"]).ok();
    assert!(gone.out().contains("gave 0 login(s) back") && !machine.azward_home().exists(), "{gone:?}");
    assert_eq!(machine.refresh_tokens_in_the_cache(), 0);
    done("a logout leaves nothing, in az's cache or the vault");
}
