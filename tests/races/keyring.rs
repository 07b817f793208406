//! A race for what an az that encrypts has in the system's keyring: again and again somebody signs in without azward, so that the login
//! is there, and then many az come at once, each of which takes it in, with SIGKILL at random. What is not killed succeeds; after each
//! round the item is empty, nothing is in the clear, and whoever has ever signed in is in the vault.

use std::time::{Duration, Instant};

use entra::{Rolling, User};

use crate::support::chance::Chance;
use crate::support::{Sandbox, SecretService, Signal, State, provision, wait_until};

/// How many come at once.
const CROWD: u64 = 4;

/// How many of a hundred are killed.
const KILLED: u64 = 30;

/// One of them, which asks for a token that nobody has yet.
fn come(sandbox: &Sandbox, mut chance: Chance, resource: &str) {
    let running = sandbox.az(["account", "get-access-token", "--output", "none", "--resource", resource]).start();
    if !chance.percent(KILLED) {
        running.finish().ok().silent();
        return;
    }
    std::thread::sleep(chance.moment(Duration::from_millis(800)));
    match chance.percent(50) {
        true => running.signal(Signal::KILL),
        false => running.signal_group(Signal::KILL),
    }
    running.finish();
}

/// Runs it for so many seconds.
pub(crate) fn race(seconds: u64, seed: u64) {
    let sandbox = Sandbox::new().with_real_az();
    if !sandbox.with_libsecret() {
        provision::announce("MISSING: no az reaches a keyring here, so that there is no race for what is in it");
        return;
    }
    provision::announce(&format!("a race for a keyring's items: {seconds} s, AZWARD_RACE_SEED={seed}"));
    let _service = SecretService::start(&sandbox, State::Unlocked);
    let entra = sandbox.start_entra(|knobs| knobs.rolling = Rolling::Entra);
    sandbox.wrap_encrypting_az();
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut round = 0;
    while round < 2 || Instant::now() < end {
        let user = if round % 2 == 0 { User::Alice } else { User::Bob };
        sandbox.plain_login(&entra, user);
        std::thread::scope(|scope| {
            for number in 0..CROWD {
                let resource = format!("https://round-{round}-{number}.example");
                let (sandbox, chance) = (&sandbox, Chance::new(seed + round * CROWD + number));
                scope.spawn(move || come(sandbox, chance, &resource));
            }
        });
        wait_until("no guardian is left", || sandbox.guardians().is_empty());
        sandbox.az(["group", "list", "--output", "none"]).run().ok().silent();
        let item = sandbox.keyring_item("Microsoft Azure CLI", &[("type", "Token cache")]);
        assert!(item.is_none(), "round {round}: the item still has a login");
        sandbox.assert_nothing_in_the_clear();
        let told = sandbox.azward(["list", "--logins"]).run().out();
        let others = if round == 0 { &[User::Alice][..] } else { &[User::Alice, User::Bob] };
        assert!(others.iter().all(|user| told.contains(user.username())), "round {round}: {told}");
        round += 1;
    }
}
