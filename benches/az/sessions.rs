//! What `azward list` and `azward exec` cost with two hundred sessions, all of them started: above a process that does nothing.

use std::fs;
use std::path::Path;
use std::process::Command;

use entra::User;
use serde_json::Value;

use crate::support::{Invocation, Sandbox};
use crate::{Bench, MANY, install, measure_pair, nothing_but, row};

/// How many there are.
const COUNT: usize = 200;

impl Bench<'_> {
    pub(crate) fn sessions(&self, empty: &Path) {
        let sandbox = Sandbox::new().with_real_az().with_entra(self.entra);
        self.entra.write_az_config(&sandbox.config_dir(), "entra").unwrap();
        sandbox.login(self.entra, User::Alice);
        let name = start_all(&sandbox);
        let azward = sandbox.shim().with_file_name("azward");
        install(&azward);
        let exec = ["exec".as_ref(), name.as_ref(), "--".as_ref(), empty.as_os_str()];
        let commands: [(&str, Vec<&std::ffi::OsStr>); 2] =
            [("azward list", vec!["list".as_ref()]), ("azward exec of an empty program", exec.to_vec())];
        for (what, words) in commands {
            let ours = || Invocation::new(&sandbox, &azward).args(&words).command();
            let (ours, alone) = measure_pair(what, MANY, ours, || nothing_but(empty));
            let above = format!("{:+.2} ms", ours.median() - alone.median());
            let what = format!("{what}, {COUNT} sessions");
            row(&what, &ours.show(), &format!("an empty C program {}", alone.show()), &above);
        }
    }
}

/// Starts one session, and makes all others what that is; the name of the last.
fn start_all(sandbox: &Sandbox) -> String {
    sandbox.azward(["start", "contoso-production"]).run().ok();
    let profile = sandbox.config_dir().join("azureProfile.json");
    let text = fs::read_to_string(&profile).unwrap();
    let mut all: Value = serde_json::from_str(text.trim_start_matches('\u{feff}')).unwrap();
    let subscriptions = all["subscriptions"].as_array_mut().unwrap();
    for number in subscriptions.len()..COUNT {
        let mut another = subscriptions[0].clone();
        another["id"] = format!("{number:08}-aaaa-4111-8111-111111111111").into();
        another["name"] = format!("Contoso {number}").into();
        another["isDefault"] = false.into();
        subscriptions.push(another);
    }
    fs::write(&profile, all.to_string()).unwrap();
    sandbox.azward(["list"]).run().ok();
    let register = sandbox.azward_home().join("sessions.json");
    let mut listed: Value = serde_json::from_slice(&fs::read(&register).unwrap()).unwrap();
    let sessions = listed["sessions"].as_array_mut().unwrap();
    let first = sessions[0].clone();
    let directory = |session: &Value| sandbox.azward_home().join("sessions").join(session["id"].as_str().unwrap());
    for session in sessions.iter_mut().skip(1) {
        session["token"] = first["token"].clone();
        let copied = Command::new("cp").arg("-a").arg(directory(&first)).arg(directory(session)).status().unwrap();
        assert!(copied.success());
    }
    let last = sessions[COUNT - 1]["name"].as_str().unwrap().to_owned();
    fs::write(&register, listed.to_string()).unwrap();
    last
}
