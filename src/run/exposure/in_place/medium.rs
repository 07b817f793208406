//! Memory exposure, as far as it differs from exposure in place: the token cache that all see is brought into memory, what az
//! stores there is watched for, and at the end it is looked what az has done with it. Where it cannot be in memory the run is
//! exposed in place, unless that is not wanted.

use std::path::{Path, PathBuf};

use super::{Extent, InPlace, Medium};
use crate::credentials::CredentialFile;
use crate::credentials::merge::Base;
use crate::credentials::msal::TokenCache;
use crate::failure::Result;
use crate::run::exposure::{AzEnd, Exposure, ExposureKind, Finding, GivenCredentials, Recipient, policy};
use crate::settings::ExposureChoice;
use crate::store::CredentialStore;
use crate::store::section::CacheSection;
use crate::sys::{self, Watch};

impl InPlace {
    /// Has az store what it may store in memory, where there is nothing to expose to it.
    pub(super) fn move_as_it_is(&mut self, store: &CredentialStore<'_>) {
        if let Medium::Memory(memory) = &self.medium
            && let Err(failure) = store.move_unexposed(memory)
        {
            store.app.journal.warn(store.app.context.now(), &failure);
            self.medium = Medium::Disk;
        }
    }

    /// Begins to watch what az stores, where that is not on a disk or concerns others.
    pub(super) fn watch(&mut self, az: &Recipient<'_>) {
        let store = az.store;
        let directory = match &self.medium {
            Medium::Memory(_) => store.cache.file().memory(),
            Medium::Disk if store.siblings().is_empty() => None,
            Medium::Disk => Some(store.config_dir.token_cache()),
        };
        // Without it the end of the run takes it in.
        self.watch = directory.and_then(|file| Watch::of_files_in(file.parent()?).ok());
        if self.watch.is_some() {
            // It is the guardian that closes the last of it: that takes the kernel up to twenty milliseconds.
            self.tell_guardian(az);
        }
    }

    /// Has the cache be in memory, with the text `whole`, and says whether it is; what cannot be there is exposed in place.
    pub(super) fn put_into_memory(
        &mut self,
        section: &CacheSection<'_>,
        cache: &TokenCache<'_>,
        whole: &str,
    ) -> Result<bool> {
        let Medium::Memory(memory) = &self.medium else { return Ok(false) };
        if let Some(held) = &mut self.held {
            held.handed = Some(Base::of(cache, &TokenCache::parse(whole)?, section.store().app.context.now())?);
        }
        // What is exposed in place already, or could not be stored, is on the disk.
        let reason = match !section.is_in_memory() && cache.has_refresh_token()? {
            true => "another az has it in place".to_owned(),
            false => match section.put_into_memory(memory, whole) {
                Ok(()) => {
                    // Told from here on is who opens it.
                    sys::set_never_read(memory);
                    return Ok(true);
                }
                Err(error) => format!("the token cache cannot be in memory: {error}"),
            },
        };
        if section.store().app.settings.exposure.value == ExposureChoice::Memory {
            return Err(policy::refused(&reason));
        }
        self.medium = Medium::Disk;
        Ok(false)
    }

    /// What az did with the name that led into memory, and with the file. Where another run has brought the cache back, the
    /// file in memory is gone.
    pub(super) fn finding(&self, store: &CredentialStore<'_>, az: AzEnd) -> Finding {
        let is_given = self.extent == Extent::All && self.given == GivenCredentials::All;
        let is_never_opened = |path: &Path| az == AzEnd::Error && is_given && sys::was_never_read(path);
        let is_replaced = |memory: &PathBuf| {
            !store.is_in_memory()
                && memory.exists()
                && store.cache.path().symlink_metadata().is_ok_and(|file| file.is_file())
        };
        match &self.medium {
            Medium::Memory(memory) if is_replaced(memory) => Finding::Renames,
            Medium::Memory(memory) if is_never_opened(memory) => Finding::NeverOpened(ExposureKind::Memory),
            Medium::Disk if is_never_opened(store.cache.path()) => Finding::NeverOpened(ExposureKind::InPlace),
            Medium::Memory(_) | Medium::Disk => Finding::Nothing,
        }
    }
}
