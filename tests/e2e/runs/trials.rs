//! An answer is earned: of an az that azward does not know the first token is a run, whose caller notices nothing; what it says
//! is compared with what azward would have said, and only one that said the same is answered for, until it is another.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;

use entra::{Entra, Rolling, User};

use crate::support::native::{assert_same, times_taken_out};
use crate::support::{Invocation, Outcome, Sandbox, Terminal, in_shell, provision};

const TOKEN: [&str; 2] = ["account", "get-access-token"];
const VALUE: [&str; 6] = ["account", "get-access-token", "--query", "accessToken", "-o", "tsv"];

/// A box in which alice is logged in, with an az of which azward knows nothing.
fn logged_in() -> (Sandbox, Entra) {
    let sandbox = Sandbox::new().with_unknown_az();
    let entra = sandbox.start_entra(|knobs| knobs.rolling = Rolling::Entra);
    sandbox.login(&entra, User::Alice);
    (sandbox, entra)
}

/// The same where az is this script, in which `AZ` stands for the real one.
fn logged_in_with(script: &str) -> (Sandbox, Entra) {
    let (sandbox, entra) = logged_in();
    put(&sandbox, script);
    (sandbox, entra)
}

/// Replaces the az behind the shim.
fn put(sandbox: &Sandbox, script: &str) {
    std::fs::remove_file(sandbox.wrapped_az()).unwrap();
    sandbox.make_script(sandbox.wrapped_az(), &script.replace("AZ", &in_shell(provision::real_az())));
}

/// What a command says, which is what the az behind the shim says alone, and what is written down of it.
#[track_caller]
fn asked(sandbox: &Sandbox, words: &[&str]) -> (Outcome, String) {
    let (ours, deeds) = sandbox.deeds_of(|| sandbox.az(words).run());
    assert_same(&ours, &sandbox.plain_az(words).run());
    (ours, deeds.join(" "))
}

fn answers_line(sandbox: &Sandbox) -> String {
    let status = sandbox.azward(["status"]).run().out();
    let line = status.lines().find(|line| line.starts_with("answers ")).unwrap_or_else(|| panic!("{status}"));
    line.split_once(' ').unwrap().1.trim().to_owned()
}

#[test]
fn the_first_token_is_a_run_and_the_next_ones_are_answered() {
    let (sandbox, _entra) = logged_in();
    assert!(answers_line(&sandbox).starts_with("none yet: "));
    for (words, deeds) in [(&TOKEN[..], "run"), (&TOKEN, "answer"), (&VALUE, "answer")] {
        let (outcome, done) = asked(&sandbox, words);
        outcome.ok().silent();
        assert_eq!(done, deeds, "{words:?}");
    }
    assert!(answers_line(&sandbox).starts_with("tokens, by azward"));
}

#[test]
fn who_agreed_on_a_part_is_answered_for_in_that_part_alone() {
    let (sandbox, _entra) = logged_in();
    for (words, deeds) in [
        (&VALUE[..], "run"),
        (&VALUE, "answer"),
        (&TOKEN, "run"),
        (&["account", "get-access-token", "--query", "tenant"], "answer"),
    ] {
        let (outcome, done) = asked(&sandbox, words);
        outcome.ok().silent();
        assert_eq!(done, deeds, "{words:?}");
    }
}

#[test]
fn an_az_that_was_replaced_is_another() {
    let (sandbox, _entra) = logged_in_with("exec AZ \"$@\"");
    let done = || asked(&sandbox, &TOKEN).1;
    assert_eq!([done(), done()], ["run", "answer"]);
    put(&sandbox, "exec AZ \"$@\" # the next version");
    assert_eq!([done(), done()], ["run", "answer"]);
}

#[test]
fn an_az_that_says_something_else_is_never_answered_for() {
    let (sandbox, _entra) = logged_in_with("AZ \"$@\" | sed s/Bearer/bearer/");
    for _ in 0..3 {
        let (outcome, deeds) = asked(&sandbox, &TOKEN);
        assert!(outcome.ok().silent().out().contains("\"bearer\""));
        assert_eq!(deeds, "run");
    }
    assert!(answers_line(&sandbox).starts_with("none: "));
    // Not even where it would say the same.
    assert_eq!([asked(&sandbox, &VALUE).1, asked(&sandbox, &VALUE).1], ["run", "run"]);
    // The next one may.
    put(&sandbox, "exec AZ \"$@\"");
    assert_eq!([asked(&sandbox, &TOKEN).1, asked(&sandbox, &TOKEN).1], ["run", "answer"]);
}

#[test]
fn a_wrapper_shows_itself_in_which_form_it_is() {
    // As before 2.54.
    let (sandbox, _entra) = logged_in_with("AZ \"$@\" | sed '/\"expires_on\"/d'");
    assert_eq!([asked(&sandbox, &TOKEN).1, asked(&sandbox, &TOKEN).1], ["run", "answer"]);
    let answer = sandbox.az(TOKEN).args(["-o", "tsv"]).run().ok().silent().out();
    assert_eq!(answer.split('\t').count(), 5, "{answer}");
    // Whether it knows that name is not known.
    let words = [&TOKEN[..], &["-n", entra::SUBSCRIPTION_2.name]].concat();
    assert_eq!(asked(&sandbox, &words).1, "run");
}

#[test]
fn an_az_that_fails_has_said_nothing() {
    let (sandbox, _entra) = logged_in_with("AZ \"$@\"; exit 3");
    assert_eq!(asked(&sandbox, &TOKEN).1, "run");
    put(&sandbox, "AZ \"$@\"; kill -TERM $$");
    assert_eq!(asked(&sandbox, &TOKEN).1, "run");
    put(&sandbox, "echo said; exit 0");
    assert_eq!(asked(&sandbox, &TOKEN).1, "run");
    assert!(answers_line(&sandbox).starts_with("none yet: "));
}

#[test]
fn az_has_an_output_of_the_caller_s_kind_and_the_caller_all_that_it_says() {
    const KIND: &str = "stat -Lc %F /dev/fd/1 >&2; [ -t 1 ] && echo terminal >&2; AZ \"$@\"";
    let (sandbox, _entra) = logged_in_with(KIND);
    let file = sandbox.root().join("file");
    let into = |target: &Path| format!("exec \"$0\" \"$@\" >{}", in_shell(target));
    // Nobody sees what goes there.
    for target in [Path::new("/dev/null"), &file] {
        let said = || times_taken_out(&std::fs::read_to_string(&file).unwrap_or_default()).0;
        let ours = (sandbox.az(TOKEN).in_script(&into(target)).run().visible(), said());
        let theirs = (sandbox.plain_az(TOKEN).in_script(&into(target)).run().visible(), said());
        assert_eq!(ours, theirs);
        assert!(answers_line(&sandbox).starts_with("none yet: "), "{}", target.display());
    }
    let terminal = |az: Invocation<'_>| {
        let outcome = Terminal::start(&az).finish();
        (outcome.end(), times_taken_out(&outcome.out()).0)
    };
    assert_eq!(terminal(sandbox.az(TOKEN)), terminal(sandbox.plain_az(TOKEN)));
    assert!(answers_line(&sandbox).starts_with("none yet: "));
    // Node's streams are sockets.
    let socket = |az: Invocation<'_>| {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut command = az.command();
        command.stdin(Stdio::null()).stdout(OwnedFd::from(theirs)).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        drop(command);
        let said = std::io::read_to_string(ours).unwrap();
        let output = child.wait_with_output().unwrap();
        (times_taken_out(&said).0, String::from_utf8(output.stderr).unwrap(), output.status)
    };
    assert_eq!(socket(sandbox.az(TOKEN)), socket(sandbox.plain_az(TOKEN)));
    assert!(answers_line(&sandbox).starts_with("tokens, by azward"));
    put(&sandbox, &format!("{KIND} # another"));
    let (outcome, deeds) = asked(&sandbox, &TOKEN);
    assert_eq!((outcome.err().trim(), deeds.as_str()), ("fifo", "run"));
    let (_, deeds) = sandbox.deeds_of(|| sandbox.az(TOKEN).run().ok().silent());
    assert_eq!(deeds, ["answer"]);
}

#[test]
fn a_caller_that_takes_nothing_hears_of_it_from_az_itself() {
    let (sandbox, _entra) = logged_in();
    let unheard = |az: Invocation<'_>| {
        let outcome = az.in_script("{ \"$0\" \"$@\"; echo \"ended with $?\" >&2; } | :").run();
        (outcome.out(), outcome.err())
    };
    assert_eq!(unheard(sandbox.az(TOKEN)), unheard(sandbox.plain_az(TOKEN)));
    assert!(answers_line(&sandbox).starts_with("none yet: "));
}

#[test]
fn many_at_once_find_out_together() {
    let (sandbox, _entra) = logged_in();
    let running: Vec<_> = (0..6).map(|_| sandbox.az(TOKEN).start()).collect();
    let outcomes: Vec<_> = running.into_iter().map(|az| az.finish().ok().silent()).collect();
    assert!(outcomes.iter().all(|outcome| outcome.token() == outcomes[0].token()));
    assert!(answers_line(&sandbox).starts_with("tokens, by azward"));
}
