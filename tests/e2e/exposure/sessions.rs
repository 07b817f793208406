//! Three sessions of two tenants and two logins, and plain az a fourth, at work at the same moment: `group list`, bursts of tokens
//! as Terraform asks for them, and rotations. Each gets its own subscription, no refresh token is presented twice, and none lies
//! in the clear afterwards. Then the same with SIGKILLs to whoever has to do with it, and when that is over everything is as if
//! nothing had been.

use std::time::Duration;

use entra::{Entra, Fault, Request, Rolling, SUBSCRIPTION_1, Subscription, TENANT_A, Tenant, Trouble, User};

use crate::support::chance::Chance;
use crate::support::native::claims;
use crate::support::proc::Process;
use crate::support::sessions::{SIDE_BY_SIDE, Started, directory, start_side_by_side};
use crate::support::{End, Invocation, Outcome, Running, Sandbox, Signal, wait_until};

/// How often everybody begins while some are killed, and how many are each time.
const ROUNDS: u64 = 2;
const KILLS: u64 = 5;

/// About how long a round takes: a kill comes somewhere within.
const ROUND: Duration = Duration::from_millis(2500);

/// What Terraform's providers ask for, all of it at once.
const BURST: [&str; 3] = [
    "https://management.core.windows.net//.default",
    "https://graph.example/.default",
    "https://vault.example/.default",
];

/// Where az works: a session, or as ever.
struct Place {
    session: Option<&'static str>,
    subscription: &'static Subscription,
    tenant: &'static Tenant,
    user: User,
}

fn places() -> Vec<Place> {
    let of = |Started { name, subscription, tenant, user }| Place { session: Some(name), subscription, tenant, user };
    let plain = Place { session: None, subscription: &SUBSCRIPTION_1, tenant: &TENANT_A, user: User::Alice };
    SIDE_BY_SIDE.into_iter().map(of).chain([plain]).collect()
}

impl Place {
    fn az<'a>(&self, sandbox: &'a Sandbox, words: &[&str]) -> Invocation<'a> {
        match self.session {
            Some(name) => sandbox.azward([&["exec", name, "--", "az"], words].concat()),
            None => sandbox.az(words),
        }
    }

    fn token<'a>(&self, sandbox: &'a Sandbox, scope: &str) -> Invocation<'a> {
        self.az(sandbox, &["account", "get-access-token", "--output", "json", "--scope", scope])
    }

    /// A token that was printed is of this place's subscription, tenant and user, and was issued.
    fn check(&self, entra: &Entra, outcome: &Outcome) {
        let told = outcome.json();
        let secret = told["accessToken"].as_str().unwrap();
        let says = claims(secret);
        let told = (&told["subscription"], &told["tenant"], &says["tid"], &says["unique_name"]);
        let (subscription, tenant) = (self.subscription.id.into(), self.tenant.id.into());
        assert_eq!(told, (&subscription, &tenant, &tenant, &self.user.username().into()), "{outcome:?}");
        assert!(entra.access_tokens_issued().iter().any(|issued| issued == secret), "{outcome:?}");
    }
}

/// Something under way, and whether it is going to print a token.
struct UnderWay<'a> {
    running: Running<'a>,
    place: usize,
    is_token: bool,
}

/// Everybody begins: in each place a `group list`, tokens, a look at the account, and a rotation. `new` is part of the scopes, which
/// nobody has asked for before.
fn all_at_once<'a>(sandbox: &'a Sandbox, places: &[Place], new: &str) -> Vec<UnderWay<'a>> {
    let mut all = Vec::new();
    for (place, at) in places.iter().enumerate() {
        let mut start = |invocation: Invocation<'a>, is_token| {
            all.push(UnderWay { running: invocation.start(), place, is_token });
        };
        start(at.az(sandbox, &["group", "list", "--output", "none"]), false);
        for scope in BURST {
            start(at.token(sandbox, &scope.replace(".example", &format!(".{new}.example"))), true);
        }
        if let Some(name) = at.session {
            start(sandbox.azward(["rotate", name, "--force"]), false);
        }
    }
    all
}

/// Every request that presented a refresh token, and how it was answered.
fn presented(entra: &Entra) -> Vec<Request> {
    let journal = entra.journal().into_iter();
    journal.filter(|request| request.grant_type.as_deref() == Some("refresh_token")).collect()
}

fn at_the_same_moment(sandbox: &Sandbox, entra: &Entra, places: &[Place]) {
    for place in places {
        let config = place.session.map_or_else(|| sandbox.config(), |name| directory(sandbox, name));
        config.age_access_tokens(100, "management");
    }
    entra.clear_journal();
    for UnderWay { running, place, is_token } in all_at_once(sandbox, places, "calm") {
        let outcome = running.finish().ok().silent();
        if is_token {
            places[place].check(entra, &outcome);
        }
    }
    for place in places {
        let shown = place.az(sandbox, &["account", "show", "--output", "tsv", "--query=id"]).run().ok().silent().out();
        assert_eq!(shown.trim_end(), place.subscription.id);
    }
    // Who presents one that another has just spent is refused, and takes the next.
    let (granted, refused): (Vec<_>, Vec<_>) = presented(entra).into_iter().partition(|one| one.status == Some(200));
    assert!(
        !granted.is_empty() && refused.iter().all(|one| one.error.as_deref() == Some("AADSTS70000")),
        "{refused:?}"
    );
    sandbox.assert_nothing_in_the_clear();
}

fn with_kills(sandbox: &Sandbox, entra: &Entra, places: &[Place], chance: &mut Chance) {
    // What a killed process had in hand nobody can store, so the one before it stays good for now.
    entra.knobs(|knobs| {
        knobs.rolling = Rolling::Entra;
        knobs.faults = vec![Fault::new(Trouble::Delay(Duration::from_millis(200))).for_grant("refresh_token")];
        knobs.arm_delay = Duration::from_millis(500);
    });
    for round in 0..ROUNDS {
        let all = all_at_once(sandbox, places, &format!("round{round}"));
        let mut pauses: Vec<Duration> = (0..KILLS).map(|_| chance.moment(ROUND)).collect();
        pauses.sort();
        let mut until = Duration::ZERO;
        for pause in pauses {
            std::thread::sleep(pause - until);
            until = pause;
            let processes = sandbox.processes();
            if !processes.is_empty() {
                kill(processes[chance.place(processes.len())]);
            }
        }
        for UnderWay { running, place, is_token } in all {
            let outcome = running.finish();
            // Whoever is killed, and whoever lives beside them, gets another's subscription least of all.
            if is_token && outcome.end() == End::Code(0) {
                places[place].check(entra, &outcome);
            }
        }
    }
    wait_until("nobody of the box is left", || sandbox.processes().is_empty() && sandbox.guardians().is_empty());
    entra.knobs(|knobs| {
        knobs.rolling = Rolling::Strict;
        knobs.faults.clear();
        knobs.arm_delay = Duration::ZERO;
    });
}

/// It may have ended this very moment.
fn kill(process: Process) {
    let id = rustix::process::Pid::from_raw(process.0).unwrap();
    let _ = rustix::process::kill_process(id, Signal::KILL);
}

/// Everybody works, the refresh tokens roll, and nothing lies in the clear: what two that were killed together have left is taken
/// in by the next az there.
fn assert_settled(sandbox: &Sandbox, entra: &Entra, places: &[Place]) {
    for place in places {
        place.az(sandbox, &["group", "list", "--output", "none"]).run().ok();
    }
    sandbox.assert_nothing_in_the_clear();
    entra.clear_journal();
    for scope in ["https://first.example/.default", "https://second.example/.default"] {
        for place in places {
            place.check(entra, &place.token(sandbox, scope).run().ok().silent());
        }
    }
    // One after the other each presents what the one before was granted, in whichever directory that was; what alice has had in one
    // of them she does not ask for in the other.
    let presented = presented(entra);
    assert_eq!(presented.len(), 2 * (places.len() - 1));
    for request in &presented {
        assert_eq!(request.status, Some(200), "{request}");
    }
    sandbox.azward(["stop", "--all"]).run().ok();
    sandbox.assert_nothing_in_the_clear();
}

fn side_by_side(exposure: &str, seed: u64) {
    let sandbox = Sandbox::new().with_real_az();
    sandbox.set_exposure(exposure);
    let entra = sandbox.start_entra(|_| {});
    start_side_by_side(&sandbox, &entra);
    let places = places();
    at_the_same_moment(&sandbox, &entra, &places);
    with_kills(&sandbox, &entra, &places, &mut Chance::new(seed));
    assert_settled(&sandbox, &entra, &places);
}

#[test]
fn side_by_side_privately() {
    side_by_side("private", 1);
}

#[test]
fn side_by_side_in_memory() {
    side_by_side("memory", 2);
}

#[test]
fn side_by_side_in_place() {
    side_by_side("in-place", 3);
}
