//! What lies in the clear in a config directory: every regular file in it is read, below it too, and each that holds long-lived
//! credentials is named with what is in it. What was not looked at is named as well, with why, so that nobody takes
//! silence for an answer: links to directories, what may not be read, what is no file, encrypted or compressed, too large,
//! too deep, or too much. Nothing is changed, nothing is kept of what was read, and nothing here fails.

use std::fs::{File, Metadata};
use std::io::Read;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::azure::credential_marks::{Marks, marks};

/// The largest file that is read: no file of az's comes near it.
const LARGEST: u64 = 16 << 20;
/// How much is read in all.
const MOST: u64 = 128 << 20;
/// How many files and directories are looked at.
const ENTRIES: usize = 20_000;
/// How deep directories are entered.
const DEPTH: usize = 12;

/// What is only programs, and many of them: extensions with their libraries, and what az installs (bicep, kubelogin).
const PROGRAMS: [&str; 2] = ["cliextensions", "bin"];

/// Encrypted by az itself (azure-cli-core 2.91.0, `auth/persistence.py`: DPAPI, or the sign of a keyring's item).
const ENCRYPTED: [&str; 4] =
    ["msal_token_cache.bin", "service_principal_entries.bin", "msal_token_cache.sig", "service_principal_entries.sig"];

/// What could hold anything and is not unpacked.
const PACKED: [&str; 9] = ["gz", "zip", "bz2", "xz", "zst", "7z", "tgz", "gpg", "age"];

/// What was found in a directory.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// The files with long-lived credentials in them, by path.
    pub found: Vec<Found>,
    /// What was not looked at.
    pub unseen: Vec<Unseen>,
    /// How many files were read whole.
    pub files: usize,
    read: u64,
    entries: usize,
}

/// One file with long-lived credentials in it.
#[derive(Debug)]
pub(crate) struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// What is in it.
    pub marks: Marks,
}

/// Something that was not looked at.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unseen {
    /// Where it is.
    pub path: PathBuf,
    /// Why not.
    pub why: Why,
}

/// Why something was not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// It leads to a directory, or to nothing.
    Link,
    /// It may not be read.
    Unreadable,
    /// It is a pipe, a socket or a device.
    NoFile,
    /// az has encrypted it.
    Encrypted,
    /// It is packed.
    Packed,
    /// It is programs and their libraries.
    Programs,
    /// It is more than is read.
    TooMuch,
}

impl Why {
    /// In words.
    #[must_use]
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Link => "a link that leads to no file",
            Self::Unreadable => "it may not be read",
            Self::NoFile => "no file",
            Self::Encrypted => "encrypted by az itself",
            Self::Packed => "packed or encrypted",
            Self::Programs => "programs and their libraries",
            Self::TooMuch => "too large, too deep, or too much",
        }
    }
}

impl Found {
    /// What is in it, in words.
    #[must_use]
    pub(crate) fn words(&self) -> String {
        let words: Vec<String> = self.marks.iter().map(|(mark, count)| mark.words(*count)).collect();
        words.join(", ")
    }
}

impl Survey {
    /// Looks through `directory`, and at the files `others` that az was told to keep elsewhere.
    #[must_use]
    pub(crate) fn of(directory: &Path, others: &[PathBuf]) -> Self {
        let mut survey = Self::default();
        let mut level = vec![directory.to_owned()];
        // What is near the top first: there may be more than is read.
        for depth in 0..=DEPTH {
            let mut below = Vec::new();
            for directory in level {
                survey.look_through(&directory, depth, &mut below);
            }
            level = below;
        }
        level.into_iter().for_each(|path| survey.pass_over(path, Why::TooMuch));
        for path in others.iter().filter(|path| !path.starts_with(directory) && path.symlink_metadata().is_ok()) {
            survey.look_at(path.clone());
        }
        survey.found.sort_by(|one, other| one.path.cmp(&other.path));
        survey.unseen.sort_by(|one, other| one.path.cmp(&other.path));
        survey
    }

    fn look_through(&mut self, directory: &Path, depth: usize, below: &mut Vec<PathBuf>) {
        let entries = match std::fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
            Err(_) => return self.pass_over(directory.to_owned(), Why::Unreadable),
        };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            self.entries += 1;
            if self.entries > ENTRIES {
                return self.pass_over(directory.to_owned(), Why::TooMuch);
            }
            let is_directory = path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir());
            let is_programs = depth == 0 && PROGRAMS.iter().any(|name| path.ends_with(name));
            match is_directory {
                true if is_programs => self.pass_over(path, Why::Programs),
                true => below.push(path),
                false => self.look_at(path),
            }
        }
    }

    fn look_at(&mut self, path: PathBuf) {
        // Asked before it is opened, because opening a pipe would wait for its other end.
        let metadata = match path.metadata() {
            Ok(metadata) => metadata,
            Err(_) if path.is_symlink() => return self.pass_over(path, Why::Link),
            // Gone since it was listed.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
            Err(_) => return self.pass_over(path, Why::Unreadable),
        };
        if let Some(why) = objection(&path, &metadata) {
            return self.pass_over(path, why);
        }
        if metadata.len() > LARGEST || self.read + metadata.len() > MOST {
            return self.pass_over(path, Why::TooMuch);
        }
        match read(&path, &metadata) {
            Ok(bytes) => {
                self.read += bytes.len() as u64;
                self.files += 1;
                let marks = marks(&bytes);
                if !marks.is_empty() {
                    self.found.push(Found { path, marks });
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(_) => self.pass_over(path, Why::Unreadable),
        }
    }

    fn pass_over(&mut self, path: PathBuf, why: Why) {
        self.unseen.push(Unseen { path, why });
    }
}

/// Why a file is not to be read.
fn objection(path: &Path, metadata: &Metadata) -> Option<Why> {
    if metadata.is_dir() {
        return Some(Why::Link);
    }
    if !metadata.is_file() {
        return Some(Why::NoFile);
    }
    let name = path.file_name()?.to_str().unwrap_or_default();
    if ENCRYPTED.contains(&name) {
        return Some(Why::Encrypted);
    }
    let ending = name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    PACKED.contains(&&*ending).then_some(Why::Packed)
}

fn read(path: &Path, metadata: &Metadata) -> std::io::Result<Zeroizing<Vec<u8>>> {
    // Room for it all at once: a buffer that grows leaves copies behind that nobody zeroes.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0) + 4096));
    let length = bytes.capacity() as u64;
    File::open(path)?.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::sys;

    const TOKEN: &str = "{\"refreshToken\": \"0.AXoAdmeRefreshTokenText\"}";

    fn names(survey: &Survey) -> Vec<String> {
        let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
        let found = survey.found.iter().map(|found| format!("{} {}", name(&found.path), found.words()));
        let unseen = survey.unseen.iter().map(|unseen| format!("{}: {}", name(&unseen.path), unseen.why.words()));
        found.chain(unseen).collect()
    }

    #[test]
    fn each_file_is_named_with_what_is_in_it_and_the_rest_with_why_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        assert_eq!((names(&Survey::of(directory.path(), &[])), Survey::of(&path("none"), &[]).files), (vec![], 0));
        std::fs::create_dir_all(path("backups/old")).unwrap();
        std::fs::create_dir(path("cliextensions")).unwrap();
        for name in ["accessTokens.json", "cache.json~", "backups/old/cache.bak", "cliextensions/sample.json"] {
            std::fs::write(path(name), TOKEN).unwrap();
        }
        for name in ["clouds.config", "msal_token_cache.bin", "all.tar.gz"] {
            std::fs::write(path(name), "").unwrap();
        }
        symlink("accessTokens.json", path("linked.json")).unwrap();
        symlink("backups", path("more")).unwrap();
        symlink("nowhere", path("lost")).unwrap();
        let _listener = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
        let mut expected = vec![
            "accessTokens.json 1 refresh token",
            "cache.bak 1 refresh token",
            "cache.json~ 1 refresh token",
            "linked.json 1 refresh token",
            "all.tar.gz: packed or encrypted",
            "cliextensions: programs and their libraries",
            "lost: a link that leads to no file",
            "more: a link that leads to no file",
            "msal_token_cache.bin: encrypted by az itself",
            "socket: no file",
        ];
        let survey = Survey::of(directory.path(), &[]);
        assert_eq!((names(&survey), survey.files), (expected.iter().map(ToString::to_string).collect(), 5));
        if sys::user_id() != "0" {
            sys::set_mode(&path("backups/old"), 0).unwrap();
            expected[1] = "old: it may not be read";
            let survey = Survey::of(directory.path(), &[]);
            assert!(names(&survey).contains(&expected[1].to_owned()));
            sys::set_mode(&path("backups/old"), 0o700).unwrap();
        }
    }

    #[test]
    fn what_is_too_large_or_too_deep_is_told_and_what_is_kept_elsewhere_is_looked_at() {
        let directory = tempfile::tempdir().unwrap();
        let (azure, elsewhere) = (directory.path().join("azure"), directory.path().join("tokens.json"));
        let deep = (0..=DEPTH).fold(azure.clone(), |path, _| path.join("d"));
        std::fs::create_dir_all(deep.join("e")).unwrap();
        std::fs::write(deep.join("tokens"), TOKEN).unwrap();
        std::fs::write(&elsewhere, TOKEN).unwrap();
        File::create(azure.join("large")).unwrap().set_len(LARGEST + 1).unwrap();
        let survey = Survey::of(&azure, &[elsewhere.clone(), azure.join("large"), directory.path().join("none")]);
        assert_eq!(survey.found.iter().map(|found| &found.path).collect::<Vec<_>>(), [&elsewhere]);
        let unseen = [(deep, Why::TooMuch), (azure.join("large"), Why::TooMuch)];
        assert_eq!(survey.unseen, unseen.map(|(path, why)| Unseen { path, why }));
    }
}
