//! How long whoever wants a fresh token waits for it: one budget, out of which his turn and the request are paid. Who holds
//! a token that az would still serve gives it a second. Who has none gives it what he would give az, which waits for the
//! endpoint without end (msal 1.39.0, `application.py`: no time-out) until its caller's own patience is over: ten seconds
//! with most SDKs, thirteen with the most patient.

use std::time::{Duration, Instant};

/// How long who has a token waits for a newer one.
const A_SECOND: Duration = Duration::from_secs(1);

/// How long who has none waits: no SDK gives az longer.
const AS_AZ: Duration = Duration::from_secs(13);

/// How long who has a token waits while the real az renews it, which takes seconds with any endpoint.
const AN_AZ: Duration = Duration::from_millis(6500);

/// For how long a request that somebody else sent is thought to be on its way. After that one more is sent beside it, by
/// one of those who wait: a connection that is lost costs its own caller, with az, and nobody else.
const ON_ITS_WAY: Duration = Duration::from_secs(4);

/// What somebody is ready to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// A second: there is a token that serves.
    Second,
    /// As long as for az: there is none.
    AsForAz,
}

/// What is left of somebody's patience.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    /// What he was ready to wait.
    pub(super) patience: Patience,
    all: Duration,
    began: Instant,
    asked_by: AskedBy,
}

/// Who wants the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AskedBy {
    /// A program, which asks again and again.
    Program,
    /// A person, who has perhaps mended what was wrong a moment ago.
    Person,
}

impl Budget {
    /// From now on.
    pub(super) fn of(patience: Patience) -> Self {
        let all = match patience {
            Patience::Second => A_SECOND,
            Patience::AsForAz => AS_AZ,
        };
        Self { patience, all, began: Instant::now(), asked_by: AskedBy::Program }
    }

    /// That of a person who has asked for nothing else, from now on.
    pub(super) fn of_a_person() -> Self {
        Self { asked_by: AskedBy::Person, ..Self::of(Patience::AsForAz) }
    }

    /// That of who has a token and waits for an az that renews it, from now on.
    pub(super) fn for_an_az() -> Self {
        Self { all: AN_AZ, ..Self::of(Patience::Second) }
    }

    /// That of who renews a token beside a run, where nobody waits for it.
    pub(super) fn beside_a_run() -> Self {
        Self { all: AS_AZ, ..Self::of(Patience::Second) }
    }

    /// Whether it is asked for although the endpoint could not be reached a moment ago.
    pub(super) fn is_a_person_s(&self) -> bool {
        self.asked_by == AskedBy::Person
    }

    /// How long he still waits.
    pub(super) fn left(&self) -> Duration {
        self.all.saturating_sub(self.began.elapsed())
    }

    /// Whether what was asked when he began is not thought to be on its way any more.
    pub(super) fn is_late(&self) -> bool {
        self.patience == Patience::AsForAz && self.began.elapsed() >= ON_ITS_WAY
    }
}
