//! What an invocation is: one that needs no secret, handed to the real az as it is, or a run. The grammar is closed and
//! the first list is short; whatever is not recognised whole is a run, because a run is always right.

use std::ffi::OsString;

/// What to do with an invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Invocation {
    /// Needs no secret: execute the real az.
    Pass,
    /// Everything else.
    Run,
}

/// Recognises an invocation by its arguments. A shell that asks for completions may lead az to ask Resource Manager, so
/// that is a run.
pub(crate) fn recognise(arguments: &[OsString], is_completion: bool) -> Invocation {
    let Some(arguments) = arguments.iter().map(|argument| argument.to_str()).collect::<Option<Vec<_>>>() else {
        return Invocation::Run;
    };
    // `@file` stands for what is in the file: it could be anything.
    if is_completion || arguments.iter().any(|argument| argument.starts_with('@')) {
        return Invocation::Run;
    }
    if needs_no_secret(&arguments) { Invocation::Pass } else { Invocation::Run }
}

fn needs_no_secret(arguments: &[&str]) -> bool {
    if asks_for_help(arguments) {
        return true;
    }
    // az takes the command's words in any case, up to the first option (knack 0.13, `invocation.py`,
    // `_rudimentary_get_command`).
    let words: Vec<String> = arguments.iter().take_while(|a| !a.starts_with('-')).map(|a| a.to_lowercase()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["version" | "config" | "cloud" | "extension", ..] | ["account", "show" | "set"] => true,
        // `--refresh` asks Resource Manager, and argparse takes any beginning of it.
        ["account", "list"] => !arguments.iter().any(|argument| argument.starts_with("--r")),
        _ => false,
    }
}

/// `az`, `az --version`, `az help …`, and `-h` or `--help` anywhere before a `--`.
fn asks_for_help(arguments: &[&str]) -> bool {
    let talk = ["--debug", "--verbose", "--only-show-errors"];
    arguments.iter().all(|argument| talk.contains(argument))
        || matches!(arguments[0], "--version" | "-v")
        || arguments[0].eq_ignore_ascii_case("help")
        || arguments
            .iter()
            .take_while(|argument| **argument != "--")
            .any(|argument| ["-h", "--help"].contains(argument))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Invocation {
        let arguments: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        recognise(&arguments, false)
    }

    #[test]
    fn what_needs_no_secret_is_passed() {
        for line in [
            "",
            "--version",
            "-v",
            "version -o json",
            "--help",
            "vm create -h",
            "help vm",
            "--debug",
            "config set core.output=json",
            "cloud set -n AzureCloud",
            "extension add --name azure-devops -y",
            "account show -o=json",
            "Account List --all",
            "account set --subscription S",
            "vm list --query x --help",
        ] {
            assert_eq!(of(line), Invocation::Pass, "{line}");
        }
    }

    #[test]
    fn everything_else_is_a_run() {
        for line in [
            "login",
            "logout",
            "account clear",
            "account get-access-token",
            "account list --refresh",
            "account list --ref",
            "account list-locations",
            "account",
            "group list",
            "ssh vm -n x -- -h",
            "ssh vm -- --help",
            "rest --body @-",
            "version @file",
            "--query x account show",
            "configure",
            "interactive",
            "upgrade",
            "account showy",
        ] {
            assert_eq!(of(line), Invocation::Run, "{line}");
        }
        assert_eq!(recognise(&[], true), Invocation::Run, "a completion");
    }
}
