//! A commit that takes something out of a vault. Whoever logged out was promised that the login is gone, so what is left of
//! it goes too, and in this order: the other files of the config directory that open here (a vault that was superseded,
//! a first version's, a killed commit's, what was set aside) are rewritten without it; the next generation is written;
//! the previous one, which has it, is removed; only then does the next one take the current one's place, in one step, and
//! get a copy for its previous one. A crash anywhere leaves the current generation as it was, or all of it gone; there is no
//! moment at which it is gone from the current one and could come back from another.
//!
//! Another machine's vault cannot be opened here. The account is gone from the directory that both share, and that machine
//! forgets it when it looks.

use std::path::Path;

use super::committing::or_discard;
use super::contents::Gone;
use super::files::{self, Files};
use super::keys::Prompting;
use super::sealed::{self, Header};
use super::{Contents, HeldKey, KeyStoreKind, Vault};
use crate::failure::{Failure, Result};

impl Vault {
    /// Commits `contents`, which lacks what is `gone`.
    pub(super) fn commit_forgetting(
        &self,
        files: &Files,
        contents: &Contents,
        key: &HeldKey,
        number: u64,
        gone: &Gone,
    ) -> Result<()> {
        for path in self.belongings(super::Extent::Everyones) {
            if ![&files.current, &files.previous].contains(&&path) {
                self.take_out(&path, gone)?;
            }
        }
        let sealed = self.write(files, contents, key, number)?;
        or_discard(files, files.forget_previous().and_then(|()| files.publish()))?;
        files.copy_to_previous(&sealed);
        Ok(())
    }

    /// Rewrites a file without what is `gone`, if it opens and has any of it. Nobody is asked for anything.
    fn take_out(&self, path: &Path, gone: &Gone) -> Result<()> {
        if path.extension().is_some_and(|extension| extension == files::REWRITTEN) {
            // A rewriting that was killed: what it was made of is still there.
            return files::remove(path);
        }
        // What cannot be read or opened has nothing that could come back.
        let Some(bytes) = files::read(path).ok().flatten() else { return Ok(()) };
        let Ok((header, _)) = Header::parse(&bytes) else { return Ok(()) };
        if header.directory != self.login.directory() {
            return Ok(());
        }
        let Some(key) = self.key_at_hand(&header) else { return Ok(()) };
        let Ok(mut contents) = sealed::open(&bytes, &key.key) else { return Ok(()) };
        if !gone.take_from(&mut contents) {
            return Ok(());
        }
        let sealed = sealed::seal(&contents, key.kind, &key.key, header.generation, self.login.directory())
            .map_err(|error| Failure::storage("seal", path, &error))?;
        files::rewrite(path, &sealed)
    }

    /// The key that a header asks for, without taking the held one's place.
    fn key_at_hand(&self, header: &Header) -> Option<HeldKey> {
        if let Some(held) = self.held()
            && held.kind == header.kind
            && held.key.id() == header.key_id
        {
            return Some(held);
        }
        // A keyring is not asked for another machine's key.
        if header.kind == KeyStoreKind::Keyring && !self.stores.keys_here().own.contains(&header.key_id) {
            return None;
        }
        let key = self.stores.find(header.kind, header.key_id, Prompting::Never).ok()?;
        Some(HeldKey { kind: header.kind, key: key.into() })
    }
}
