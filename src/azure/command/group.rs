//! The words by which a command is known, found among its arguments as az finds them, and what follows from them alone. They
//! are all of a command line that is ever written down: values of arguments are nobody's business.

use std::ffi::OsString;
use std::fmt::{Display, Formatter};

use serde::{Deserialize, Serialize};

/// A command's first two words, in lower case. A word that does not look like a command's is taken for none, and a command
/// whose first word does not has none.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Group {
    words: String,
    effect: AccountEffect,
}

/// What a command does to the accounts that are signed in.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccountEffect {
    /// Nothing, or nothing that is known.
    Nothing,
    /// `az login`: it may add some, and needs no credential for it.
    SignIn,
    /// `az logout`: it takes one out, or several.
    SignOut,
    /// `az account clear`: it removes them all.
    Clear,
    /// Any of that, or nothing: it is no az, and may start several.
    Unknown,
}

/// The commands of one word: the next may be a value that az complains about, or that it searches for.
const ALONE: [&str; 10] =
    ["configure", "feedback", "find", "interactive", "login", "logout", "next", "rest", "survey", "upgrade"];

/// What may stand before the command, and takes the next argument if it has none of its own (knack 0.13, `arguments.py`,
/// `query.py`, `output.py`, `log.py`).
const GLOBAL: [&str; 4] = ["--output", "-o", "--query", "--subscription"];
const GLOBAL_ALONE: [&str; 3] = ["--debug", "--verbose", "--only-show-errors"];

impl Group {
    /// Finds the words among the arguments of an az.
    pub(super) fn of(arguments: &[OsString]) -> Self {
        let is_word = |word: &&str| {
            !word.is_empty()
                && !word.starts_with('-')
                && word.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-')
        };
        let mut arguments = arguments.iter().map(|argument| argument.to_str()).peekable();
        while let Some(Some(option)) = arguments.next_if(|argument| argument.is_some_and(is_global)) {
            if GLOBAL.contains(&option) {
                arguments.next();
            }
        }
        let words: Vec<String> =
            arguments.map_while(|argument| argument.filter(is_word)).take(2).map(str::to_lowercase).collect();
        let length = if words.first().is_some_and(|word| ALONE.contains(&word.as_str())) { 1 } else { words.len() };
        let words = words[..length].join(" ");
        let effect = match words.as_str() {
            "login" => AccountEffect::SignIn,
            "logout" => AccountEffect::SignOut,
            "account clear" => AccountEffect::Clear,
            _ => AccountEffect::Nothing,
        };
        Self { words, effect }
    }

    /// What is told of a program that is none of az's commands, whatever it is.
    pub(super) fn of_program() -> Self {
        Self { words: "azward exec".to_owned(), effect: AccountEffect::Unknown }
    }

    /// What the command does to the accounts.
    #[must_use]
    pub fn effect(&self) -> AccountEffect {
        self.effect
    }

    /// Whether the command is `az account get-access-token`, in whatever form.
    #[must_use]
    pub fn is_for_a_token(&self) -> bool {
        self.words == "account get-access-token"
    }

    /// The words, with a space between them: what may be told of the command.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.words
    }
}

impl Display for Group {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.words)
    }
}

fn is_global(argument: &str) -> bool {
    let has_own_value = |option: &&str| argument.strip_prefix(*option).is_some_and(|rest| rest.starts_with('='));
    GLOBAL_ALONE.contains(&argument) || GLOBAL.contains(&argument) || GLOBAL.iter().any(has_own_value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(line: &str) -> Group {
        let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        Group::of(&arguments)
    }

    #[test]
    fn no_value_is_told() {
        for (line, words) in [
            ("Account get-access-token --tenant secret", "account get-access-token"),
            ("config set core.output=json", "config set"),
            ("Find password", "find"),
            ("--debug -o json Login --tenant t", "login"),
            ("--output=tsv --query secret acr login", "acr login"),
            ("--unknown secret login", ""),
            ("--query", ""),
        ] {
            assert_eq!(group(line).as_str(), words, "{line}");
        }
    }

    #[test]
    fn what_is_done_to_the_accounts_is_told_by_the_command_and_not_by_its_values() {
        for (line, effect) in [
            ("--debug LOGIN", AccountEffect::SignIn),
            ("login logout", AccountEffect::SignIn),
            ("-o=json logout --username login", AccountEffect::SignOut),
            ("Account Clear", AccountEffect::Clear),
            ("account clear more", AccountEffect::Clear),
            ("acr login", AccountEffect::Nothing),
            ("account --debug clear", AccountEffect::Nothing),
            ("--unknown secret login", AccountEffect::Nothing),
        ] {
            assert_eq!(group(line).effect(), effect, "{line}");
        }
        assert!(group("--verbose account GET-access-token x").is_for_a_token());
        assert!(!group("account").is_for_a_token());
    }
}
