//! What the vault may forget after a command: that is told by what the command is for and by how it ended.

use crate::azure::command::AccountEffect;
use crate::azure::{Command, TokenStorage};
use crate::run::exposure::AzEnd;
use crate::store::Forgetting;

/// What a command may have done to the accounts. Only those that log out can forget anything, and only if they
/// succeeded: every other account that is missing afterwards was lost.
pub(super) fn forgetting(command: &Command<'_>, end: AzEnd, storage: TokenStorage) -> Forgetting {
    match (command.possible_effect(), end) {
        (AccountEffect::Clear | AccountEffect::SignOut, AzEnd::Succeeded) if !storage.is_file() => Forgetting::Unlisted,
        (AccountEffect::Clear, AzEnd::Succeeded) => Forgetting::Removed,
        (AccountEffect::SignOut, AzEnd::Succeeded) => Forgetting::Vanished,
        // What it started did, or did not, and its own end tells nothing of that.
        (AccountEffect::Unknown, AzEnd::Succeeded | AzEnd::Failed) => Forgetting::IfProven,
        _ => Forgetting::Never,
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::azure::token_storage::Say;

    fn forgetting_after(line: &str, end: AzEnd) -> Forgetting {
        let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        forgetting(&Command::parse(&arguments), end, TokenStorage::File(Say::Nothing))
    }

    #[test]
    fn only_a_successful_logout_forgets() {
        assert_eq!(forgetting_after("logout --username u", AzEnd::Succeeded), Forgetting::Vanished);
        assert_eq!(forgetting_after("account clear", AzEnd::Succeeded), Forgetting::Removed);
        assert_eq!(forgetting_after("logout", AzEnd::Failed), Forgetting::Never);
        assert_eq!(forgetting_after("group list", AzEnd::Succeeded), Forgetting::Never);
    }
}
