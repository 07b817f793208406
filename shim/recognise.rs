//! The split of invocations: what may be answered, what needs no credential and is the real az's as it is, and what is a run.
//! Whatever is neither of the first two is a run, because a run is always right.

use azward::azure::Command;

/// What an invocation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Invocation {
    /// An exact form of `get-access-token`: may be answered, and is a run where it is not.
    Token,
    /// An exact form of a command that asks for what az has on disk: may be answered, and is passed where it is not.
    Facts,
    /// Needs no credential: execute the real az.
    Pass,
    /// Everything else.
    Run,
}

/// What an az is started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To do what its arguments say.
    Execution,
    /// To tell a shell how its arguments could go on.
    Completion,
}

/// Recognises an invocation. A shell that asks for completions may lead az to ask Resource Manager, so that is a run.
pub(crate) fn recognise(command: &Command<'_>, purpose: Purpose) -> Invocation {
    match purpose {
        Purpose::Completion => Invocation::Run,
        Purpose::Execution if command.token_request().is_some() => Invocation::Token,
        Purpose::Execution if command.needs_credentials() => Invocation::Run,
        Purpose::Execution if command.question().is_some() => Invocation::Facts,
        Purpose::Execution => Invocation::Pass,
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn of(line: &str, purpose: Purpose) -> Invocation {
        let arguments: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        recognise(&Command::parse(&arguments), purpose)
    }

    #[test]
    fn what_is_recognised_whole_is_answered_or_passed_and_the_rest_is_a_run() {
        for (line, invocation) in [
            ("account get-access-token", Invocation::Token),
            ("Account Get-Access-Token -o tsv --query accessToken", Invocation::Token),
            ("account get-access-token --debug", Invocation::Run),
            ("--debug account get-access-token", Invocation::Run),
            ("account get-access-token --help", Invocation::Pass),
            ("", Invocation::Pass),
            ("account show", Invocation::Facts),
            ("version -o json", Invocation::Facts),
            ("account show --debug", Invocation::Pass),
            ("account list --refresh", Invocation::Run),
            ("cloud set -n x", Invocation::Pass),
            ("login", Invocation::Run),
            ("group list", Invocation::Run),
        ] {
            assert_eq!(of(line, Purpose::Execution), invocation, "{line}");
        }
    }

    #[test]
    fn a_completion_is_a_run() {
        for line in ["", "account show", "account get-access-token"] {
            assert_eq!(of(line, Purpose::Completion), Invocation::Run, "{line}");
        }
    }
}
