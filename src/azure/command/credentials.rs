//! Which commands need no credential, so that the real az gets them as they are. The grammar is closed and the list is short:
//! whatever is not recognised whole may need one.

/// Whether az may need a credential for these arguments.
pub(super) fn are_needed(arguments: &[&str]) -> bool {
    // `@file` stands for what is in the file: it could be anything.
    if arguments.iter().any(|argument| argument.starts_with('@')) {
        return true;
    }
    if asks_for_help(arguments) {
        return false;
    }
    // az takes the command's words in any case, up to the first option (knack 0.13, `invocation.py`,
    // `_rudimentary_get_command`).
    let words: Vec<String> = arguments.iter().take_while(|a| !a.starts_with('-')).map(|a| a.to_lowercase()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["version" | "config" | "cloud" | "extension", ..] | ["account", "show" | "set"] => false,
        // `--refresh` asks Resource Manager, and argparse takes any beginning of it.
        ["account", "list"] => arguments.iter().any(|argument| argument.starts_with("--r")),
        _ => true,
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

    fn are_needed_for(line: &str) -> bool {
        are_needed(&line.split_whitespace().collect::<Vec<_>>())
    }

    #[test]
    fn the_list() {
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
            assert!(!are_needed_for(line), "{line}");
        }
    }

    #[test]
    fn everything_else_may_need_one() {
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
            assert!(are_needed_for(line), "{line}");
        }
    }
}
