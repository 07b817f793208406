//! Whether az keeps its tokens in a keyring of its own, where azward has no part in them: told to by a variable, or nobody could take
//! them out of there yet.

use super::finding::Seen;
use crate::azure::encryption_setting::By;
use crate::azure::token_storage::Clue;
use crate::store::CredentialStore;

/// Looks.
pub(super) fn look(store: &CredentialStore<'_>, seen: &mut Seen<'_>) {
    let Some(clue) = store.token_storage().clue() else { return };
    let what = format!("az keeps its tokens in the system's keyring itself: {}", clue.words());
    let why = "azward answers nothing and renews nothing here: every token starts Python, and parallel commands are az's \
               own affair";
    let fix = match clue {
        Clue::Told(By::Variable(_)) => format!("leave it so, or {} and sign in again", clue.remedy()),
        _ => "unlock the keyring and run `azward scrub`, which takes them out of there".to_owned(),
    };
    seen.find("az-encrypts", "", what, why, fix);
}
