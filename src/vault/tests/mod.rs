//! The promises of the vault as a whole, all with a key file: the keyring has `tests/e2e/surroundings/keyring/`.

mod belongings;
mod beside;
mod first_version;
mod forgetting;
mod generations;
mod machines;
mod moving;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::contents::tests::sample;
use super::trouble::newer;
use super::*;
use crate::context::HOME;
use crate::failure::Kind;
use crate::settings::{KeyStoreChoice, Setting};

/// An azward home and one config directory.
struct Home {
    root: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join(".azure")).unwrap();
        Self { root }
    }

    fn context(&self) -> Context {
        Context::new([(OsString::from(HOME), self.root.path().into())], None)
    }

    fn vault(&self) -> Vault {
        Vault::of(&self.context(), &settings(), &ConfigDir::of(&self.context()))
    }

    /// Commits as a run does, in a vault object of its own.
    fn commit(&self, token: &str) -> Result<Vec<Failure>> {
        let vault = self.vault();
        // A key that is lost or a vault that is damaged is for the commit to deal with.
        let _ = vault.prepare();
        let lock = vault.lock(Duration::ZERO)?;
        vault.commit(&lock, &sample(token))?;
        Ok(vault.warnings())
    }

    /// Whether a fresh process would find exactly this.
    fn holds(&self, token: &str) -> bool {
        self.vault().load().unwrap() == sample(token)
    }

    /// The names of the files beside the vaults without config directory and key.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = files::list(self.vault().parent())
            .iter()
            .map(|path| {
                let name = path.file_name().unwrap().to_str().unwrap();
                let (_, rest) = name.split_once('.').unwrap();
                rest.split_once('.').map_or(rest, |(_, ending)| ending).to_owned()
            })
            .collect();
        names.sort();
        names
    }

    /// The vault's current generation.
    fn current(&self) -> PathBuf {
        self.vault().path().unwrap()
    }

    fn previous(&self) -> PathBuf {
        self.current().with_extension("vault.previous")
    }

    /// The key file of this machine and user.
    fn key(&self) -> PathBuf {
        self.vault().stores.key_file().path().to_owned()
    }
}

fn settings() -> Settings {
    Settings { key_store: Setting::in_file(KeyStoreChoice::KeyFile), ..Settings::default() }
}

fn change(path: &Path, edit: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = std::fs::read(path).unwrap();
    edit(&mut bytes);
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, &bytes).unwrap();
    bytes
}

fn tear(path: &Path) -> Vec<u8> {
    change(path, |bytes| bytes.truncate(bytes.len() / 2))
}
