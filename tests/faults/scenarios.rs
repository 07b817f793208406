//! What is done while it is broken: one command each, and the state that it begins in.

use std::os::unix::fs::PermissionsExt;

use entra::{
    Entra, GUEST_PRINCIPAL, SERVICE_PRINCIPAL, SUBSCRIPTION_1, ServicePrincipal, TENANT_A, TENANT_B, Tenant, User,
};

use crate::support::identities;
use crate::support::{BY_AZ, Invocation, Sandbox, make_certificate};
use crate::tracer::Subject;
use crate::treasure::{self, Treasure};

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
    /// Whose login it is all about: the next az gets that one a token.
    pub(crate) whose: Whose,
    /// The command logs this one out: afterwards no file opens to a secret of theirs.
    pub(crate) logs_out: Option<Who>,
    /// What must not be lost beside that login's secret.
    pub(crate) treasure: Option<Treasure>,
    /// There is a keyring, and an az that uses it.
    pub(crate) has_keyring: bool,
    /// The az is one before 2.30, whose access tokens are due at once, so that it redeems its refresh token in every run.
    pub(crate) is_adal: bool,
}

/// Whose login a scenario is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// A user's refresh token.
    Alices,
    /// What the service principal signs in with.
    Principals,
    /// The machine's own, which has no secret, only tokens.
    Identitys,
}

/// Who is logged out.
#[derive(Clone, Copy)]
pub(crate) enum Who {
    User(User),
    Principal(&'static ServicePrincipal),
    /// The machine's own identity.
    Identity,
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
    whose: Whose::Alices,
    logs_out: None,
    treasure: None,
    has_keyring: false,
    is_adal: false,
};

/// A login of the service principal, which has a secret that never changes.
const PRINCIPAL: Scenario = Scenario { whose: Whose::Principals, ..NONE };

/// A login of the machine's own identity.
const IDENTITY: Scenario = Scenario { whose: Whose::Identitys, ..NONE };

/// An az that encrypts has alice's login in the keyring; it is in no file.
const KEYRING: Scenario =
    Scenario { has_keyring: true, treasure: Some(Treasure::KeyringItem), before: treasure::put_item, ..NONE };

/// The az is one before 2.30.
const ADAL: Scenario = Scenario { is_adal: true, ..NONE };

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

/// How a service principal signs in, but for what proves who it is.
const fn words(own: &'static ServicePrincipal, tenant: &'static Tenant) -> [&'static str; 6] {
    ["login", "--service-principal", "--username", own.client_id, "--tenant", tenant.id]
}

const SIGN_IN: [&str; 6] = words(&SERVICE_PRINCIPAL, &TENANT_A);

fn sign_in(sandbox: &Sandbox) -> Invocation<'_> {
    let secret = std::fs::read_to_string(sandbox.root().join("secret")).expect("it was prepared");
    sandbox.az(SIGN_IN).args(["--password", &secret])
}

/// The other service principal is signed in, too.
fn sign_both_in(sandbox: &Sandbox, entra: &Entra) {
    sandbox.az(words(&GUEST_PRINCIPAL, &TENANT_B)).args(["--password", entra.client_secret()]).run().ok();
    sign_principal_in(sandbox, entra);
}

fn sign_guest_out(sandbox: &Sandbox) -> Invocation<'_> {
    sandbox.az(["logout", "--username", GUEST_PRINCIPAL.client_id])
}

/// The machine's own identity is signed in, and azward has compared what it says of it with what az says.
fn sign_identity_in(sandbox: &Sandbox, entra: &Entra) {
    for (name, value) in entra.start_instance().expect("the endpoints start").of_virtual_machine() {
        sandbox.set_env(name, value);
    }
    sandbox.az(["login", "--identity"]).run().ok();
    for _ in 0..2 {
        sandbox.az(TOKEN).run().ok();
    }
}

/// alice is logged in without azward, by an az that has it in the keyring; azward's own key is elsewhere.
fn log_in_with_keyring(sandbox: &Sandbox, entra: &Entra) {
    sandbox.wrap_encrypting_az();
    sandbox.set("key_store", "key-file");
    sandbox.plain_login(entra, User::Alice);
    treasure::save_item(sandbox);
}

/// What an az before 2.30 has left lies beside alice's login.
fn leave_adal_file(sandbox: &Sandbox, entra: &Entra) {
    log_in(sandbox, entra);
    treasure::write_adal_file(sandbox, entra);
}

/// A shell's file, which an install adds to.
fn install(sandbox: &Sandbox) {
    std::fs::write(sandbox.home().join(".bashrc"), "alias ll='ls -l'\n").expect("the box can be written");
    sandbox.azward(["install"]).run().ok();
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
    let path = treasure::pem_file(sandbox);
    let pem = make_certificate(&path);
    entra.register_certificate(&SERVICE_PRINCIPAL, &pem);
    std::fs::write(sandbox.root().join("treasure"), pem).expect("the box can be written");
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

/// The same with an az before 2.30, whose profile knows each by a subscription: alice's is the one in use.
fn log_each_in(sandbox: &Sandbox, entra: &Entra) {
    log_in(sandbox, entra);
    sandbox.login(entra, User::Bob);
    sandbox.az(["account", "set", "--subscription", SUBSCRIPTION_1.id]).run().ok();
    entra.knobs(|knobs| knobs.next_login = User::Alice);
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

pub(crate) static SCENARIOS: [Scenario; 53] = [
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
        logs_out: Some(Who::User(User::Bob)),
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
        logs_out: Some(Who::User(User::Bob)),
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
        logs_out: Some(Who::User(User::Alice)),
        ..NONE
    },
    Scenario {
        name: "uninstall",
        prepare: |sandbox, entra| {
            log_in(sandbox, entra);
            install(sandbox);
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
        whose: Whose::Principals,
        ..GUARDED
    },
    // The PEM file is in the home: what is there before every fault.
    Scenario {
        name: "seal-certificate",
        prepare: sign_principal_in_by_file,
        command: |sandbox| sandbox.azward(["vault", "seal-certificate"]),
        is_azward_s: true,
        treasure: Some(Treasure::Certificate),
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
        treasure: Some(Treasure::Certificate),
        ..PRINCIPAL
    },
    Scenario {
        name: "unseal-certificate",
        prepare: |sandbox, entra| {
            sign_principal_in_by_file(sandbox, entra);
            sandbox.azward(["vault", "seal-certificate"]).run().ok();
        },
        command: |sandbox| sandbox.azward(["vault", "seal-certificate", "--undo"]),
        is_azward_s: true,
        treasure: Some(Treasure::Certificate),
        ..PRINCIPAL
    },
    Scenario {
        name: "principal-answer",
        prepare: sign_principal_in,
        command: |sandbox| sandbox.az(TOKEN),
        ..PRINCIPAL
    },
    Scenario {
        name: "principal-logout",
        prepare: sign_both_in,
        command: sign_guest_out,
        is_a_run: true,
        logs_out: Some(Who::Principal(&GUEST_PRINCIPAL)),
        ..PRINCIPAL
    },
    Scenario {
        name: "guarded-principal-login",
        prepare: have_a_secret,
        command: sign_in,
        whose: Whose::Principals,
        ..GUARDED
    },
    Scenario {
        name: "guarded-principal-logout",
        prepare: sign_both_in,
        command: sign_guest_out,
        whose: Whose::Principals,
        logs_out: Some(Who::Principal(&GUEST_PRINCIPAL)),
        ..GUARDED
    },
    // A secret goes back into the list, and a PEM file to where it was.
    Scenario {
        name: "principal-uninstall",
        prepare: |sandbox, entra| {
            sandbox.az(words(&GUEST_PRINCIPAL, &TENANT_B)).args(["--password", entra.client_secret()]).run().ok();
            sign_principal_in_by_file(sandbox, entra);
            install(sandbox);
            sandbox.azward(["vault", "seal-certificate"]).run().ok();
        },
        command: |sandbox| sandbox.azward(["uninstall"]),
        is_azward_s: true,
        gives_back: true,
        treasure: Some(Treasure::Certificate),
        ..PRINCIPAL
    },
    Scenario { name: "identity-answer", prepare: sign_identity_in, command: |sandbox| sandbox.az(TOKEN), ..IDENTITY },
    Scenario {
        name: "identity-renewal",
        prepare: sign_identity_in,
        before: |sandbox| identities::age(sandbox, 60, 3600),
        command: |sandbox| sandbox.az(TOKEN),
        ..IDENTITY
    },
    Scenario {
        name: "identity-logout",
        prepare: sign_identity_in,
        command: |sandbox| sandbox.az(["logout"]),
        is_a_run: true,
        logs_out: Some(Who::Identity),
        ..IDENTITY
    },
    Scenario {
        name: "keyring-adoption",
        prepare: log_in_with_keyring,
        command: |sandbox| sandbox.az(TOKEN),
        is_a_run: true,
        ..KEYRING
    },
    Scenario {
        name: "keyring-scrub",
        prepare: log_in_with_keyring,
        command: |sandbox| sandbox.azward(["scrub"]),
        is_azward_s: true,
        ..KEYRING
    },
    Scenario {
        name: "keyring-uninstall",
        prepare: |sandbox, entra| {
            log_in_with_keyring(sandbox, entra);
            install(sandbox);
            treasure::save_item(sandbox);
        },
        command: |sandbox| sandbox.azward(["uninstall"]),
        is_azward_s: true,
        gives_back: true,
        ..KEYRING
    },
    Scenario {
        name: "adal-adoption",
        prepare: leave_adal_file,
        command: list,
        is_a_run: true,
        begins_in_the_clear: true,
        treasure: Some(Treasure::AdalFile),
        ..NONE
    },
    Scenario {
        name: "adal-uninstall",
        prepare: |sandbox, entra| {
            leave_adal_file(sandbox, entra);
            list(sandbox).run().ok();
            install(sandbox);
        },
        command: |sandbox| sandbox.azward(["uninstall"]),
        is_azward_s: true,
        gives_back: true,
        treasure: Some(Treasure::AdalFile),
        ..NONE
    },
    Scenario { name: "adal-login", command: |sandbox| sandbox.az(LOGIN), is_a_run: true, ..ADAL },
    Scenario { name: "adal-run", prepare: log_in, command: list, is_a_run: true, ..ADAL },
    Scenario {
        name: "adal-logout",
        prepare: log_each_in,
        command: log_bob_out,
        is_a_run: true,
        logs_out: Some(Who::User(User::Bob)),
        ..ADAL
    },
    Scenario { name: "guarded-adal-run", prepare: log_in, command: list, is_adal: true, ..GUARDED },
    Scenario {
        name: "guarded-adal-logout",
        prepare: log_each_in,
        command: log_bob_out,
        logs_out: Some(Who::User(User::Bob)),
        is_adal: true,
        ..GUARDED
    },
    Scenario {
        name: "used-adal-uninstall",
        prepare: |sandbox, entra| {
            log_in(sandbox, entra);
            install(sandbox);
        },
        command: |sandbox| sandbox.azward(["uninstall"]),
        is_azward_s: true,
        gives_back: true,
        ..ADAL
    },
];
