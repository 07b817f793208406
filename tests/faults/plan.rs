//! Which faults are injected: all of them (`AZWARD_FAULTS=full`), one of so many (`AZWARD_FAULTS=3`), those whose name begins
//! as the variable says (`AZWARD_FAULTS=run/in-place/0.rename.2/EIO`; several with commas between them, and a number among
//! them takes one of so many), or, without a word, a sample that is the same every
//! time.

use nix::errno::Errno;

use crate::calls::Call;
use crate::scenarios::{SCENARIOS, Scenario};
use crate::tracer::{Blow, Subject};

const VARIABLE: &str = "AZWARD_FAULTS";

/// Of how many faults the sample takes one.
const SAMPLE: usize = 89;

/// The same of an az before 2.30, which takes long to start.
const SAMPLE_OF_ADAL: usize = 299;

const EXPOSURES: [&str; 3] = ["in-place", "memory", "private"];

/// One fault: what happens at which call.
#[derive(Clone)]
pub(crate) struct Fault {
    pub(crate) name: String,
    pub(crate) call: Call,
    pub(crate) blow: Blow,
    pub(crate) number: usize,
}

pub(crate) struct Plan {
    chosen: String,
}

impl Plan {
    pub(crate) fn from_environment() -> Self {
        Self { chosen: std::env::var(VARIABLE).unwrap_or_default() }
    }

    /// The scenarios of which at least one fault may be chosen, each with each exposure.
    pub(crate) fn grounds(&self) -> Vec<(&'static Scenario, &'static str)> {
        let only = std::env::var("AZWARD_TEST_EXPOSURE").unwrap_or_default();
        let exposures = EXPOSURES.into_iter().filter(|exposure| only.is_empty() || only == *exposure);
        let all = exposures.flat_map(|exposure| SCENARIOS.iter().map(move |scenario| (scenario, exposure)));
        // What hands nothing over is the same in each of them, so that one is enough for a sample.
        let is_enough = !self.chosen.is_empty() || !only.is_empty();
        let all = all.filter(|(scenario, exposure)| {
            let is_handed_over = scenario.subject == Subject::Guardian || scenario.is_a_run && !scenario.has_keyring;
            // What an az before 2.30 is given is a file in memory in either of them.
            let is_handed_over = is_handed_over && !(scenario.is_adal && *exposure == "memory");
            is_enough || is_handed_over || *exposure == EXPOSURES[scenario.name.len() % EXPOSURES.len()]
        });
        let is_chosen = |name: &str| {
            self.names()
                .is_none_or(|names| names.iter().any(|prefix| prefix.starts_with(name) || name.starts_with(prefix)))
        };
        all.filter(|(scenario, exposure)| is_chosen(&format!("{}/{exposure}/", scenario.name))).collect()
    }

    /// The faults at these calls that are chosen, and how many there are.
    pub(crate) fn faults(&self, scenario: &Scenario, exposure: &str, calls: &[Call]) -> (Vec<Fault>, usize) {
        let mut faults = Vec::new();
        // Who looks again and again whether an az has ended does so as often as it takes: some of that is enough.
        let is_one_of_many =
            |call: &&Call| call.place.name == "wait4" && call.place.nth > 3 && !call.place.nth.is_multiple_of(8);
        for call in calls.iter().filter(|call| !is_one_of_many(call)) {
            let tear = call.is_divisible.then_some(Blow::Tear);
            // Nobody hangs up on a guardian with something unread: it never says a word.
            let is_real = |error: &&Errno| scenario.subject == Subject::Shim || **error != Errno::ECONNRESET;
            let fail = call.errors.iter().filter(is_real).map(|error| Blow::Fail(*error));
            for blow in std::iter::once(Blow::Kill).chain(tear).chain(fail) {
                let name = format!("{}/{exposure}/{}/{}", scenario.name, call.place, kind(blow));
                faults.push(Fault { name, call: call.clone(), blow, number: faults.len() });
            }
        }
        let all = faults.len();
        // Of what is not named another part of each scenario and exposure, so that every kind of fault has its turn.
        let every = self.chosen.split(',').find_map(|part| part.parse().ok());
        let begin = scenario.name.len() * 5 + exposure.len();
        let names = self.names();
        let sample = match (every, &names) {
            (Some(every), _) => every,
            (None, None) if self.chosen != "full" => sample_of(scenario),
            _ => 1,
        };
        faults.retain(|fault| (fault.number + begin).is_multiple_of(sample));
        if let Some(names) = names {
            faults.retain(|fault| names.iter().any(|prefix| fault.name.starts_with(prefix)));
        }
        (faults, all)
    }

    fn names(&self) -> Option<Vec<&str>> {
        let names = self.chosen.split(',').filter(|part| part.contains('/')).collect::<Vec<_>>();
        (!names.is_empty()).then_some(names)
    }
}

/// Of how many faults the sample takes one: it has those that hand nothing over in one exposure, and those with a keyring take long.
fn sample_of(scenario: &Scenario) -> usize {
    let is_handed_over = scenario.subject == Subject::Guardian || scenario.is_a_run;
    if scenario.is_adal {
        return SAMPLE_OF_ADAL;
    }
    match (scenario.has_keyring, is_handed_over) {
        (true, _) => 2 * SAMPLE,
        (false, true) => SAMPLE,
        (false, false) => SAMPLE / 2,
    }
}

/// The word for a blow.
pub(crate) fn kind(blow: Blow) -> String {
    match blow {
        Blow::Kill => "SIGKILL".to_owned(),
        Blow::Tear => "half".to_owned(),
        Blow::Fail(error) => format!("{error:?}"),
    }
}
