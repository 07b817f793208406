//! Where a passphrase comes from: the file named in `AZWARD_PASSPHRASE_FILE`, its first line, or a person at the terminal,
//! who is asked three times at the most and never while a lock is held. A file that others can read is not taken. Whoever was
//! asked in vain is not asked again by this process. Without either the key is [`Kind::KeyUnavailable`]; what is said of
//! that never has a word of what was typed.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use zeroize::Zeroizing;

use super::Prompting;
use super::master_key::MasterKey;
use super::passphrase_file::PassphraseFile;
use crate::failure::{Failure, Kind, Result};
use crate::secret::Secret;
use crate::sys;
use crate::text;
use crate::wait;

/// Names the file that has the passphrase.
pub(super) const VARIABLE: &str = "AZWARD_PASSPHRASE_FILE";

/// How often a person may try.
const ATTEMPTS: u32 = 3;

/// No passphrase is longer.
const LONGEST: u64 = 1024;

/// Whom to ask for a passphrase, and what came of it in this process.
#[derive(Debug)]
pub(super) struct Passphrases {
    file: Option<PathBuf>,
    /// The one that was chosen for a key that is not made yet.
    chosen: Mutex<Option<Secret>>,
    was_asked_in_vain: AtomicBool,
}

impl Passphrases {
    /// From the file at `file`, else from a person.
    pub(super) fn new(file: Option<PathBuf>) -> Self {
        Self { file, chosen: Mutex::default(), was_asked_in_vain: AtomicBool::new(false) }
    }

    /// Opens `sealed`.
    ///
    /// # Errors
    /// [`Kind::KeyUnavailable`] where nobody gives the right passphrase; the file's own.
    pub(super) fn open(&self, sealed: &PassphraseFile, prompting: Prompting) -> Result<MasterKey> {
        // Nobody is asked for what cannot open anything.
        sealed.check()?;
        if let Some(file) = &self.file {
            return sealed.open(&read(file)?)?.ok_or_else(|| {
                Failure::new(
                    Kind::KeyUnavailable,
                    format!("the passphrase in `{}` does not open the vault's key", text::path(file)),
                    format!("put the right one there, or run `azward unlock` in a terminal without {VARIABLE}"),
                )
            });
        }
        if !self.may_ask(prompting) {
            return Err(not_given());
        }
        let mut question = "azward: passphrase of the vault: ";
        for _ in 0..ATTEMPTS {
            let Some(passphrase) = self.ask(question)? else { break };
            if let Some(key) = sealed.open(&passphrase)? {
                return Ok(key);
            }
            question = "azward: that is not it; passphrase of the vault: ";
        }
        self.was_asked_in_vain.store(true, Ordering::SeqCst);
        Err(Failure::new(
            Kind::KeyUnavailable,
            "the right passphrase was not given, or the file that has the key was changed",
            "run `azward unlock` and try again; without it, sign in to Azure again after `azward forget --others`",
        ))
    }

    /// Has a passphrase chosen for a new key, before anything is locked.
    ///
    /// # Errors
    /// [`Kind::KeyUnavailable`] where nobody chooses one.
    pub(super) fn choose(&self, prompting: Prompting) -> Result<()> {
        let mut chosen = self.chosen.lock().unwrap_or_else(PoisonError::into_inner);
        if chosen.is_none() {
            *chosen = Some(self.new_one(prompting)?);
        }
        Ok(())
    }

    /// The passphrase for a new key.
    ///
    /// # Errors
    /// [`Kind::KeyUnavailable`] where nobody chooses one.
    pub(super) fn chosen(&self, prompting: Prompting) -> Result<Secret> {
        self.choose(prompting)?;
        let chosen = self.chosen.lock().unwrap_or_else(PoisonError::into_inner);
        chosen.as_ref().map(Secret::duplicate).ok_or_else(not_given)
    }

    fn new_one(&self, prompting: Prompting) -> Result<Secret> {
        if let Some(file) = &self.file {
            return read(file);
        }
        if !self.may_ask(prompting) {
            return Err(Failure::new(
                Kind::KeyUnavailable,
                "a passphrase is to be chosen for the new vault, and there is nobody to choose it",
                format!("run the command in a terminal, or name a file that has the passphrase in {VARIABLE}"),
            ));
        }
        let mut question = "azward: new passphrase for the vault: ";
        for _ in 0..ATTEMPTS {
            let Some(one) = self.ask(question)? else { break };
            if let Some(other) = self.ask("azward: the same again: ")?
                && other == one
            {
                return Ok(one);
            }
            question = "azward: these were two; new passphrase for the vault: ";
        }
        self.was_asked_in_vain.store(true, Ordering::SeqCst);
        Err(Failure::new(Kind::KeyUnavailable, "no passphrase was chosen", "run the command again, and type it twice"))
    }

    /// Whether there is somebody to ask, and not in vain; while az has the terminal it is not ours.
    fn may_ask(&self, prompting: Prompting) -> bool {
        prompting == Prompting::Allowed && !wait::is_terminal_az_s() && !self.was_asked_in_vain.load(Ordering::SeqCst)
    }

    /// What a person types; `None` for nothing.
    fn ask(&self, question: &str) -> Result<Option<Secret>> {
        let typed = sys::ask_unseen(question, wait::is_over).map_err(|_| not_given())?;
        if wait::is_over() {
            return Err(wait::interrupted("the passphrase"));
        }
        Ok(typed.filter(|line| !line.is_empty()).map(|mut line| Secret::new(std::mem::take(&mut *line))))
    }
}

/// The first line of a file that nobody else can read.
fn read(path: &Path) -> Result<Secret> {
    let unavailable = |what: &str, hint: &str| {
        Failure::new(Kind::KeyUnavailable, format!("the passphrase's file `{}` {what}", text::path(path)), hint)
    };
    let failed = |_| unavailable("cannot be read", "name a file in AZWARD_PASSPHRASE_FILE that you can read");
    let mut file = std::fs::File::open(path).map_err(|error| {
        unavailable(
            &format!("cannot be opened: {}", error.kind()),
            "name a file in AZWARD_PASSPHRASE_FILE that you can read",
        )
    })?;
    let metadata = file.metadata().map_err(failed)?;
    let owner = sys::owner_id(&metadata);
    if !metadata.is_file() || owner != sys::user_id() && owner != "0" {
        return Err(unavailable("is no file of yours", "name a file of your own in AZWARD_PASSPHRASE_FILE"));
    }
    if sys::mode_of(&metadata) & 0o077 != 0 {
        return Err(unavailable(
            "can be read by others",
            "set its mode to 0600; if others use this machine, change the passphrase",
        ));
    }
    let mut text = Zeroizing::new(Vec::with_capacity(usize::try_from(LONGEST).unwrap_or_default()));
    file.by_ref().take(LONGEST).read_to_end(&mut text).map_err(failed)?;
    let end = text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len());
    let line = text[..end].strip_suffix(b"\r").unwrap_or(&text[..end]);
    match line.is_empty() {
        true => Err(unavailable("is empty", "put the passphrase into its first line")),
        false => Ok(Secret::new(line.to_vec())),
    }
}

fn not_given() -> Failure {
    Failure::new(
        Kind::KeyUnavailable,
        "the vault's passphrase has not been given in this session",
        format!("run `azward unlock` in a terminal, or name a file that has it in {VARIABLE}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn the_first_line_of_a_file_of_one_s_own_is_taken_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("passphrase");
        let write = |text: &str, mode| {
            std::fs::write(&path, text).unwrap();
            sys::set_mode(&path, mode).unwrap();
        };
        for text in ["a b", "a b\n", "a b\r\nsecond\n"] {
            write(text, 0o600);
            assert_eq!(read(&path).unwrap().expose_text(), "a b");
        }
        for (text, mode) in [("a b", 0o640), ("a b", 0o604), ("", 0o600), ("\nb", 0o600)] {
            write(text, mode);
            let failure = read(&path).unwrap_err();
            assert_eq!(failure.kind, Kind::KeyUnavailable);
            assert!(!failure.to_string().contains("a b"), "{failure}");
        }
        assert_eq!(read(directory.path()).unwrap_err().kind, Kind::KeyUnavailable);
        assert_eq!(read(&path.with_extension("none")).unwrap_err().kind, Kind::KeyUnavailable);
    }

    #[test]
    fn without_a_person_and_a_file_it_was_not_given() {
        let nobody = Passphrases::new(None);
        let failure = nobody.chosen(Prompting::Never).unwrap_err();
        assert!(failure.kind == Kind::KeyUnavailable && failure.hint.contains(VARIABLE), "{failure}");
    }
}
