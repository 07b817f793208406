//! A race of an az before 2.30: many of it at once get tokens for resources of their own, list and use what there is, and then a service
//! principal is signed in and out beside them, with SIGKILL at random to shims and to all that they started. As long as nobody signs in
//! or out whatever is not killed succeeds, and no token that was stored is asked for again; afterwards az may trip over its own
//! profile, which it writes without a lock. When the dust has settled nothing is in the clear and no run's copy is left, the
//! user's login is good, and of the principal nothing is left once it is signed out.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use entra::{Entra, Rolling, SERVICE_PRINCIPAL, SUBSCRIPTION_1, Sight, User};

use crate::support::adal_az::adal_az;
use crate::support::chance::Chance;
use crate::support::{End, Sandbox, Signal, provision, wait_until};

/// How many are at work at once.
const WORKERS: u64 = 3;

/// How many of a hundred commands are killed, once that begins.
const KILLED: u64 = 40;

/// What is done at once by one worker.
struct Worker<'a> {
    sandbox: &'a Sandbox,
    chance: Chance,
    number: u64,
    resources: &'a AtomicUsize,
}

impl Worker<'_> {
    fn words(&mut self) -> Vec<String> {
        let line = match self.chance.below(3) {
            0 => "group list --output none".to_owned(),
            1 => "account get-access-token --output none".to_owned(),
            _ => {
                let number = self.resources.fetch_add(1, Ordering::Relaxed);
                format!("account get-access-token --resource https://race-{number}.example --output none")
            }
        };
        let line = format!("{line} --subscription {}", SUBSCRIPTION_1.id);
        line.split(' ').map(str::to_owned).collect()
    }

    /// Until `end`, and nobody is killed.
    fn work(&mut self, end: Instant) {
        while Instant::now() < end {
            self.sandbox.az(self.words()).run().ok().silent();
        }
    }

    /// Until `end`, and whoever is killed is. What fails otherwise has az's words for it.
    fn struggle(&mut self, end: Instant) {
        while Instant::now() < end {
            let running = self.sandbox.az(self.words()).start();
            if self.chance.percent(KILLED) {
                std::thread::sleep(self.chance.moment(Duration::from_millis(1500)));
                match self.chance.percent(50) {
                    true => running.signal(Signal::KILL),
                    false => running.signal_group(Signal::KILL),
                }
                running.finish();
                continue;
            }
            let outcome = running.finish();
            assert!(
                outcome.end() == End::Code(0) || !outcome.err().contains("azward: "),
                "worker {}: {outcome:?}",
                self.number
            );
        }
    }
}

/// A service principal comes and goes.
fn come_and_go(sandbox: &Sandbox, entra: &Entra, end: Instant) {
    let own = &SERVICE_PRINCIPAL;
    while Instant::now() < end {
        let login =
            ["login", "--service-principal", "-u", own.client_id, "--tenant", own.tenant.id, "-o", "none", "-p"];
        sandbox.az(login).args([entra.client_secret()]).run();
        sandbox.az(["logout", "--username", own.client_id]).run();
    }
}

/// Runs it for so many seconds, half of them without a kill.
pub(crate) fn race(exposure: &'static str, seconds: u64, seed: u64) {
    let Some(az) = adal_az() else { return };
    provision::announce(&format!("a race of an az before 2.30, {exposure}: {seconds} s, AZWARD_RACE_SEED={seed}"));
    let sandbox = Sandbox::new().with_az(az);
    sandbox.set_exposure(exposure);
    let entra = sandbox.start_entra(|knobs| {
        knobs.rolling = Rolling::Entra;
        knobs.sight = Sight::Own;
    });
    sandbox.login(&entra, User::Alice);
    entra.clear_journal();
    let resources = AtomicUsize::new(0);
    let half = Duration::from_secs(seconds) / 2;
    let (middle, end) = (Instant::now() + half, Instant::now() + 2 * half);
    let workers = || {
        let (sandbox, resources) = (&sandbox, &resources);
        (0..WORKERS).map(move |number| Worker { sandbox, chance: Chance::new(seed + number), number, resources })
    };
    std::thread::scope(|scope| workers().for_each(|mut worker| drop(scope.spawn(move || worker.work(middle)))));
    let asked = entra.token_requests();
    assert_eq!(asked, resources.load(Ordering::Relaxed), "each resource is asked for once");
    std::thread::scope(|scope| {
        workers().for_each(|mut worker| drop(scope.spawn(move || worker.struggle(end))));
        scope.spawn(|| come_and_go(&sandbox, &entra, end));
    });
    wait_until("no guardian is left", || sandbox.guardians().is_empty());
    sandbox.az(["logout", "--username", SERVICE_PRINCIPAL.client_id]).run();
    entra.knobs(|knobs| knobs.lifetime = 200);
    for host in ["one", "two"] {
        let resource = format!("https://settled-{host}.example");
        let words = ["account", "get-access-token", "-o", "none", "--subscription", SUBSCRIPTION_1.id, "--resource"];
        sandbox.az(words).args([resource]).run().ok();
    }
    sandbox.assert_nothing_in_the_clear();
    let run = std::fs::read_dir(sandbox.azward_home().join("run")).unwrap();
    let left: Vec<_> = run.map(|entry| entry.unwrap().file_name()).filter(is_a_copy_s).collect();
    assert!(left.is_empty(), "{left:?}");
    let told = sandbox.azward(["list", "--logins"]).run().out();
    assert!(told.contains(User::Alice.username()) && !told.contains(SERVICE_PRINCIPAL.client_id), "{told}");
}

fn is_a_copy_s(name: &std::ffi::OsString) -> bool {
    name.to_string_lossy().contains(".copy-")
}
