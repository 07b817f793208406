//! A container as far as an endpoint's callers can tell: a network in which there is loopback and nothing else, a home
//! without a login, and of azward the one program that containers have, called `az` on PATH or not at all.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Invocation, Outcome, Running, Sandbox};

/// How it is told that something else is reached than loopback.
const REACHED: i32 = 91;

/// Sets the network up, looks that each of `$ELSEWHERE` is out of reach, and becomes the program.
const ENTER: &str = r#"
PATH=$PATH:/usr/sbin:/sbin
ip link set lo up 2>/dev/null || ifconfig lo up || exit 90
for place in $ELSEWHERE; do
    if (exec 3<>"/dev/tcp/$place") 2>/dev/null; then echo "$place is reached" >&2; exit 91; fi
done
unset ELSEWHERE
exec "$@"
"#;

/// The same where the network is everybody's.
const STAY: &str = r#"for place in $ELSEWHERE; do (exec 3<>"/dev/tcp/$place") || exit 92; done; exit 91"#;

/// It, beside an endpoint of the host's.
pub(crate) struct Apart<'a> {
    sandbox: &'a Sandbox,
    /// Where `az` is, where nothing is, and the home.
    az: PathBuf,
    empty: PathBuf,
    /// What the endpoint said of itself.
    told: BTreeMap<String, String>,
    /// What must be out of reach: the stand-in, and the endpoint's own port.
    elsewhere: String,
    _serving: Running<'a>,
}

impl<'a> Apart<'a> {
    /// Serves the session with these options; the stand-in has that port. `None` where nobody can have such a network.
    pub(crate) fn from(sandbox: &'a Sandbox, session: &str, options: &[&str], port: u16) -> Option<Self> {
        let can = Command::new("unshare").args(["--map-root-user", "--net", "true"]).output();
        if !can.is_ok_and(|output| output.status.success()) {
            return None;
        }
        let serving = sandbox.azward(["serve", session, "--format", "json"]).args(options).start();
        serving.wait_for("\n}\n");
        let told: BTreeMap<String, String> = serde_json::from_str(&serving.said()).unwrap();
        let (az, empty) = (sandbox.root().join("inside/bin"), sandbox.root().join("inside/empty"));
        for directory in [&az, &empty] {
            std::fs::create_dir_all(directory).unwrap();
        }
        let inside = env!("CARGO_BIN_EXE_azward-inside");
        // Another of them may have put it there, and it may be running.
        assert!(
            Command::new("cp").arg("--remove-destination").arg(inside).arg(az.join("az")).status().unwrap().success()
        );
        let own = told["IDENTITY_ENDPOINT"].strip_prefix("http://").and_then(|rest| rest.split('/').next()).unwrap();
        let elsewhere = format!("127.0.0.1/{port} {}", own.replace(':', "/"));
        let apart = Self { sandbox, az, empty, told, elsewhere, _serving: serving };
        let here = apart.invocation("bash", &["-c", STAY]).run();
        assert_eq!(here.status.code(), Some(REACHED), "what is looked for is nowhere: {here:?}");
        Some(apart)
    }

    /// Runs a program as `azward-inside` runs it, without what is in `taken_out` of its environment, and with no az.
    pub(crate) fn behind_relay(&self, program: &[&str], taken_out: &[&str], with: &(&str, String)) -> Outcome {
        let inside = env!("CARGO_BIN_EXE_azward-inside");
        let mut words = vec![inside, "/usr/bin/env"];
        words.extend(taken_out.iter().flat_map(|name| ["-u", name]));
        self.enter(&words, &self.empty, program, with)
    }

    /// Runs a program that knows of no endpoint, and has az.
    pub(crate) fn beside_az(&self, program: &[&str], with: &(&str, String)) -> Outcome {
        self.enter(&["/usr/bin/env"], &self.az, program, with)
    }

    fn enter(&self, before: &[&str], path: &Path, program: &[&str], with: &(&str, String)) -> Outcome {
        let path = format!("PATH={}", path.display());
        let mut words = vec!["--map-root-user", "--net", "bash", "-c", ENTER, "bash"];
        words.extend(before);
        words.push(&path);
        words.extend(program);
        self.invocation("unshare", &words).env(with.0, &with.1).run()
    }

    /// A program with what a container is told (`container.env`), and the secret.
    fn invocation(&self, program: &str, words: &[&str]) -> Invocation<'a> {
        let is_for_containers =
            |name: &str| !["IDENTITY_", "AZURE_POD_", "ARM_MSI_"].iter().any(|o| name.starts_with(o));
        let told = self.told.iter().filter(|(name, _)| is_for_containers(name));
        let bare = Invocation::new(self.sandbox, program)
            .args(words)
            .only_path()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", &self.empty)
            .env("ELSEWHERE", &self.elsewhere)
            .cwd(&self.empty);
        told.fold(bare, |invocation, (name, value)| invocation.env(name, value))
    }
}
