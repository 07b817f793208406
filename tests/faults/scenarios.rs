//! What is done while it is broken: one command each, and the state that it begins in.

use entra::{Entra, User};

use crate::support::{Invocation, Sandbox};

pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// Brings a new box into the state that the command finds, once.
    pub(crate) prepare: fn(&Sandbox, &Entra),
    /// What must be done anew each time, because it has to do with the clock.
    pub(crate) before: fn(&Sandbox),
    pub(crate) command: for<'a> fn(&'a Sandbox) -> Invocation<'a>,
    /// The command is azward's own: it may fail, and say why, and must go through when it is given again.
    pub(crate) is_azward_s: bool,
    /// The command is to put the refresh tokens into the config directory.
    pub(crate) gives_back: bool,
    /// There is a refresh token in the config directory before, which an az without azward left there.
    pub(crate) begins_in_the_clear: bool,
    /// The command is a run: there is a guardian.
    pub(crate) is_a_run: bool,
}

const NONE: Scenario = Scenario {
    name: "",
    prepare: |_, _| {},
    before: |_| {},
    command: |sandbox| sandbox.az(["version"]),
    is_azward_s: false,
    gives_back: false,
    begins_in_the_clear: false,
    is_a_run: false,
};

const LOGIN: [&str; 2] = ["login", "--use-device-code"];
const TOKEN: [&str; 2] = ["account", "get-access-token"];

fn log_in(sandbox: &Sandbox, entra: &Entra) {
    sandbox.login(entra, User::Alice);
}

/// Leaves the token for Resource Manager so many seconds.
fn age(sandbox: &Sandbox, seconds: i64) {
    sandbox.config().age_access_tokens(seconds, "management");
}

pub(crate) static SCENARIOS: [Scenario; 12] = [
    Scenario { name: "login", command: |sandbox| sandbox.az(LOGIN), is_a_run: true, ..NONE },
    Scenario { name: "login-again", prepare: log_in, command: |sandbox| sandbox.az(LOGIN), is_a_run: true, ..NONE },
    // The real az redeems the refresh token: an option's beginning is for argparse to understand.
    Scenario {
        name: "run",
        prepare: log_in,
        command: |sandbox| sandbox.az(TOKEN).args(["--resource", "https://run.example", "--out", "json"]),
        is_a_run: true,
        ..NONE
    },
    // azward rotates, and then a run begins.
    Scenario {
        name: "rotated-run",
        prepare: log_in,
        before: |sandbox| age(sandbox, 600),
        command: |sandbox| sandbox.az(["group", "list", "--query", "[].name", "--output", "tsv"]),
        is_a_run: true,
        ..NONE
    },
    Scenario { name: "answer", prepare: log_in, command: |sandbox| sandbox.az(TOKEN), ..NONE },
    Scenario {
        name: "rotation",
        prepare: log_in,
        before: |sandbox| age(sandbox, 600),
        command: |sandbox| sandbox.az(TOKEN),
        ..NONE
    },
    // There is no old token that could serve instead.
    Scenario {
        name: "late-rotation",
        prepare: log_in,
        before: |sandbox| age(sandbox, -60),
        command: |sandbox| sandbox.az(TOKEN),
        ..NONE
    },
    // The first vault, made in passing.
    Scenario {
        name: "adoption",
        prepare: |sandbox, entra| drop(sandbox.plain_login(entra, User::Alice)),
        command: |sandbox| sandbox.az(TOKEN),
        begins_in_the_clear: true,
        ..NONE
    },
    // There is a vault with an older refresh token, and the command needs no secret.
    Scenario {
        name: "readoption",
        prepare: |sandbox, entra| {
            log_in(sandbox, entra);
            sandbox.plain_login(entra, User::Alice);
        },
        begins_in_the_clear: true,
        ..NONE
    },
    Scenario {
        name: "logout",
        prepare: |sandbox, entra| {
            sandbox.login(entra, User::Bob);
            log_in(sandbox, entra);
        },
        command: |sandbox| sandbox.az(["logout", "--username", User::Bob.username()]),
        is_a_run: true,
        ..NONE
    },
    Scenario {
        name: "install",
        prepare: |sandbox, entra| {
            std::fs::write(sandbox.home().join(".bashrc"), "alias ll='ls -l'\n").expect("the box can be written");
            sandbox.plain_login(entra, User::Alice);
        },
        command: |sandbox| sandbox.azward(["install"]),
        is_azward_s: true,
        begins_in_the_clear: true,
        ..NONE
    },
    Scenario {
        name: "uninstall",
        prepare: |sandbox, entra| {
            std::fs::write(sandbox.home().join(".bashrc"), "alias ll='ls -l'\n").expect("the box can be written");
            log_in(sandbox, entra);
            sandbox.azward(["install"]).run().ok();
        },
        command: |sandbox| sandbox.azward(["uninstall"]),
        is_azward_s: true,
        gives_back: true,
        ..NONE
    },
];
