//! The transcripts in the README: each command of a ```` ```console ```` block is run as it stands there, by a shell in a box in which
//! azward is installed and alice is logged in, and says what stands below it. Of a date, and of the time that a token has left, only that it is one is compared.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use entra::{Entra, User};

use crate::support::installed::installed;
use crate::support::{Invocation, Sandbox};

/// Whose home the README tells of.
const HOME: &str = "/home/alice";

/// A command, and what stands below it.
struct Step {
    line: String,
    expected: String,
}

/// A box with the real az behind an installed shim, in which alice has signed in.
fn logged_in() -> (Sandbox, Entra) {
    let sandbox = installed(Sandbox::new().with_real_az());
    let entra = sandbox.start_entra(|_| {});
    sandbox.login(&entra, User::Alice);
    (sandbox, entra)
}

fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut is_inside = false;
    for line in text.lines() {
        match line.strip_prefix("$ ") {
            _ if line.starts_with("```") => is_inside = line == "```console",
            _ if !is_inside => {}
            Some(line) => steps.push(Step { line: line.to_owned(), expected: String::new() }),
            None => {
                let step = steps.last_mut().expect("a transcript begins with a command");
                step.expected += &format!("{line}\n");
            }
        }
    }
    steps
}

/// The text with every date the same, and what is left of a token's life.
fn without_times(text: &str) -> String {
    let mut text = text.to_owned();
    for place in 0..text.len() {
        for same in ["0000-00-00 00:00", "00 min"] {
            let found =
                text.get(place..place + same.len()).map(|found| found.replace(|c: char| c.is_ascii_digit(), "0"));
            if found.as_deref() == Some(same) {
                text.replace_range(place..place + same.len(), same);
            }
        }
    }
    text
}

fn said(sandbox: &Sandbox, line: &str) -> String {
    let out = Invocation::new(sandbox, "sh").args(["-c", line]).cwd(sandbox.home()).merged().run().out();
    without_times(&out.replace(sandbox.home().to_str().expect("it is text"), HOME))
}

#[test]
fn what_the_readme_shows_is_what_is_said() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let steps = steps(&fs::read_to_string(readme).expect("it is there"));
    assert!(steps.len() >= 5, "{}", steps.len());
    let (sandbox, _entra) = logged_in();
    let (mut are_said, mut are_shown) = (String::new(), String::new());
    for step in &steps {
        let _ = write!(are_said, "$ {}\n{}", step.line, said(&sandbox, &step.line));
        let _ = write!(are_shown, "$ {}\n{}", step.line, without_times(&step.expected));
    }
    snapbox::assert_data_eq!(are_said, are_shown);
}

#[test]
fn a_transcript_that_is_not_true_is_found() {
    let text = "```console\n$ azward config get journal\njournal           off, by default\n```\n";
    let step = steps(text).remove(0);
    let said = said(&logged_in().0, &step.line);
    assert_eq!(said, step.expected.replace("off", "on"));
    assert_eq!(without_times("stored 2026-11-29 08:12 by, 59 min"), "stored 0000-00-00 00:00 by, 00 min");
}
