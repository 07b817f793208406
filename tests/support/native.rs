//! What the tests of native answers share: a box in which somebody is logged in, what tells an answer from a run (azward's
//! journal, an az behind the shim that is none), and outcomes compared but for the moment they came at.

use std::fs;

use chrono::NaiveDateTime;
use entra::{Entra, Rolling, TENANT_A, User};
use serde_json::Value;

use super::config_dir::ConfigDir;
use super::outcome::{End, Outcome};
use super::sandbox::Sandbox;

/// What an az says that nobody should have started.
pub(crate) const LOUD: &str = "echo 'the real az was started' >&2; exit 77";

/// An option of `get-access-token` that azward understands, and one that means the same and that it leaves to az: the
/// beginning of an option that takes no value.
pub(crate) const BY_AZWARD: &str = "--only-show-errors";
pub(crate) const BY_AZ: &str = "--only-show";

/// Resource Manager's scope.
pub(crate) const ARM_SCOPE: &str = "https://management.core.windows.net//.default";

/// A box in which az logged alice in without azward, and a copy of its config directory, refresh token and all.
pub(crate) fn with_copy() -> (Sandbox, Entra, ConfigDir) {
    let sandbox = Sandbox::new().with_real_az();
    let entra = sandbox.start_entra(|knobs| knobs.rolling = Rolling::Entra);
    sandbox.plain_login(&entra, User::Alice);
    let copy = sandbox.config().copy_to(sandbox.root().join("copy"));
    sandbox.expect_clear(copy.path());
    sandbox.az(["account", "get-access-token"]).run().ok().silent();
    (sandbox, entra, copy)
}

/// Leaves the token for Resource Manager so many seconds, and forgets what was requested until now.
pub(crate) fn age(sandbox: &Sandbox, entra: &Entra, seconds_left: i64) {
    sandbox.config().age_access_tokens(seconds_left, "management");
    entra.clear_journal();
}

/// The token for Resource Manager that a config directory has.
pub(crate) fn arm_token(config: &ConfigDir) -> String {
    config.access_token(TENANT_A.id, ARM_SCOPE).expect("a token for Resource Manager")["secret"]
        .as_str()
        .expect("its secret")
        .to_owned()
}

/// What an access token says of itself.
pub(crate) fn claims(token: &str) -> Value {
    use base64::Engine as _;
    let claims = token.split('.').nth(1).unwrap_or_else(|| panic!("{token}"));
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).expect("they are in base64url");
    serde_json::from_slice(&claims).expect("they are JSON")
}

impl Sandbox {
    /// A box with the real az in which alice is logged in; her refresh tokens roll strictly.
    pub(crate) fn logged_in() -> (Self, Entra) {
        Self::logged_in_rolling(Rolling::Strict)
    }

    /// The same where they roll like this.
    pub(crate) fn logged_in_rolling(rolling: Rolling) -> (Self, Entra) {
        let sandbox = Self::new().with_real_az();
        let entra = sandbox.start_entra(|knobs| knobs.rolling = rolling);
        sandbox.login(&entra, User::Alice);
        (sandbox, entra)
    }

    /// The same with no az behind the shim any more: whatever is answered is answered natively.
    pub(crate) fn without_az() -> (Self, Entra) {
        let (sandbox, entra) = Self::logged_in();
        sandbox.wrap_script(LOUD);
        (sandbox, entra)
    }

    /// The journal's lines, oldest first. Panics if one is no JSON object.
    pub(crate) fn journal(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.azward_home().join("journal.jsonl")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("the journal is JSON lines")).collect()
    }

    /// How many lines of the journal are of this deed.
    pub(crate) fn deeds(&self, deed: &str) -> usize {
        self.journal().iter().filter(|line| line["deed"] == deed).count()
    }

    /// What `action` returns, and the deeds that were written down meanwhile.
    pub(crate) fn deeds_of<T>(&self, action: impl FnOnce() -> T) -> (T, Vec<String>) {
        let before = self.journal().len();
        let value = action();
        let new = self.journal().split_off(before);
        (value, new.iter().map(|line| line["deed"].as_str().unwrap_or("?").to_owned()).collect())
    }
}

impl Outcome {
    /// The access token that was answered.
    #[track_caller]
    pub(crate) fn token(&self) -> String {
        self.json()["accessToken"].as_str().unwrap_or_else(|| panic!("no token: {self:?}")).to_owned()
    }

    /// The last line on stderr: of a traceback, what went wrong.
    pub(crate) fn last_err_line(&self) -> String {
        self.err().lines().last().unwrap_or_default().to_owned()
    }
}

/// What is visible of an outcome with its times (and, in errors, ids) taken out, and the times.
fn without_clock(outcome: &Outcome) -> ((End, String, String), Vec<i64>) {
    let (end, out, _) = outcome.visible();
    let (out, times) = times_taken_out(&out);
    ((end, out, outcome.err_without_ids()), times)
}

/// Takes out what looks like `expires_on` and `expiresOn`; the latter is told as if it were UTC.
pub(crate) fn times_taken_out(text: &str) -> (String, Vec<i64>) {
    const LOCAL: &str = "2026-01-01 00:00:00.000000";
    let (mut kept, mut times, mut rest) = (String::new(), Vec::new(), text);
    while let Some(first) = rest.chars().next() {
        let local =
            rest.get(..LOCAL.len()).and_then(|t| NaiveDateTime::parse_from_str(t, "%Y-%m-%d %H:%M:%S.%6f").ok());
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (time, length) = match local {
            Some(time) => (Some(time.and_utc().timestamp()), LOCAL.len()),
            None if digits == 10 => (rest[..10].parse().ok(), 10),
            None => (None, digits.max(first.len_utf8())),
        };
        times.extend(time);
        kept.push_str(if time.is_some() { "TIME" } else { &rest[..length] });
        rest = &rest[length..];
    }
    (kept, times)
}

/// Asserts that two outcomes are the same but for the time that lies between them: they came one after the other.
#[track_caller]
pub(crate) fn assert_same(ours: &Outcome, theirs: &Outcome) {
    let ((our, our_times), (their, their_times)) = (without_clock(ours), without_clock(theirs));
    assert_eq!(our, their, "{}", ours.line);
    // az counts a fresh token's time from when it prints it, a kept one's from when it got it, both in whole seconds.
    let between = 2 + (ours.took + theirs.took).as_secs();
    let is_close = our_times.iter().zip(&their_times).all(|(our, their)| our.abs_diff(*their) <= between);
    assert!(is_close && our_times.len() == their_times.len(), "{}: {our_times:?}, {their_times:?}", ours.line);
    // Both times of one answer are of the same instant: they differ by a zone's offset, which is whole quarters.
    if let [local, epoch] = our_times[..] {
        assert_eq!((local - epoch) % 900, 0, "{ours:?}");
    }
}
