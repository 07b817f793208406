//! What is done while it is broken: one command each, and the state that it begins in.

use std::os::unix::fs::PermissionsExt;

use entra::{Entra, SERVICE_PRINCIPAL, TENANT_A, User};

use crate::support::{BY_AZ, Invocation, Sandbox, make_certificate};
use crate::tracer::Subject;

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
    /// Who is struck.
    pub(crate) subject: Subject,
    /// It is all about the login of the service principal, and not alice's.
    pub(crate) is_a_principal_s: bool,
    /// The command logs this user out: afterwards no file opens to a refresh token of theirs.
    pub(crate) logs_out: Option<User>,
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
    subject: Subject::Shim,
    is_a_principal_s: false,
    logs_out: None,
};

/// A login of the service principal, which has a secret that never changes.
const PRINCIPAL: Scenario = Scenario { is_a_principal_s: true, ..NONE };

const LOGIN: [&str; 2] = ["login", "--use-device-code"];
const TOKEN: [&str; 2] = ["account", "get-access-token"];

fn log_in(sandbox: &Sandbox, entra: &Entra) {
    sandbox.login(entra, User::Alice);
}

/// The session of the first subscription.
const SESSION: &str = "contoso-production";

/// alice is logged in by a name, and az looks there.
fn log_in_by_name(sandbox: &Sandbox, entra: &Entra) {
    entra.knobs(|knobs| knobs.next_login = User::Alice);
    sandbox.azward(["login", "lab", "--", "--use-device-code"]).run().ok();
    sandbox.set_env("AZURE_CONFIG_DIR", sandbox.azward_home().join("logins/lab"));
}

/// How the service principal signs in, but for what proves who it is.
const SIGN_IN: [&str; 6] =
    ["login", "--service-principal", "--username", SERVICE_PRINCIPAL.client_id, "--tenant", TENANT_A.id];

fn sign_in(sandbox: &Sandbox) -> Invocation<'_> {
    let secret = std::fs::read_to_string(sandbox.root().join("secret")).expect("it was prepared");
    sandbox.az(SIGN_IN).args(["--password", &secret])
}

/// The secret is where the command finds it.
fn have_a_secret(sandbox: &Sandbox, entra: &Entra) {
    std::fs::write(sandbox.root().join("secret"), entra.client_secret()).expect("the box can be written");
}

/// The service principal is signed in with its secret.
fn sign_principal_in(sandbox: &Sandbox, entra: &Entra) {
    have_a_secret(sandbox, entra);
    sign_in(sandbox).run().ok();
}

/// The same with a certificate, which is in its file.
fn sign_principal_in_by_file(sandbox: &Sandbox, entra: &Entra) {
    let path = sandbox.home().join("principal.pem");
    entra.register_certificate(&SERVICE_PRINCIPAL, &make_certificate(&path));
    sandbox.az(SIGN_IN).args(["--certificate", path.to_str().expect("it is a text")]).run().ok();
}

/// Leaves the token for Resource Manager so many seconds.
fn age(sandbox: &Sandbox, seconds: i64) {
    sandbox.config().age_access_tokens(seconds, "management");
}

/// alice and bob are logged in.
fn log_both_in(sandbox: &Sandbox, entra: &Entra) {
    sandbox.login(entra, User::Bob);
    log_in(sandbox, entra);
}

fn log_bob_out(sandbox: &Sandbox) -> Invocation<'_> {
    sandbox.az(["logout", "--username", User::Bob.username()])
}

/// The real az redeems the refresh token: in a form that azward leaves to it.
fn redeem(sandbox: &Sandbox) -> Invocation<'_> {
    sandbox.az(TOKEN).args(["--resource", "https://run.example", BY_AZ, "--output", "json"])
}

fn list(sandbox: &Sandbox) -> Invocation<'_> {
    sandbox.az(["group", "list", "--query", "[].name", "--output", "tsv"])
}

/// Where no certificate is verified the rotation is az's.
fn through_az(invocation: Invocation<'_>) -> Invocation<'_> {
    invocation.env("AZURE_CLI_DISABLE_CONNECTION_VERIFICATION", "1")
}

/// A run whose shim is killed as soon as its az has begun, so that all that is left to be done is its guardian's.
const GUARDED: Scenario = Scenario { is_a_run: true, subject: Subject::Guardian, ..NONE };

pub(crate) static SCENARIOS: [Scenario; 33] = [
    Scenario { name: "login", command: |sandbox| sandbox.az(LOGIN), is_a_run: true, ..NONE },
    Scenario { name: "login-again", prepare: log_in, command: |sandbox| sandbox.az(LOGIN), is_a_run: true, ..NONE },
    Scenario { name: "run", prepare: log_in, command: redeem, is_a_run: true, ..NONE },
    // azward rotates, and then a run begins.
    Scenario {
        name: "rotated-run",
        prepare: log_in,
        before: |sandbox| age(sandbox, 600),
        command: list,
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
    // The directory is a view: vault and register are the login's.
    Scenario {
        name: "view-rotation",
        prepare: |sandbox, entra| {
            log_in(sandbox, entra);
            let view = sandbox.home().join("view");
            sandbox.azward(["view".as_ref(), view.as_os_str()]).run().ok();
            sandbox.set_env("AZURE_CONFIG_DIR", view);
            sandbox.az(TOKEN).run().ok();
        },
        before: |sandbox| age(sandbox, 600),
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
        prepare: log_both_in,
        command: log_bob_out,
        is_a_run: true,
        logs_out: Some(User::Bob),
        ..NONE
    },
    // An az renews the token, and then there is an answer.
    Scenario {
        name: "az-rotation",
        prepare: log_in,
        before: |sandbox| age(sandbox, 600),
        command: |sandbox| through_az(sandbox.az(TOKEN)),
        is_a_run: true,
        ..NONE
    },
    // The same beside the az that waits for it.
    Scenario {
        name: "az-rotated-run",
        prepare: log_in,
        before: |sandbox| age(sandbox, 600),
        command: |sandbox| through_az(list(sandbox)),
        is_a_run: true,
        ..NONE
    },
    Scenario { name: "guarded-login", command: |sandbox| sandbox.az(LOGIN), ..GUARDED },
    Scenario { name: "guarded-login-again", prepare: log_in, command: |sandbox| sandbox.az(LOGIN), ..GUARDED },
    Scenario { name: "guarded-run", prepare: log_in, command: redeem, ..GUARDED },
    Scenario {
        name: "guarded-logout",
        prepare: log_both_in,
        command: log_bob_out,
        logs_out: Some(User::Bob),
        ..GUARDED
    },
    Scenario {
        name: "guarded-az-rotation",
        prepare: log_in,
        before: |sandbox| age(sandbox, 600),
        command: |sandbox| through_az(sandbox.az(TOKEN)),
        ..GUARDED
    },
    // From the key file to a passphrase, which is in a file beside the home.
    Scenario {
        name: "vault-move",
        prepare: |sandbox, entra| {
            let passphrase = sandbox.root().join("passphrase");
            std::fs::write(&passphrase, "correct horse\n").expect("the box can be written");
            std::fs::set_permissions(&passphrase, std::fs::Permissions::from_mode(0o600)).expect("the file is ours");
            sandbox.set_env("AZWARD_PASSPHRASE_FILE", passphrase);
            sandbox.set("key_store", "key-file");
            log_in(sandbox, entra);
        },
        command: |sandbox| sandbox.azward(["vault", "move", "--to", "passphrase"]),
        is_azward_s: true,
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
        name: "session-start",
        prepare: log_in,
        command: |sandbox| sandbox.azward(["start", SESSION]),
        is_azward_s: true,
        ..NONE
    },
    Scenario {
        name: "session-rotate",
        prepare: |sandbox, entra| {
            log_in(sandbox, entra);
            sandbox.azward(["start", SESSION]).run().ok();
        },
        command: |sandbox| sandbox.azward(["rotate", SESSION, "--force"]),
        is_azward_s: true,
        ..NONE
    },
    Scenario {
        name: "session-stop",
        prepare: |sandbox, entra| {
            log_in(sandbox, entra);
            sandbox.azward(["start", SESSION]).run().ok();
        },
        command: |sandbox| sandbox.azward(["stop", SESSION]),
        is_azward_s: true,
        ..NONE
    },
    Scenario {
        name: "named-login",
        prepare: log_in_by_name,
        command: |sandbox| sandbox.azward(["login", "lab", "--", "--use-device-code"]),
        is_a_run: true,
        is_azward_s: true,
        ..NONE
    },
    Scenario {
        name: "named-logout",
        prepare: |sandbox, entra| {
            log_in_by_name(sandbox, entra);
            sandbox.azward(["start", SESSION]).run().ok();
        },
        command: |sandbox| sandbox.azward(["logout", "lab"]),
        is_a_run: true,
        is_azward_s: true,
        logs_out: Some(User::Alice),
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
    Scenario { name: "principal-login", prepare: have_a_secret, command: sign_in, is_a_run: true, ..PRINCIPAL },
    Scenario { name: "principal-run", prepare: sign_principal_in, command: redeem, is_a_run: true, ..PRINCIPAL },
    Scenario {
        name: "principal-rotation",
        prepare: sign_principal_in,
        before: |sandbox| age(sandbox, 600),
        command: |sandbox| sandbox.az(TOKEN),
        ..PRINCIPAL
    },
    Scenario {
        name: "principal-adoption",
        prepare: |sandbox, entra| {
            sandbox.plain_az(SIGN_IN).args(["--password", entra.client_secret()]).run().ok();
        },
        begins_in_the_clear: true,
        ..PRINCIPAL
    },
    Scenario {
        name: "guarded-principal-run",
        prepare: sign_principal_in,
        command: redeem,
        is_a_principal_s: true,
        ..GUARDED
    },
    // The PEM file is in the home: what is there before every fault.
    Scenario {
        name: "seal-certificate",
        prepare: sign_principal_in_by_file,
        command: |sandbox| sandbox.azward(["vault", "seal-certificate"]),
        is_azward_s: true,
        ..PRINCIPAL
    },
    Scenario {
        name: "certificate-run",
        prepare: |sandbox, entra| {
            sign_principal_in_by_file(sandbox, entra);
            sandbox.azward(["vault", "seal-certificate"]).run().ok();
        },
        command: redeem,
        is_a_run: true,
        ..PRINCIPAL
    },
];
