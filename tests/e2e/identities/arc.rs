//! Azure Arc, whose agent has each request sent again with a key that it writes for it: asked as az asks it where the key is as the
//! agent writes it, and left to az where anything about it is not. Where az looks for keys, only the commands of a box see its own.

use std::fs;

use entra::{ARC_KEY_CANARY, ARC_KEYS, ArcKey, Entra, Fault, Instance, Trouble, USER_IDENTITY, USER_IDENTITY_RESOURCE};
use tempfile::TempDir;

use super::{TOKEN, age, answered_to, is_ours, left_to_az, put, requests, sandbox, sign_in};
use crate::support::native::assert_same;
use crate::support::{Invocation, Outcome, Running, Sandbox};

/// A box on a machine of Azure Arc's.
struct Machine {
    sandbox: Sandbox,
    entra: Entra,
    instance: Instance,
    keys: TempDir,
}

impl Machine {
    fn new() -> Self {
        let (sandbox, entra, instance) = sandbox();
        let keys = tempfile::tempdir().unwrap();
        entra.knobs(|knobs| knobs.arc_keys = Some(keys.path().to_owned()));
        put(&sandbox, instance.of_arc());
        Self { sandbox, entra, instance, keys }
    }

    /// The same where an identity of the machine's is signed in.
    fn signed_in(ids: &[&str]) -> Self {
        let machine = Self::new();
        machine.az(&["login", "--identity"]).args(ids).run().ok();
        machine
    }

    /// The same where azward knows that it says of its own what az says of it.
    fn earned() -> Self {
        let machine = Self::signed_in(&[]);
        left_to_az(machine.az(&TOKEN)).ok().silent();
        machine.entra.clear_journal();
        machine
    }

    /// The same command, with the agent's keys where az looks for them.
    fn here<'a>(&self, invocation: Invocation<'a>) -> Invocation<'a> {
        invocation.with_directory(self.keys.path(), ARC_KEYS, "/var/opt")
    }

    fn az(&self, words: &[&str]) -> Invocation<'_> {
        self.here(self.sandbox.az(words))
    }

    fn plain_az(&self, words: &[&str]) -> Invocation<'_> {
        self.here(self.sandbox.plain_az(words))
    }

    /// How many keys are written that nobody has sent.
    fn keys_left(&self) -> usize {
        fs::read_dir(self.keys.path()).unwrap().count()
    }
}

fn token(more: &[&'static str]) -> Vec<&'static str> {
    [&TOKEN[..], more].concat()
}

#[test]
fn arc_is_asked_as_az_asks_it_and_its_tokens_are_kept() {
    let machine = Machine::earned();
    let entra = &machine.entra;
    for (more, asked) in [
        (&[][..], 0),
        (&["--output", "tsv", "--query", "accessToken"], 0),
        (&["--resource", "https://vault.azure.net"], 2),
        (&["--scope", "https://vault.azure.net/.default"], 0),
        (&["--resource-type", "aad-graph", "-o", "yaml"], 2),
    ] {
        let words = token(more);
        entra.clear_journal();
        let theirs = machine.plain_az(&words).run().ok();
        let asked_by_az = requests(entra);
        assert_eq!(asked_by_az.len(), 2, "{asked_by_az:?}");
        assert_same(&answered_to(machine.az(&words), entra, asked), &theirs);
        for (ours, theirs) in requests(entra).iter().zip(&asked_by_az) {
            assert_eq!(
                (&ours.path, &ours.status, &ours.scope, &ours.account),
                (&theirs.path, &theirs.status, &theirs.scope, &theirs.account)
            );
        }
        assert_same(&answered_to(machine.az(&words), entra, 0), &theirs);
    }
    assert_eq!(machine.keys_left(), 0);
    // What it gave is none of a virtual machine's.
    let elsewhere = machine.az(&TOKEN).without("IDENTITY_ENDPOINT").without("IMDS_ENDPOINT");
    answered_to(elsewhere, entra, 1);
    let said = machine.here(machine.sandbox.azward(["status", "--json"])).run().json();
    assert_eq!(said["managed_identity"]["endpoint"], machine.instance.of_arc()[0].1.as_str());
    machine.sandbox.assert_nothing_in_the_clear();
}

#[test]
fn a_token_of_arc_s_that_is_due_is_renewed_by_one_of_many() {
    let machine = Machine::earned();
    let before = answered_to(machine.az(&TOKEN), &machine.entra, 0).token();
    machine.entra.knobs(|knobs| knobs.instance_keeps = false);
    age(&machine.sandbox, 19 * 60, 24 * 3600);
    let callers: Vec<Running<'_>> = (0..10).map(|_| machine.az(&TOKEN).start()).collect();
    let tokens: Vec<String> = callers.into_iter().map(|caller| caller.finish().ok().silent().token()).collect();
    assert!(tokens.iter().all(|token| *token == tokens[0] && *token != before));
    assert_eq!(requests(&machine.entra).len(), 2);
    assert_eq!(answered_to(machine.az(&TOKEN), &machine.entra, 0).token(), tokens[0]);
}

#[test]
fn a_key_as_large_as_any_is_sent() {
    let machine = Machine::earned();
    machine.entra.knobs(|knobs| knobs.arc_key = ArcKey::Long(4096));
    let words = token(&["--resource", "https://vault.azure.net"]);
    let theirs = machine.plain_az(&words).run().ok();
    assert_same(&answered_to(machine.az(&words), &machine.entra, 2), &theirs);
}

#[test]
fn a_key_that_is_not_as_the_agent_writes_it_is_az_s_and_an_old_token_serves_meanwhile() {
    let machine = Machine::earned();
    let entra = &machine.entra;
    let before = answered_to(machine.az(&TOKEN), entra, 0).token();
    let place = format!("{ARC_KEYS}/$KEY");
    for (number, (key, realm, sent_by_us)) in [
        (ArcKey::Another, place.as_str(), 2),
        (ArcKey::Long(4097), &place, 1),
        (ArcKey::Missing, &place, 1),
        (ArcKey::Linked, &place, 1),
        (ArcKey::Directory, &place, 1),
        (ArcKey::Own, "/tmp/$KEY", 1),
        (ArcKey::Own, "/var/opt/azcmagent/tokens/../tokens/$KEY", 1),
        (ArcKey::Own, "\"/var/opt/azcmagent/tokens/$KEY\"", 1),
        (ArcKey::Own, "$KEY", 1),
        (ArcKey::Own, "/var/opt/azcmagent/tokens/$KEY, x=y", 1),
    ]
    .into_iter()
    .enumerate()
    {
        entra.knobs(|knobs| (knobs.arc_key, knobs.arc_realm) = (key, realm.to_owned()));
        let resource = format!("https://{number}.example");
        let words = ["account", "get-access-token", "--resource", &resource];
        let theirs = machine.plain_az(&words).run();
        entra.clear_journal();
        let ours = left_to_az(machine.az(&words));
        let asked = requests(entra);
        assert_eq!(asked.iter().filter(|request| is_ours(request)).count(), sent_by_us, "{key:?} {realm}: {asked:?}");
        if theirs.status.success() {
            assert_same(&ours, &theirs);
        } else {
            let last = |text: String| text.lines().last().map(without_guids);
            assert_eq!((ours.status, ours.out()), (theirs.status, theirs.out()), "{key:?} {realm}");
            assert_eq!(last(ours.err()), last(theirs.err()), "{key:?} {realm}");
        }
    }
    age(&machine.sandbox, 10 * 60, 24 * 3600);
    assert_eq!(answered_to(machine.az(&TOKEN), entra, 1).token(), before);
    assert_eq!(answered_to(machine.az(&TOKEN), entra, 0).token(), before, "it is not asked again at once");
    machine.sandbox.assert_nothing_in_the_clear();
}

#[test]
fn a_key_that_fits_no_header_is_az_s_which_tells_it() {
    let machine = Machine::earned();
    machine.entra.knobs(|knobs| knobs.arc_key = ArcKey::Ended);
    machine.sandbox.expect_clear(machine.sandbox.config_dir().join("commands"));
    let words = token(&["--resource", "https://vault.azure.net"]);
    let told = |outcome: &Outcome| outcome.err().contains("InvalidHeader") && outcome.err().contains(ARC_KEY_CANARY);
    let theirs = machine.plain_az(&words).expect_clear_output().run().exited(1);
    let ours = left_to_az(machine.az(&words).expect_clear_output()).exited(1);
    assert!(told(&theirs) && told(&ours), "{theirs:?}\n{ours:?}");
    // az has it in its own log; azward notes nothing of it.
    machine.sandbox.assert_nothing_in_the_clear();
}

/// A line with the ids of ten or more hexadecimal digits and hyphens taken out, wherever they are in it.
fn without_guids(line: &str) -> String {
    let is_of_guid = |character: char| character.is_ascii_hexdigit() || character == '-';
    let words = line.split_inclusive(|character| !is_of_guid(character));
    words.filter(|word| word.trim_end_matches(|character| !is_of_guid(character)).len() < 10).collect()
}

#[test]
fn while_arc_s_agent_fails_the_old_token_serves_and_az_tells_who_has_none() {
    for trouble in [Trouble::TooManyRequests(30), Trouble::ServerError, Trouble::Garbage, Trouble::HangUp] {
        let machine = Machine::earned();
        let before = answered_to(machine.az(&TOKEN), &machine.entra, 0).token();
        machine.entra.knobs(|knobs| knobs.faults.push(Fault::new(trouble.clone())));
        age(&machine.sandbox, 10 * 60, 24 * 3600);
        assert_eq!(answered_to(machine.az(&TOKEN), &machine.entra, 1).token(), before, "{trouble:?}");
        let words = token(&["--resource", "https://vault.azure.net"]);
        let theirs = machine.plain_az(&words).run().exited(1);
        let ours = left_to_az(machine.az(&words)).exited(1);
        assert_eq!((ours.out(), ours.last_err_line()), (theirs.out(), theirs.last_err_line()));
    }
}

#[test]
fn another_identity_than_the_machine_s_own_is_az_s() {
    for ids in [["--client-id", USER_IDENTITY.client_id], ["--resource-id", USER_IDENTITY_RESOURCE]] {
        let machine = Machine::new();
        // The agent says whose token it gives by the client id alone, and of any other id MSAL has to be told as well.
        let login = machine.az(&["login", "--identity"]).args(ids).run();
        if ids[0] != "--client-id" {
            assert!(login.exited(1).err().contains("did not confirm the requested user-assigned managed identity"));
            assert!(!requests(&machine.entra).iter().any(is_ours));
            continue;
        }
        login.ok();
        for _ in 0..3 {
            machine.entra.clear_journal();
            let ours = left_to_az(machine.az(&TOKEN)).ok();
            assert_same(&ours, &machine.plain_az(&TOKEN).run().ok());
            assert!(!requests(&machine.entra).iter().any(is_ours));
        }
    }
}

#[test]
fn where_a_netrc_says_something_else_az_sends_that() {
    let machine = Machine::earned();
    let netrc = machine.sandbox.home().join(".netrc");
    fs::write(netrc, "machine 127.0.0.1 login somebody password something\n").unwrap();
    let theirs = machine.plain_az(&TOKEN).run().exited(1);
    machine.entra.clear_journal();
    let ours = left_to_az(machine.az(&TOKEN)).exited(1);
    assert_eq!((ours.out(), ours.last_err_line()), (theirs.out(), theirs.last_err_line()));
    assert!(!requests(&machine.entra).iter().any(is_ours));
}

#[test]
fn where_the_agent_is_it_is_asked_without_a_variable() {
    let (sandbox, _entra, _instance) = sandbox();
    sign_in(&sandbox, &[]);
    let bin = tempfile::tempdir().unwrap();
    let here = |invocation: Invocation<'_>| invocation.with_directory(bin.path(), "/opt/azcmagent/bin", "/opt").run();
    let asked = || here(sandbox.azward(["status", "--json"])).json()["managed_identity"]["endpoint"].clone();
    assert_ne!(asked(), "http://localhost:40342/metadata/identity/oauth2/token");
    fs::write(bin.path().join("himds"), "").unwrap();
    assert_eq!(asked(), "http://localhost:40342/metadata/identity/oauth2/token");
    let theirs = here(sandbox.plain_az(TOKEN)).exited(1);
    assert!(theirs.err().contains("port=40342"), "{theirs:?}");
}
