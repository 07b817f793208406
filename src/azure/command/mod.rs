//! An invocation of az, read once from its arguments: which command it is, what it may do to the accounts, whether it needs
//! credentials, whether it may start other programs, what may be told of it, and what token or what of az's own it asks for,
//! where it is an exact form of a command that azward answers. Whoever is below asks this, and neither the arguments nor the
//! names of commands again.
//!
//! Nothing here fails: what is not recognised whole needs credentials, and what is not known to change the accounts is taken
//! to change nothing that is to be forgotten.

#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "what is exposed privately"))]
pub(crate) mod alone;
mod credentials;
mod group;
mod options;
mod question;
mod token_request;

use std::ffi::{OsStr, OsString};

pub use group::{AccountEffect, Group};
pub use question::{Extent, Fact, Question};
pub use token_request::TokenRequest;

/// One invocation of az.
#[derive(Clone, Debug)]
pub struct Command<'a> {
    name: Option<&'a OsStr>,
    arguments: &'a [OsString],
    group: Group,
    possible_effect: AccountEffect,
    programs: Programs,
    subject: Subject,
    needs_credentials: bool,
    token_request: Option<TokenRequest>,
    question: Option<Question>,
}

/// Who signs in by a command, if it is one to sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A person, or nobody.
    Person,
    /// An application, with a credential of its own.
    Application,
    /// An application, by what the machine says of itself.
    ManagedIdentity,
}

/// What other programs a command may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Programs {
    /// None: it is one of az's own that start none (`alone`).
    None,
    /// Any.
    Any,
}

impl<'a> Command<'a> {
    /// Reads the arguments of an az.
    #[must_use]
    pub fn parse(arguments: &'a [OsString]) -> Self {
        let group = Group::of(arguments);
        let words: Option<Vec<&str>> = arguments.iter().map(|argument| argument.to_str()).collect();
        Self {
            name: None,
            arguments,
            possible_effect: possible_effect(arguments),
            programs: if alone::is_listed(group.as_str()) { Programs::None } else { Programs::Any },
            subject: subject(&group, arguments),
            needs_credentials: words.as_deref().is_none_or(credentials::are_needed),
            token_request: words.as_deref().and_then(TokenRequest::parse),
            question: words.as_deref().and_then(Question::parse),
            group,
        }
    }

    /// Any program, by the name that it is called by and its arguments: none of them says anything here, whatever it looks like.
    /// It may use az's libraries, start an az or several, and do with the accounts what these can do.
    #[must_use]
    pub fn of_program(name: &'a OsStr, arguments: &'a [OsString]) -> Self {
        let group = Group::of_program();
        Self {
            name: Some(name),
            arguments,
            possible_effect: group.effect(),
            programs: Programs::Any,
            subject: Subject::Person,
            needs_credentials: true,
            token_request: None,
            question: None,
            group,
        }
    }

    /// What it is called by, where it is no command of az's.
    #[must_use]
    pub fn name(&self) -> Option<&'a OsStr> {
        self.name
    }

    /// The token that a `get-access-token` is about to hand out, in whatever form it is, or that another command uses which
    /// names a subscription; `None` for the default one of any other command, and where only az understands it.
    #[must_use]
    pub fn likely_request(&self) -> Option<TokenRequest> {
        let words: Option<Vec<&str>> = self.arguments.iter().map(|argument| argument.to_str()).collect();
        match self.group.is_for_a_token() {
            // A program's are not az's.
            _ if self.name.is_some() => None,
            true => TokenRequest::likely(&words?),
            false => TokenRequest::for_subscription(&words?),
        }
    }

    /// The arguments, to be handed on as they are.
    #[must_use]
    pub fn arguments(&self) -> &'a [OsString] {
        self.arguments
    }

    /// The command's words, which are all that may be told of it.
    #[must_use]
    pub fn group(&self) -> &Group {
        &self.group
    }

    /// What it does to the accounts.
    #[must_use]
    pub fn effect(&self) -> AccountEffect {
        self.group.effect()
    }

    /// What it may have taken from the accounts when it succeeded. Its words may stand anywhere: az could have found them
    /// where azward does not look for a command.
    #[must_use]
    pub fn possible_effect(&self) -> AccountEffect {
        self.possible_effect
    }

    /// The other programs that it may start.
    #[must_use]
    pub fn programs(&self) -> Programs {
        self.programs
    }

    /// Who signs in by it.
    #[must_use]
    pub fn subject(&self) -> Subject {
        self.subject
    }

    /// Whether az may need a credential for it.
    #[must_use]
    pub fn needs_credentials(&self) -> bool {
        self.needs_credentials
    }

    /// Whether it does something with a login that is there, and does not merely add or remove one.
    #[must_use]
    pub fn uses_login(&self) -> bool {
        let adds_or_removes = [AccountEffect::SignIn, AccountEffect::SignOut, AccountEffect::Clear];
        self.needs_credentials && !adds_or_removes.contains(&self.effect())
    }

    /// The token that it asks for, if azward understands all of it.
    #[must_use]
    pub fn token_request(&self) -> Option<&TokenRequest> {
        self.token_request.as_ref()
    }

    /// What it asks of that which az has on disk, if azward understands all of it.
    #[must_use]
    pub fn question(&self) -> Option<&Question> {
        self.question.as_ref()
    }
}

fn possible_effect(arguments: &[OsString]) -> AccountEffect {
    let has = |word: &str| arguments.iter().any(|argument| argument.eq_ignore_ascii_case(word));
    if has("account") && has("clear") {
        AccountEffect::Clear
    } else if has("logout") {
        AccountEffect::SignOut
    } else {
        AccountEffect::Nothing
    }
}

fn subject(group: &Group, arguments: &[OsString]) -> Subject {
    match group.effect() {
        AccountEffect::SignIn if has_option(arguments, &["--identity", "-i"]) => Subject::ManagedIdentity,
        AccountEffect::SignIn if has_option(arguments, &["--service", "--fed"]) => Subject::Application,
        _ => Subject::Person,
    }
}

/// Whether there is an option that begins so: any beginning of one that is none other's is that option to argparse.
fn has_option(arguments: &[OsString], beginnings: &[&str]) -> bool {
    let arguments = arguments.iter().filter_map(|argument| argument.to_str());
    arguments.into_iter().any(|argument| beginnings.iter().any(|beginning| argument.starts_with(beginning)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn what_may_be_forgotten_is_found_anywhere() {
        for (line, effect) in [
            ("logout --username u", AccountEffect::SignOut),
            ("--unknown x LogOut", AccountEffect::SignOut),
            ("account clear", AccountEffect::Clear),
            ("--unknown x Account Clear", AccountEffect::Clear),
            ("login", AccountEffect::Nothing),
            ("group list", AccountEffect::Nothing),
        ] {
            assert_eq!(Command::parse(&arguments(line)).possible_effect(), effect, "{line}");
        }
    }

    #[test]
    fn what_a_program_is_told_says_nothing() {
        for line in [
            "logout",
            "account clear",
            "account get-access-token",
            "login --service-principal",
            "version --help",
            "group list --subscription s",
        ] {
            let arguments = arguments(line);
            let command = Command::of_program(OsStr::new("az"), &arguments);
            assert_eq!((command.effect(), command.possible_effect()), (AccountEffect::Unknown, AccountEffect::Unknown));
            assert_eq!((command.group().as_str(), command.programs()), ("azward exec", Programs::Any));
            assert!(
                command.needs_credentials() && command.token_request().is_none() && command.likely_request().is_none()
            );
        }
    }

    #[test]
    #[cfg(unix)]
    fn what_is_no_text_is_read_as_far_as_it_is_understood() {
        use std::os::unix::ffi::OsStringExt;
        let no_text = OsString::from_vec(vec![0xff]);
        let version = ["version".into(), no_text.clone()];
        let command = Command::parse(&version);
        assert_eq!((command.group().as_str(), command.needs_credentials()), ("version", true));
        let token = ["account".into(), "get-access-token".into(), "--tenant".into(), no_text.clone()];
        let command = Command::parse(&token);
        assert_eq!((command.group().as_str(), command.token_request()), ("account get-access-token", None));
        let logout = ["--query".into(), no_text, "logout".into()];
        let command = Command::parse(&logout);
        assert_eq!((command.group().as_str(), command.effect()), ("logout", AccountEffect::SignOut));
    }
}
