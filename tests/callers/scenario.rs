//! What callers meet: each scenario sets the scene, for azward or for the bare az, has the caller ask, and says what came.

use std::fmt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use entra::{Fault, Refusal, TENANT_A, TENANT_B, Trouble};

use crate::caller::{Answer, Caller, Means};
use crate::wanted::{Age, Wanted};
use crate::world::World;

/// What an endpoint takes that is slow: less than the ten seconds that most callers give az, Python and all.
const SLOW: Duration = Duration::from_secs(7);

/// How many ask at once.
const CROWD: usize = 30;

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Azward,
    BareAz,
}

/// What a caller meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) is_quick: bool,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Well,
    Due,
    Expired,
    OtherTenant,
    Slow,
    ShortLived,
    Refused,
    LoggedOut,
}

/// All of them, in the order in which they are played: nobody logs in again.
pub(crate) const SCENARIOS: [Scenario; 8] = [
    Scenario { name: "well", is_quick: true, kind: Kind::Well },
    Scenario { name: "due", is_quick: true, kind: Kind::Due },
    Scenario { name: "expired, 30 at once", is_quick: false, kind: Kind::Expired },
    Scenario { name: "other tenant", is_quick: false, kind: Kind::OtherTenant },
    Scenario { name: "slow endpoint", is_quick: false, kind: Kind::Slow },
    Scenario { name: "short-lived", is_quick: false, kind: Kind::ShortLived },
    Scenario { name: "refused", is_quick: true, kind: Kind::Refused },
    Scenario { name: "logged out", is_quick: true, kind: Kind::LoggedOut },
];

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) answers: Vec<Answer>,
    /// What is wrong with the first of the tokens that is not as it was asked for.
    pub(crate) wrong: Option<String>,
    /// From the first question to the last answer.
    pub(crate) took: Duration,
    /// How often the endpoint was asked for a token.
    pub(crate) requests: usize,
}

impl Scenario {
    /// Whether a caller can meet it.
    pub(crate) fn is_for(&self, caller: &Caller) -> bool {
        self.kind != Kind::OtherTenant || caller.has_tenants
    }

    /// Whether nearly all of it is a wait for the endpoint, which costs the machine nothing.
    pub(crate) fn is_waiting(&self) -> bool {
        self.kind == Kind::Slow
    }

    /// Plays it.
    pub(crate) fn play(&self, world: &World, means: &Means, place: Place) -> Outcome {
        world.mend(place);
        let issued_before = world.entra.access_tokens_issued().len();
        let environment = world.environment(place);
        let ask = |count, tenant| means.ask(&world.sandbox, &environment, count, tenant);
        // MSAL throws away what has expired, and then there is none, which comes to the same.
        let has_some = || !world.config(place).entries("AccessToken").is_empty();
        let age = |seconds| if has_some() { world.config(place).age_access_tokens(seconds, "") } else { 0 };
        let (mut count, mut tenant) = (1, None);
        match self.kind {
            // The first time it is fetched.
            Kind::Well => assert!(ask(1, None)[0].is_ok(), "{means:?}: {:?}", ask(1, None)),
            Kind::Due => assert_ne!(age(15 * 60), 0),
            Kind::Expired => {
                _ = age(-60);
                count = CROWD;
            }
            Kind::OtherTenant => tenant = Some(TENANT_B.id),
            Kind::Slow => {
                _ = age(-60);
                world.break_it(Fault::new(Trouble::Delay(SLOW)));
            }
            Kind::ShortLived => {
                _ = age(-60);
                world.entra.knobs(|knobs| knobs.lifetime = 600);
                assert!(ask(1, None)[0].is_ok(), "{means:?}");
            }
            Kind::Refused => {
                _ = age(-60);
                world.break_it(Fault::refuse(Refusal::Expired));
            }
            // Whoever comes next finds it done.
            Kind::LoggedOut => {
                let az = match place {
                    Place::Azward => world.sandbox.az(["logout"]),
                    Place::BareAz => world.sandbox.plain_az(["logout"]),
                };
                environment.iter().fold(az, |az, (name, value)| az.env(*name, value)).run();
            }
        }
        world.entra.clear_journal();
        let began = Instant::now();
        let answers = ask(count, tenant);
        let took = began.elapsed();
        let wanted = Wanted {
            tenant: tenant.unwrap_or(TENANT_A.id),
            resource: means.resource(),
            age: self.age(place),
            issued_before,
        };
        let fault = |(token, expires_on): &(String, _)| wanted.fault(&world.entra, token, *expires_on, now());
        let wrong = answers.iter().flatten().find_map(fault);
        Outcome { answers, wrong, took, requests: world.entra.token_requests() }
    }

    /// Which tokens may serve there.
    fn age(self, place: Place) -> Age {
        match (self.kind, place) {
            (Kind::Well | Kind::OtherTenant, _) | (Kind::Due, Place::BareAz) => Age::Any,
            // az hands out one that is due, azward does not.
            (Kind::Due, Place::Azward) => Age::New,
            (Kind::Expired | Kind::Slow | Kind::ShortLived | Kind::Refused, _) => Age::New,
            (Kind::LoggedOut, _) => Age::None,
        }
    }
}

impl Outcome {
    /// How many have a token.
    pub(crate) fn served(&self) -> usize {
        self.answers.iter().filter(|answer| answer.is_ok()).count()
    }

    /// How many minutes the shortest-lived of the tokens has left, where that is told.
    pub(crate) fn minutes_left(&self) -> Option<i64> {
        let expires = self.answers.iter().flatten().filter_map(|(_, expires_on)| *expires_on).min()?;
        Some((expires - now() + 30) / 60)
    }

    /// What is said of one that has none, with whatever has the form of an id or of a time made equal.
    pub(crate) fn complaint(&self) -> Option<String> {
        let is_id = |word: &str| word.len() > 7 && word.bytes().all(|byte| b"0123456789abcdef-:.TZ'".contains(&byte));
        let text = self.answers.iter().find_map(|answer| answer.as_ref().err())?;
        let words = text.split_whitespace().map(|word| if is_id(word) { "…" } else { word });
        Some(words.collect::<Vec<_>>().join(" "))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.took.as_secs_f64();
        let all = self.answers.len();
        match (self.served(), self.complaint()) {
            (0, Some(complaint)) => {
                let code =
                    complaint.split(|c: char| !c.is_ascii_alphanumeric()).find(|word| word.starts_with("AADSTS"));
                let told = match (code, complaint.contains("az login")) {
                    (Some(code), _) => code.to_owned(),
                    (None, true) => "\"az login\"".to_owned(),
                    (None, false) => complaint.chars().take(60).collect(),
                };
                write!(formatter, "{told}")?;
            }
            (served, _) if served == all => write!(formatter, "{}", if all == 1 { "token" } else { "all" })?,
            (served, _) => write!(formatter, "{served} of {all}")?,
        }
        if self.wrong.is_some() {
            write!(formatter, ", WRONG")?;
        }
        if let Some(minutes) = self.minutes_left() {
            write!(formatter, ", {minutes} min")?;
        }
        write!(formatter, ", {seconds:.1} s, {} asked", self.requests)
    }
}

/// In seconds since the epoch.
fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().cast_signed()
}
