//! What a run costs on top of the az that it wraps, in both exposures, and its parts: the guardian, the sweep; and how soon a
//! killed shim is cleaned up after.

use std::path::Path;
use std::time::{Duration, Instant};

use azward::app::App;
use azward::azure::ConfigDir;
use azward::context::Context;
use azward::helper::{self, Helper};
use azward::run::guardian::Guardian;
use azward::settings::Settings;
use azward::store::CredentialStore;

use crate::support::{Sandbox, Signal, wait_until};
use crate::{Bench, MANY, Times, measure_pair, nothing_but, row, sorted};

/// How often a shim is killed.
const KILLS: usize = 20;

impl Bench<'_> {
    /// Here the az that is wrapped does nothing.
    pub(crate) fn wrapped_run(&self, empty: &Path) {
        let row_above = |what: &str, arguments: &[&str]| {
            let wrapped = || self.sandbox.az(arguments).env("AZWARD_REAL_AZ", empty).command();
            let (ours, alone) = measure_pair(what, MANY, wrapped, || nothing_but(empty));
            let above = format!("{:+.2} ms", ours.median() - alone.median());
            row(what, &ours.show(), &format!("the same az alone {}", alone.show()), &above);
        };
        for exposure in ["private", "memory", "in-place"] {
            self.sandbox.set_exposure(exposure);
            row_above(&format!("a wrapped run, {exposure}"), &["group", "list"]);
        }
        self.sandbox.set_exposure("auto");
        row_above("a command that needs no secret", &["extension", "list"]);
    }

    /// In this very process, so that nothing else is measured.
    pub(crate) fn parts(&self) {
        let context = Context::new(self.sandbox.environment(), None).helped_by(Helper::Here(helper::here));
        let guardian = timed(|| {
            let began = Instant::now();
            let guardian = Guardian::start(&context);
            let started = began.elapsed();
            // As long as it takes to come up, which nobody waits for in a run.
            std::thread::sleep(Duration::from_millis(5));
            let began = Instant::now();
            drop(guardian.dismiss());
            started + began.elapsed()
        });
        row("of that, the guardian: start and farewell", &guardian.show(), "", "");
        let app = App::with(context, Settings::default());
        let config_dir = ConfigDir::of(&app.context);
        let store = CredentialStore::new(&app, &config_dir);
        store.sweep().unwrap();
        std::thread::sleep(Duration::from_millis(100));
        store.sweep().unwrap();
        let sweep = timed(|| {
            let began = Instant::now();
            store.sweep().unwrap();
            began.elapsed()
        });
        row("a sweep with nothing to do", &sweep.show(), "", "");
    }

    /// From the end of an az whose shim was killed until its refresh token is gone from the file.
    pub(crate) fn kills(&self) {
        let sandbox = Sandbox::new().with_fake_az();
        sandbox.set_exposure("in-place");
        sandbox.az(["login", "alice@contoso.example"]).run().ok();
        eprint!("killed shims ");
        let times = (0..KILLS).map(|_| {
            eprint!(".");
            let az = sandbox.az(["print", "going", "sleep", "300", "roll"]).start();
            az.wait_for("going");
            az.signal(Signal::KILL);
            // Its caller hears az out: its output ends when it does.
            drop(az.finish());
            let ended = Instant::now();
            wait_until("the token is gone", || sandbox.config().refresh_token_count() == 0);
            ended.elapsed()
        });
        let times = sorted(times.collect());
        eprintln!();
        row("from az's end to a clean file, shim killed, in place", &times.show(), "", "");
    }
}

fn timed(once: impl FnMut() -> Duration) -> Times {
    sorted(std::iter::repeat_with(once).take(MANY).collect())
}
