//! What must hold after every fault: no secret is in the clear in the home, the next az works at once and redeems the
//! newest refresh token that anybody alive knew, or signs in as the principal or identity it is about; what it would not miss is
//! there all the same (`treasure`), no lock is left in its way, a command whose az was reached ended as if nothing had
//! happened, and nothing opens to what was logged out.

use std::time::Duration;

use entra::{Request, User};

use crate::calls::Call;
use crate::ground::{Ground, is_azward_s, newest};
use crate::scenarios::{Who, Whose};
use crate::support::native::times_taken_out;
use crate::support::vaults;
use crate::support::{End, Outcome};
use crate::tracer::{Blow, Subject, Traced};
use crate::treasure::Treasure;

/// How long the next az may take: far longer than anything but waiting for somebody who does not come.
const PROMPT: Duration = Duration::from_secs(10);

/// What is wrong, in a word for the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wrong {
    /// A secret is in the clear.
    Clear,
    /// No refresh token that the endpoint accepts is left, or the next az does not find it.
    Lost,
    /// An older one is left than a process that lived knew.
    Stale,
    /// Something hangs or takes very long.
    Blocked,
    /// MSAL's lock file is left behind.
    Lock,
    /// The command did not end as it would have.
    Changed,
    /// A file opens to a secret of who was logged out.
    Kept,
}

/// What became of the login that a scenario is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Login {
    IsKept,
    /// It was in a private copy and nowhere else, and so were the shim and the guardian that knew of it.
    WentWithGuardian,
}

pub(crate) struct Violation {
    pub(crate) wrong: Wrong,
    pub(crate) what: String,
}

/// What was found after one fault.
#[derive(Default)]
pub(crate) struct Verdict {
    pub(crate) violations: Vec<Violation>,
    /// A refresh token stayed in the file until the next az: it could not be stored and was nowhere else, or nobody was left
    /// to take in what an az without azward had left there.
    pub(crate) is_kept_back: bool,
    /// The secrets could not be handed over: az said in its own words that it had none, and azward why.
    pub(crate) is_explained: bool,
}

impl Verdict {
    fn find(&mut self, wrong: Wrong, what: impl Into<String>) {
        self.violations.push(Violation { wrong, what: what.into() });
    }
}

/// Judges what a struck command left behind. `number` is the fault's: what is costly is done for some only.
pub(crate) fn judge(ground: &Ground, sound: &Visible, traced: &Traced, blow: Blow, number: usize) -> Verdict {
    let mut verdict = Verdict::default();
    let Some(call) = &traced.struck else { return verdict };
    if traced.is_hung {
        verdict.find(Wrong::Blocked, format!("it hung: {:?}", traced.outcome));
    }
    if !traced.is_all_over() {
        verdict.find(Wrong::Blocked, "what it started does not end");
    }
    let is_killed = !matches!(blow, Blow::Fail(_));
    let is_guarded = ground.scenario.subject == Subject::Guardian;
    // Of a guarded command the shim was killed.
    if !is_killed && !is_guarded {
        outcome(ground, sound, &traced.outcome, &mut verdict);
    }
    let requests = ground.entra.journal();
    // What azward had in hand when it was killed, or what was lost on its way to it, nobody can store.
    let is_lost_with_it = is_killed || call.is_on_the_wire;
    // What az put into a copy that only a guardian had goes with that.
    let is_adal = ground.scenario.is_adal;
    let is_lost_with_guardian = is_guarded && is_killed && ground.is_private() && !is_adal;
    let is_known = |request: &Request| !(is_lost_with_guardian || is_lost_with_it && is_azward_s(request));
    let known = newest(&requests, is_known).max(ground.generation());
    let found = ground.in_the_clear();
    if !found.is_empty() && !ground.scenario.gives_back {
        let in_the_vault = ground.in_the_vault().iter().map(|token| ground.number(token)).max().unwrap_or(0);
        let in_the_file: Vec<u64> = ground.in_the_cache().iter().map(|token| ground.number(token)).collect();
        let cache = ground.file();
        // What cannot be removed is left to the next az, too.
        let is_stuck = ground.scenario.treasure == Some(Treasure::AdalFile) && call.place.name == "unlink";
        let is_homeless = is_stuck || !ground.is_in_the_vault();
        // What could not be taken in of a copy is the next az's.
        let copies = if is_adal { ground.copies() } else { Vec::new() };
        let is_all_there = found.iter().all(|path| *path == cache || copies.contains(path));
        let is_only_there = is_homeless && is_all_there;
        // Without a guardian nobody is left to take it out of a file that az had in place.
        let is_left_in_place = is_guarded && !ground.is_private() && is_all_there;
        verdict.is_kept_back =
            if is_killed { ground.scenario.begins_in_the_clear || is_left_in_place } else { is_only_there };
        if !verdict.is_kept_back {
            let what = format!("in {found:?}, #{in_the_file:?}, and the vault has #{in_the_vault}");
            verdict.find(Wrong::Clear, what);
        }
    }
    // Of what has no guardian, as what takes in a keyring's item has none yet, and of a file that cannot be removed, the next az takes
    // the lock over. So does whoever touches the list of principals next, where its placeholder was being made. Of a command of azward's
    // own only the az in it has a guardian: what it does before and after that is finished when the command is given again.
    let is_of_the_list = ground.scenario.whose == Whose::Principals && (is_killed || call.place.name == "unlink");
    let has_no_guardian =
        is_guarded || !ground.scenario.is_a_run || ground.scenario.has_keyring || ground.scenario.is_azward_s;
    let is_left_to_next = if is_killed { has_no_guardian } else { call.place.name == "unlink" };
    if !ground.msal_locks().is_empty() && !is_left_to_next && !is_of_the_list {
        verdict.find(Wrong::Lock, format!("{:?} is left behind", ground.msal_locks()));
    }
    let lost = |ground: &Ground| ground.scenario.treasure.and_then(|treasure| treasure.lost(ground));
    if let Some(what) = lost(ground) {
        verdict.find(Wrong::Lost, what);
    }
    if ground.scenario.is_azward_s && number.is_multiple_of(2) {
        again(ground, &mut verdict);
    }
    // So it is with a principal that had just signed in.
    let is_just_signed_in = ground.scenario.whose == Whose::Principals && ground.scenario.name.ends_with("-login");
    let is_login_lost = is_lost_with_guardian && is_just_signed_in && !ground.is_in_the_vault();
    let login = if is_login_lost { Login::WentWithGuardian } else { Login::IsKept };
    next(ground, known, number, login, &mut verdict);
    if !ground.msal_locks().is_empty() && !is_of_the_list {
        verdict.find(Wrong::Lock, format!("{:?} is left behind after the next az", ground.msal_locks()));
    }
    if let Some(what) = lost(ground) {
        verdict.find(Wrong::Lost, format!("{what} after the next az"));
    }
    if let Some(what) = ground.scenario.treasure.and_then(|treasure| treasure.left_out(ground)) {
        verdict.find(Wrong::Clear, what);
    }
    // The next az has cleared up, if there was something to clear up.
    let in_memory = ground.in_memory();
    if !in_memory.is_empty() {
        verdict.find(Wrong::Clear, format!("after the next az, in memory, in {in_memory:?}"));
    }
    let copies = if is_adal { ground.copies() } else { Vec::new() };
    if !copies.is_empty() {
        verdict.find(Wrong::Lock, format!("after the next az there is {copies:?}"));
    }
    if let Some(who) = ground.scenario.logs_out {
        gone(ground, who, &mut verdict);
    }
    verdict
}

/// A command whose az was reached ends as it always did, and says what it always said.
fn outcome(ground: &Ground, sound: &Visible, outcome: &Outcome, verdict: &mut Verdict) {
    if visible(outcome) == *sound {
        return;
    }
    let says = outcome.err();
    if ground.scenario.is_a_run && outcome.end() == End::Code(1) && says.contains("\nazward: ") {
        verdict.is_explained = true;
        return;
    }
    // The logins are back, and it says what it could not remove.
    if ground.scenario.gives_back && outcome.end() == End::Code(0) && outcome.out().contains("\nleft `") {
        return;
    }
    let may_fail = ground.scenario.is_azward_s || says.contains("cannot start the real az");
    let is_failure = matches!(outcome.end(), End::Code(1..)) && !says.contains("a fault in azward");
    if !(may_fail && is_failure && !says.is_empty()) {
        verdict.find(Wrong::Changed, format!("{outcome:?}\n--- and not ---\n{sound:?}"));
    }
}

/// A command of azward's own that was cut short goes through when it is given again.
fn again(ground: &Ground, verdict: &mut Verdict) {
    let outcome = (ground.scenario.command)(&ground.sandbox).run();
    // What was done all the same cannot be done twice.
    let is_done = ground.scenario.logs_out.is_some() && outcome.err().contains("there is no login");
    if outcome.end() != End::Code(0) && !is_done {
        verdict.find(Wrong::Lost, format!("given again: {outcome:?}"));
    }
    if !ground.scenario.gives_back && !ground.in_the_clear().is_empty() {
        verdict.find(Wrong::Clear, "after the command was given again");
    }
}

/// How long the profile and the cache must have been at rest before an az takes it for a logout that an account is in
/// neither (`run/logged_out.rs`), and a little.
const REST: Duration = Duration::from_millis(2300);

/// Once az has logged somebody out, no generation of any vault opens to a secret of theirs: the file that az has them in says
/// whether it has (the profile may give their subscriptions to somebody else), and the next az has had its turn, or where
/// nobody was left to see the logout, the next one after a while.
fn gone(ground: &Ground, who: Who, verdict: &mut Verdict) {
    let sandbox = &ground.sandbox;
    let is_logged_in = match who {
        Who::User(user) if ground.scenario.is_adal => {
            sandbox.config().subscriptions().iter().any(|own| own["user"]["name"] == user.username())
        }
        Who::User(user) => {
            sandbox.config().entries("Account").iter().any(|entry| entry["home_account_id"] == user.home_account_id())
        }
        Who::Principal(own) => std::fs::read_to_string(ground.file()).is_ok_and(|text| text.contains(own.client_id)),
        Who::Identity => !sandbox.config().subscriptions().is_empty(),
    };
    if is_logged_in || kept(ground, who).is_empty() {
        return;
    }
    std::thread::sleep(REST);
    sandbox.az(["version", "--output", "none"]).run();
    for (name, count) in kept(ground, who) {
        verdict.find(Wrong::Kept, format!("`{name}` opens to {count} of who was logged out"));
    }
}

/// The files that open to secrets of theirs, refresh tokens that the endpoint takes among them, and to how many.
fn kept(ground: &Ground, who: Who) -> Vec<(String, usize)> {
    if matches!(who, Who::Identity) {
        let tokens = std::fs::read_dir(ground.sandbox.azward_home().join("tokens")).into_iter().flatten().flatten();
        return tokens.map(|entry| (entry.file_name().to_string_lossy().into_owned(), 1)).collect();
    }
    let is_theirs = |entry: &&serde_json::Value| match who {
        Who::User(user) if ground.scenario.is_adal => entry["userId"] == user.username(),
        Who::User(user) => {
            let is_good = |token: &str| ground.entra.is_refresh_token_good(token);
            entry["home_account_id"] == user.home_account_id() && entry["secret"].as_str().is_some_and(is_good)
        }
        Who::Principal(own) => entry["client_id"] == own.client_id,
        Who::Identity => false,
    };
    let files = vaults::entries_in_each(&ground.sandbox).into_iter();
    let counted = files.map(|(name, entries)| (name, entries.iter().filter(is_theirs).count()));
    counted.filter(|(_, count)| *count > 0).collect()
}

/// The next az: it redeems what the vault has, or says truthfully that nobody is logged in.
fn next(ground: &Ground, known: u64, number: usize, login: Login, verdict: &mut Verdict) {
    let sandbox = &ground.sandbox;
    ground.set_exposure();
    ground.entra.clear_journal();
    let resource = format!("https://next-{number}.example");
    let whose = ground.scenario.whose;
    let is_kept = login == Login::IsKept && (known > 0 || whose != Whose::Alices);
    let is_logged_in = is_kept && !sandbox.config().subscriptions().is_empty();
    let outcome = sandbox.az(["account", "get-access-token", "--resource", &resource]).run();
    if outcome.took > PROMPT {
        verdict.find(Wrong::Blocked, format!("the next az took {:?}", outcome.took));
    }
    let requests = ground.entra.journal();
    let is_grant = |request: &&Request| {
        let is_alice_s = request.grant_type.as_deref() == Some("refresh_token")
            && request.account.as_deref() == Some(User::Alice.username());
        let is_right = match whose {
            Whose::Alices => is_alice_s,
            Whose::Principals => request.grant_type.as_deref() == Some("client_credentials"),
            Whose::Identitys => request.is_instance_request(),
        };
        request.status == Some(200) && is_right
    };
    // What a principal signs in with is the same every time, and a machine asks with nothing.
    let number_of = |request: &Request| match whose {
        Whose::Alices => request.presented_generation,
        Whose::Principals | Whose::Identitys => Some(0),
    };
    let redeemed = requests.iter().find(is_grant).and_then(number_of);
    match (outcome.end(), redeemed) {
        (End::Code(0), Some(redeemed)) if !outcome.stderr.is_empty() => {
            verdict.find(Wrong::Changed, format!("the next az redeems #{redeemed} and says {:?}", outcome.err()));
        }
        (End::Code(0), Some(redeemed)) if redeemed < known => {
            verdict.find(Wrong::Stale, format!("#{redeemed} is redeemed, and #{known} was known"));
        }
        (End::Code(0), Some(_)) => {}
        (End::Code(1), None) if !is_logged_in && outcome.err().contains("az login") => {}
        _ => verdict.find(Wrong::Lost, format!("the next az: {outcome:?}")),
    }
    // An answer takes in nothing of that.
    let has_to_run = ground.scenario.treasure == Some(Treasure::AdalFile);
    if is_logged_in && (has_to_run || number.is_multiple_of(RUNS)) {
        let outcome = sandbox.az(["group", "list", "--query", "[].name", "--output", "tsv"]).run();
        if visible(&outcome) != (End::Code(0), "rg-web rg-data ".to_owned(), String::new()) {
            verdict.find(Wrong::Lost, format!("the next run: {outcome:?}"));
        }
        if outcome.took > PROMPT {
            verdict.find(Wrong::Blocked, format!("the next run took {:?}", outcome.took));
        }
    }
    let found = ground.in_the_clear();
    if !found.is_empty() {
        verdict.find(Wrong::Clear, format!("in {found:?} after the next az"));
    }
    if ground.seals_all() && !sandbox.config().entries("AccessToken").is_empty() {
        verdict.find(Wrong::Clear, "an access token is in the token cache after the next az");
    }
}

/// After every how manieth fault the next az is the real one.
const RUNS: usize = 4;

/// What a caller can see of an outcome.
pub(crate) type Visible = (End, String, String);

/// What a caller can see of an outcome, but for what is another every time.
pub(crate) fn visible(outcome: &Outcome) -> Visible {
    let (end, out, err) = outcome.visible();
    let out = times_taken_out(&out).0;
    let word = |word: &str| {
        let is_code = word.len() == 9 && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        let is_token = word.len() > 200;
        let is_time = word.len() == 5 && word.as_bytes()[2] == b':';
        let is_in_the_box = word.contains("/azward-");
        if is_code || is_token || is_time || is_in_the_box { "…" } else { word }.to_owned()
    };
    let words = |text: &str| text.split([' ', '\n']).map(word).collect::<Vec<_>>().join(" ");
    (end, words(&out), words(&err))
}

/// A call as a person reads it, without what is another in every box.
pub(crate) fn shown(ground: &Ground, call: &Call) -> String {
    let arguments = call.arguments.replace(&ground.sandbox.root().display().to_string(), "");
    format!("{}({arguments})", call.place.name)
}
