//! The tokens of a config directory's managed identities, as far as it takes no key: whether they are still anybody's. az notes in the
//! profile who signs in and out, and nowhere else; so what is older than the profile is of no use any more, and goes.

use crate::azure::managed_identity::ManagedIdentity;
use crate::azure::profile::Profile;
use crate::store::CredentialStore;
use crate::vault::Beside;

impl CredentialStore<'_> {
    /// Whether the profile was written since the tokens were, or is not there.
    #[must_use]
    pub(crate) fn are_identities_outdated(&self) -> bool {
        let Some(sealed) = self.vault.beside_written(Beside::ManagedIdentities, self.config_dir) else { return false };
        let profile = self.config_dir.profile().metadata().and_then(|metadata| metadata.modified());
        profile.map_or(true, |profile| profile > sealed)
    }

    /// Drops the tokens where somebody may have signed out since, or the profile lists no managed identity. What keeps it from doing
    /// so is tried again by the next sweep.
    pub(crate) fn drop_outdated_identities(&self) {
        if !self.vault.has_beside(Beside::ManagedIdentities, self.config_dir) {
            return;
        }
        let lists_none = || {
            let profile = Profile::read_whole(&self.config_dir.profile());
            profile.is_some_and(|profile| !profile.subscriptions.iter().any(|s| ManagedIdentity::of(&s.user).is_some()))
        };
        if self.are_identities_outdated() || lists_none() {
            let _ = self.vault.remove_beside(Beside::ManagedIdentities, self.config_dir);
        }
    }
}
