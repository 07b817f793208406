//! The command line, its arguments one a line: what is answered means to azward what it means to argparse, and what is
//! passed is on the list of what needs no secret.

#[path = "../../shim/recognise.rs"]
mod recognise;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use azward::azure::Command;
use azward::azure::command::TokenRequest;
use azward::azure::query::Query;
use recognise::{Invocation, Purpose, recognise};

/// The options of `az account get-access-token`, by their long names, in all their spellings.
const OPTIONS: [(&str, &[&str]); 7] = [
    ("resource", &["--resource"]),
    ("scope", &["--scope"]),
    ("resource-type", &["--resource-type"]),
    ("tenant", &["--tenant", "-t"]),
    ("subscription", &["--subscription", "--name", "-s", "-n"]),
    ("output", &["--output", "-o"]),
    ("query", &["--query"]),
];

/// Checks one command line; says whether it was more than a run.
pub(crate) fn check(bytes: &[u8]) -> bool {
    let arguments: Vec<OsString> = match bytes {
        [] => Vec::new(),
        _ => bytes.split(|byte| *byte == b'\n').map(|argument| OsString::from_vec(argument.to_vec())).collect(),
    };
    let words: Option<Vec<&str>> = arguments.iter().map(|argument| argument.to_str()).collect();
    let words = words.unwrap_or_else(|| vec!["@"]);
    let command = Command::parse(&arguments);
    let invocation = recognise(&command, Purpose::Execution);
    assert_eq!(command.needs_credentials(), !needs_no_secret(&words), "{words:?}");
    let is_passed = [Invocation::Pass, Invocation::Facts].contains(&invocation);
    assert_eq!(is_passed, needs_no_secret(&words), "{words:?}");
    assert_eq!(recognise(&command, Purpose::Completion), Invocation::Run, "a completion");
    if let Some(request) = command.token_request() {
        assert_eq!(invocation, Invocation::Token, "{words:?}");
        assert!(command.group().is_for_a_token(), "{words:?}");
        let mut read = read(&words).unwrap_or_else(|| panic!("argparse reads it otherwise: {words:?}"));
        assert_eq!(request.query, read.remove("query").and_then(|query| Query::parse(&query)), "{words:?}");
        assert_eq!(meaning(request), read, "{words:?}");
        // No value begins with a dash.
        let is_by_name =
            words.iter().map(|word| in_full(word)).any(|word| word.starts_with("-n") || word.starts_with("--name"));
        assert_eq!(request.is_by_name, is_by_name, "{words:?}");
    }
    invocation != Invocation::Run
}

fn meaning(request: &TokenRequest) -> BTreeMap<&'static str, String> {
    let TokenRequest { resource, scope, resource_type, tenant, subscription, is_by_name: _, output, query: _ } =
        request.clone();
    let values = [resource, scope, resource_type, tenant, subscription, output];
    OPTIONS.iter().zip(values).filter_map(|((name, _), value)| Some((*name, value?))).collect()
}

/// What argparse makes of a command line that has nothing in it but the options above; `None` for any other.
fn read(words: &[&str]) -> Option<BTreeMap<&'static str, String>> {
    let [group, command, rest @ ..] = words else { return None };
    if group.to_lowercase() != "account" || command.to_lowercase() != "get-access-token" {
        return None;
    }
    let mut values = BTreeMap::new();
    let mut at = 0;
    while at < rest.len() {
        let mut taken = usize::from(rest[at] == "--only-show-errors");
        let argument = in_full(rest[at]);
        for (name, spellings) in OPTIONS {
            for spelling in spellings {
                let is_short = spelling.len() == 2;
                let value = if argument == *spelling {
                    taken = 2;
                    // Not an option itself: `-1` and `-a b` would be values, and are left to az.
                    *rest.get(at + 1).filter(|value| !value.starts_with('-'))?
                } else if let Some(value) = argument.strip_prefix(&format!("{spelling}=")) {
                    taken = 1;
                    value
                } else if let (true, Some(value)) = (is_short, argument.strip_prefix(spelling)) {
                    taken = 1;
                    value
                } else {
                    continue;
                };
                if !is_taken(name, value) {
                    return None;
                }
                let value = if name == "output" { value.to_lowercase() } else { value.to_owned() };
                values.insert(name, value);
            }
        }
        if taken == 0 {
            return None;
        }
        at += taken;
    }
    Some(values)
}

/// An argument with the long option that it begins written out, where only one begins so.
fn in_full(argument: &str) -> String {
    let head = argument.split('=').next().unwrap_or_default();
    let others = ["--debug", "--verbose", "--help", "--only-show-errors"];
    let spellings = OPTIONS.iter().flat_map(|(_, spellings)| spellings.iter().copied());
    let long: Vec<&str> =
        spellings.chain(others).filter(|long| long.starts_with("--") && long.starts_with(head)).collect();
    match long[..] {
        [only] if head.starts_with("--") => argument.replacen(head, only, 1),
        _ => argument.to_owned(),
    }
}

/// Whether az takes a value, and does not make something else of it.
fn is_taken(name: &str, value: &str) -> bool {
    let choices = match name {
        "output" => "json jsonc yaml yamlc table tsv none",
        "resource-type" => "oss-rdbms arm aad-graph ms-graph batch media data-lake",
        // What is JMESPath and what is not is asked elsewhere.
        "query" => return !value.is_empty() && !value.starts_with('@'),
        // knack reads a file there, or az the standard input; argparse drops the dashes.
        _ => return !value.starts_with('@') && value != "--",
    };
    choices.split(' ').any(|choice| choice == value.to_lowercase())
}

/// The list, word for word.
fn needs_no_secret(words: &[&str]) -> bool {
    let lower: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
    let first = lower.first().map(String::as_str);
    let command = &lower[..words.iter().position(|word| word.starts_with('-')).unwrap_or(words.len())];
    let before_dashes = &words[..words.iter().position(|word| *word == "--").unwrap_or(words.len())];
    if words.iter().any(|word| word.starts_with('@')) {
        return false;
    }
    words.iter().all(|word| *word == "--debug" || *word == "--verbose" || *word == "--only-show-errors")
        || words[0] == "--version"
        || words[0] == "-v"
        || first == Some("help")
        || before_dashes.contains(&"-h")
        || before_dashes.contains(&"--help")
        || first == Some("version")
        || first == Some("config")
        || first == Some("cloud")
        || first == Some("extension")
        || command == ["account", "show"]
        || command == ["account", "set"]
        || command == ["account", "list"] && !words.iter().any(|word| word.starts_with("--r"))
}
