//! Who has a refresh token taken into the vault, and what is known then of its order and the vault's. The vault notes who
//! it was beside the token, for its owner to read, and where a file is settled that decides the order.

use crate::azure::command::{AccountEffect, Group};

/// Who has a refresh token taken into the vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin<'a> {
    /// The sweep, which finds what an unwrapped az or a dead run left.
    Sweep,
    /// A rotation, which takes in what a living run changed, and what it was granted itself.
    Rotation,
    /// An uninstall, before it gives everything back.
    Uninstall,
    /// A login that another program kept.
    Import,
    /// A run, whatever its command is.
    Run,
    /// The run of this command.
    Command(&'a Group),
}

impl Origin<'_> {
    /// What the vault notes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Sweep => "sweep",
            Self::Rotation => "rotation",
            Self::Uninstall => "uninstall",
            Self::Import => "import",
            Self::Run => "run",
            Self::Command(group) => group.as_str(),
        }
    }

    /// What is known of the order of the vault's refresh tokens and those that lie in the real file at the end.
    #[must_use]
    pub fn order_at_the_end(&self) -> Order {
        match self {
            Self::Sweep | Self::Uninstall | Self::Import => Order::Unknown,
            // It was handed none, and what it stored is what its person has just signed in for.
            Self::Command(group) if group.effect() == AccountEffect::SignIn => Order::Successor,
            Self::Rotation | Self::Run | Self::Command(_) => Order::Ran,
        }
    }
}

/// What is known of the order of two credentials with one id: one in a document that azward has not seen, and the one that the
/// vault has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// az stored the one in the document in a run that was handed the vault's: it replaces it.
    Successor,
    /// An az had the file to itself: one that is not older by its own time, or whose time tells nothing, replaces the vault's.
    Ran,
    /// The file may be anything, a backup's or another machine's: both are kept until the endpoint has accepted one.
    Unknown,
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::azure::Command;

    #[test]
    fn only_what_a_run_left_has_an_order_and_what_a_sign_in_left_is_the_newest() {
        for (line, order) in [("login", Order::Successor), ("group list", Order::Ran), ("sweep", Order::Ran)] {
            let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let command = Command::parse(&arguments);
            let origin = Origin::Command(command.group());
            assert_eq!((origin.as_str(), origin.order_at_the_end()), (line, order));
        }
        assert_eq!(Origin::Run.order_at_the_end(), Order::Ran);
        assert_eq!(Origin::Sweep.order_at_the_end(), Order::Unknown);
    }
}
