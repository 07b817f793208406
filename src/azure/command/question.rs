//! The forms, understood whole, of the commands that ask for no more than what az has on disk: its version, the accounts,
//! a cloud. The grammar is closed, as that of a token is; what is not in it is passed to az, which answers everything.

use super::options::{Options, is_as_it_stands, is_output};
use crate::azure::query::Query;

/// One such command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// What it asks.
    pub subject: Fact,
    /// `--output`, in lower case.
    pub output: Option<String>,
    /// `--query`.
    pub query: Option<Query>,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// `az version`.
    Version,
    /// `az account show`, of the subscription with this id or name, or the default one.
    Account(Option<String>),
    /// `az account list`.
    Accounts(Extent),
    /// `az cloud show`, of the cloud with this name, or the active one.
    Cloud(Option<String>),
}

/// Which accounts are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// The enabled ones of the active cloud.
    Enabled,
    /// `--all`: those of every cloud.
    All,
}

/// The words of a command, what it asks, and its options (azure-cli 2.91.0, `command_modules/profile/__init__.py`,
/// `command_modules/cloud/__init__.py`, `command_modules/util/commands.py`).
const COMMANDS: [(&[&str], Fact, Options); 4] = [
    (&["version"], Fact::Version, Options { long: &["--subscription"], flags: &[], short: &[] }),
    (
        &["account", "show"],
        Fact::Account(None),
        Options {
            long: &["--subscription", "--name"],
            flags: &[],
            short: &[("-s", "--subscription"), ("-n", "--name")],
        },
    ),
    (
        &["account", "list"],
        Fact::Accounts(Extent::Enabled),
        Options { long: &["--all", "--refresh"], flags: &["--all", "--refresh"], short: &[] },
    ),
    (&["cloud", "show"], Fact::Cloud(None), Options { long: &["--name"], flags: &[], short: &[("-n", "--name")] }),
];

impl Question {
    /// Reads the arguments of an az; `None` when they are not understood.
    pub(super) fn parse(arguments: &[&str]) -> Option<Self> {
        let is_asked = |words: &[&str]| {
            arguments.len() >= words.len()
                && words.iter().zip(arguments).all(|(word, own)| own.eq_ignore_ascii_case(word))
        };
        let (words, subject, options) = COMMANDS.into_iter().find(|(words, ..)| is_asked(words))?;
        let mut question = Self { subject, output: None, query: None };
        options.read(&arguments[words.len()..], |name, value| question.take(name, value))?;
        Some(question)
    }

    fn take(&mut self, name: &str, value: &str) -> Option<()> {
        match (name, &mut self.subject) {
            ("--output", _) if is_output(value) => self.output = Some(value.to_lowercase()),
            ("--query", _) => self.query = Some(Query::parse(value)?),
            ("--all", Fact::Accounts(extent)) => *extent = Extent::All,
            ("--subscription" | "--name", Fact::Account(named)) | ("--name", Fact::Cloud(named))
                if is_as_it_stands(value) =>
            {
                *named = Some(value.to_owned());
            }
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Option<Question> {
        Question::parse(&line.split(' ').collect::<Vec<_>>())
    }

    #[test]
    fn the_forms_of_callers_are_understood() {
        let subject = |line: &str| of(line).unwrap_or_else(|| panic!("{line}")).subject;
        let named = |name: &str| Some(name.to_owned());
        assert_eq!(subject("version -o=json"), Fact::Version);
        assert_eq!(subject("Account Show --query id -o tsv"), Fact::Account(None));
        assert_eq!(subject("account show -o=json -s SUB"), Fact::Account(named("SUB")));
        assert_eq!(subject("account show --name SUB"), Fact::Account(named("SUB")));
        assert_eq!(subject("account list --output json"), Fact::Accounts(Extent::Enabled));
        assert_eq!(subject("account list --all --only-show-errors"), Fact::Accounts(Extent::All));
        assert_eq!(subject("cloud show -n AzureCloud"), Fact::Cloud(named("AzureCloud")));
        let question = of("account show --query user.name --out TSV").unwrap();
        assert_eq!((question.output.as_deref(), question.query), (Some("tsv"), Query::parse("user.name")));
    }

    #[test]
    fn everything_else_is_az_s() {
        for line in [
            "version more",
            "version --subscription x",
            "account",
            "account show --debug",
            "account show -s",
            "account show @x",
            "account show -s @x",
            "account show -o xml",
            "account show --query length(@)",
            "account show -h",
            "account list --refresh",
            "account list --ref",
            "account list -s x",
            "account list --all=x",
            "account list-locations",
            "cloud show --subscription x",
            "cloud list",
            "--debug version",
        ] {
            assert_eq!(of(line), None, "{line}");
        }
    }
}
