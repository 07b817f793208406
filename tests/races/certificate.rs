//! A race for a certificate: a service principal's PEM file goes into the vault and comes back, again and again, while others get tokens with
//! it, of azward and of the real az; in the second half with SIGKILL at random, to those who move it too. As long as nobody is killed everybody
//! succeeds. When the dust has settled the file comes back with every byte, and the principal is good.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use entra::{Entra, Rolling, SERVICE_PRINCIPAL, TENANT_A};

use crate::support::certificates::make_certificate;
use crate::support::chance::Chance;
use crate::support::{BY_AZ, BY_AZWARD, End, Invocation, Sandbox, Signal, provision, wait_until};

/// How many get tokens at once.
const CALLERS: u64 = 2;

/// How many of a hundred are killed, once that begins.
const KILLED: u64 = 30;

const SEAL: [&str; 2] = ["vault", "seal-certificate"];
const UNDO: [&str; 3] = ["vault", "seal-certificate", "--undo"];

/// Something that is done again and again.
struct Worker<'a> {
    sandbox: &'a Sandbox,
    chance: Chance,
    resources: &'a AtomicUsize,
    /// Whether it moves the file.
    is_mover: bool,
}

impl<'a> Worker<'a> {
    fn next(&mut self) -> Invocation<'a> {
        // Who moves the file waits until nobody is at work, and is to find such a moment.
        std::thread::sleep(self.chance.moment(Duration::from_millis(if self.is_mover { 100 } else { 1500 })));
        if self.is_mover {
            return match self.chance.percent(50) {
                true => self.sandbox.azward(SEAL),
                false => self.sandbox.azward(UNDO),
            };
        }
        let by = if self.chance.percent(60) { BY_AZWARD } else { BY_AZ };
        let resource = format!("https://race-{}.example", self.resources.fetch_add(1, Ordering::Relaxed));
        self.sandbox.az(["account", "get-access-token", by, "--output", "none", "--resource"]).args([resource])
    }

    /// Until `end`, and nobody is killed.
    fn work(&mut self, end: Instant) {
        while Instant::now() < end {
            let outcome = self.next().run();
            // What is busy with others' runs says so, and is done another time.
            let is_busy = self.is_mover && outcome.err().contains("an az is running");
            assert!(outcome.end() == End::Code(0) || is_busy, "{outcome:?}");
        }
    }

    /// Until `end`, and whoever is killed is.
    fn struggle(&mut self, end: Instant) {
        while Instant::now() < end {
            let running = self.next().start();
            if self.chance.percent(KILLED) {
                std::thread::sleep(self.chance.moment(Duration::from_millis(if self.is_mover { 40 } else { 800 })));
                match self.chance.percent(50) {
                    true => running.signal(Signal::KILL),
                    false => running.signal_group(Signal::KILL),
                }
            }
            running.finish();
        }
    }
}

/// Runs it for so many seconds, half of them without a kill.
pub(crate) fn race(exposure: &'static str, seconds: u64, seed: u64) {
    provision::announce(&format!("a race for a certificate, {exposure}: {seconds} s, AZWARD_RACE_SEED={seed}"));
    let sandbox = Sandbox::new().with_real_az();
    sandbox.set_exposure(exposure);
    let entra = sandbox.start_entra(|knobs| knobs.rolling = Rolling::Entra);
    let path = sandbox.home().join("principal.pem");
    let pem = make_certificate(&path);
    sign_in(&sandbox, &entra, &path, &pem);
    let resources = AtomicUsize::new(0);
    let half = Duration::from_secs(seconds) / 2;
    let (middle, end) = (Instant::now() + half, Instant::now() + 2 * half);
    let workers = || {
        let (sandbox, resources) = (&sandbox, &resources);
        (0..=CALLERS).map(move |number| Worker {
            sandbox,
            chance: Chance::new(seed + number),
            resources,
            is_mover: number == CALLERS,
        })
    };
    std::thread::scope(|scope| workers().for_each(|mut worker| drop(scope.spawn(move || worker.work(middle)))));
    std::thread::scope(|scope| workers().for_each(|mut worker| drop(scope.spawn(move || worker.struggle(end)))));
    wait_until("no guardian is left", || sandbox.guardians().is_empty());
    for by in [BY_AZWARD, BY_AZ] {
        let resource = format!("https://settled{by}.example");
        sandbox.az(["account", "get-access-token", by, "--output", "none", "--resource"]).args([resource]).run().ok();
    }
    sandbox.azward(SEAL).run().ok();
    assert!(!path.exists());
    sandbox.assert_nothing_in_the_clear();
    sandbox.azward(UNDO).run().ok();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), pem, "every byte of it is back");
}

fn sign_in(sandbox: &Sandbox, entra: &Entra, path: &Path, pem: &str) {
    entra.register_certificate(&SERVICE_PRINCIPAL, pem);
    let words = ["login", "--service-principal", "--username", SERVICE_PRINCIPAL.client_id, "--tenant", TENANT_A.id];
    sandbox.az(words).args(["--certificate"]).args([path]).run().ok();
    sandbox.az(["account", "get-access-token"]).run().ok();
}
