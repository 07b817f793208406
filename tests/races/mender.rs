//! Mends what az does to its own files: it truncates them and then writes them, without a lock. One that reads in between
//! goes on with nothing, or stores that (azure-cli 2.91.0, `_session.py`, `Session.load`), and one that is killed there leaves
//! nothing to all others. azward only reads these files; without a mender, a race would soon be about them alone.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use entra::{CLOUD_NAME, SERVICE_PRINCIPAL, SUBSCRIPTION_1, SUBSCRIPTION_OF_MACHINE, User};

use crate::support::Sandbox;

/// How often to look. A file that is found bad twice in a row was not only being written.
const PAUSE: Duration = Duration::from_millis(20);

struct Mended {
    path: PathBuf,
    /// What it holds whenever it is whole.
    signs: Vec<String>,
    good: Vec<u8>,
    was_bad: bool,
}

pub(crate) struct Mender {
    files: Vec<Mended>,
    next: Instant,
    count: usize,
}

impl Mender {
    /// Keeps what the files hold now, when alice is logged in and nothing else runs.
    pub(crate) fn new(sandbox: &Sandbox) -> Self {
        let file = |name: &str, signs: &[&str]| {
            let path = sandbox.config_dir().join(name);
            let good = std::fs::read(&path).unwrap();
            let signs = signs.iter().copied().map(str::to_owned).collect();
            let file = Mended { path, signs, good, was_bad: false };
            assert!(!file.is_bad(), "`{}`", file.path.display());
            file
        };
        let section = format!("[{CLOUD_NAME}]");
        let files = vec![
            file(
                "azureProfile.json",
                &[SUBSCRIPTION_1.id, User::Alice.username(), SERVICE_PRINCIPAL.client_id, SUBSCRIPTION_OF_MACHINE.id],
            ),
            file("clouds.config", &[&section, "endpoint_active_directory "]),
            file("config", &["[cloud]", CLOUD_NAME]),
        ];
        Self { files, next: Instant::now(), count: 0 }
    }

    /// Looks, now and then.
    pub(crate) fn check(&mut self) {
        if Instant::now() < self.next {
            return;
        }
        self.next = Instant::now() + PAUSE;
        for file in &mut self.files {
            let is_bad = file.is_bad();
            if is_bad && file.was_bad {
                file.mend();
                self.count += 1;
            }
            file.was_bad = is_bad;
        }
    }

    /// Looks once more, when nothing runs, and tells how often there was something to mend.
    pub(crate) fn finish(mut self) -> usize {
        for file in self.files.iter().filter(|file| file.is_bad()) {
            file.mend();
            self.count += 1;
        }
        self.count
    }
}

impl Mended {
    fn is_bad(&self) -> bool {
        let text = std::fs::read_to_string(&self.path).unwrap_or_default();
        self.signs.iter().any(|sign| !text.contains(sign.as_str()))
    }

    fn mend(&self) {
        let draft = self.path.with_extension("mended");
        std::fs::write(&draft, &self.good).unwrap();
        std::fs::rename(&draft, &self.path).unwrap();
    }
}
