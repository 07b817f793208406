//! The sweep's record: how a credential file looked, from outside, when it last held no long-lived credential. One that still
//! looks so need not be read. A record that is missing, torn or of something else costs a reading, no more; it is only made
//! of a file that has rested for a while, because two changes within one tick of the kernel's clock look the same.

use std::path::PathBuf;
use std::time::Duration;

use crate::azure::ConfigDir;
use crate::context::Context;
use crate::credentials::CredentialFile;
use crate::home_lock::HomeLock;
use crate::private;
use crate::settings::SealChoice;
use crate::sys;

/// How long the cache must have rested: several ticks of the coarsest clock.
const REST: Duration = Duration::from_millis(50);

/// The record of one config directory.
#[derive(Debug)]
pub(super) struct SweepRecord {
    path: PathBuf,
    home: HomeLock,
}

impl SweepRecord {
    /// The record of `config_dir`; nothing is read yet. Where short-lived tokens are sealed too, another one says that there are none.
    #[must_use]
    pub(super) fn of(context: &Context, config_dir: &ConfigDir, seal: SealChoice) -> Self {
        let ending = match seal {
            SealChoice::RefreshTokens => "swept",
            SealChoice::AllTokens => "swept-all",
        };
        let path = context.azward_home.join("run").join(format!("{}.{ending}", config_dir.id()));
        Self { path, home: context.home_lock.clone() }
    }

    /// The same of its list of service principals.
    #[must_use]
    pub(super) fn of_principals(context: &Context, config_dir: &ConfigDir) -> Self {
        let path = context.azward_home.join("run").join(format!("{}.swept-principals", config_dir.id()));
        Self { path, home: context.home_lock.clone() }
    }

    /// Whether the file looks as it did when the record was made. One that is not there holds nothing either.
    #[must_use]
    pub(super) fn is_valid(&self, file: &impl CredentialFile) -> bool {
        match sys::file_state(file.path()) {
            Ok(state) => private::read(&self.path).is_ok_and(|record| record == state.text.as_bytes()),
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        }
    }

    /// Makes the record of a file that was just found without a long-lived credential.
    pub(super) fn renew(&self, file: &impl CredentialFile) {
        let Ok(state) = sys::file_state(file.path()) else { return };
        if state.unchanged_for < REST {
            return;
        }
        // Without a record the next sweep reads the cache again.
        let Ok(_presence) = self.home.enter() else { return };
        private::note(&self.path, state.text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::credentials::file::WriteMode;
    use crate::credentials::msal::TokenCacheFile;

    #[test]
    fn a_record_is_good_until_the_file_changes_and_none_is_made_of_a_fresh_one() {
        let dir = tempfile::tempdir().unwrap();
        let context = Context::new([("AZWARD_HOME".into(), dir.path().into())], None);
        let record = SweepRecord::of(&context, &ConfigDir::at(Path::new("/c")), SealChoice::default());
        let cache = TokenCacheFile::of(&ConfigDir::at(dir.path()));
        assert!(record.is_valid(&cache), "there is nothing");
        let lock = cache.lock(Duration::ZERO).unwrap();
        cache.replace(&lock, "{}", WriteMode::Rename).unwrap();
        record.renew(&cache);
        assert!(!record.is_valid(&cache), "it is too fresh");
        std::thread::sleep(REST * 2);
        record.renew(&cache);
        assert!(record.is_valid(&cache));
        std::fs::write(cache.path(), "[]").unwrap();
        assert!(!record.is_valid(&cache), "same size, other time");
    }
}
