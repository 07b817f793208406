//! The shells' start-up files: one marked block in each that puts the shim directory first on PATH (and has zsh find its
//! completions), added once and removed whole. A file is edited by atomic replacement, keeps its mode, and is followed where it is a link, but not where root
//! would write through a user's link to what is not the user's. Nothing outside the block is touched: a block is whole
//! lines (`block`), and removing it leaves every byte as it was. Files are bytes: they need not be text.
//!
//! A directory that cannot stand in PATH or in one line of a shell's language is refused ([`check`]) before anything is
//! changed, and so is a file that cannot be edited ([`StartUpFile::plan`]).

mod block;

use std::path::{Path, PathBuf};

use self::block::{ENDED, Language, MADE, block, without_blocks};
use crate::context::Context;
use crate::failure::{Failure, Kind, Result};
use crate::sys;
use crate::text;
use crate::user_file::{self, Readers};

/// One start-up file and the shell whose language it is in.
#[derive(Debug)]
pub(super) struct StartUpFile {
    path: PathBuf,
    language: Language,
}

/// An edit that is ready to be made.
#[derive(Debug)]
pub(super) struct Edit<'a> {
    file: &'a StartUpFile,
    target: PathBuf,
    /// The new bytes; nothing where the file has them already.
    after: Option<Vec<u8>>,
}

/// Asks whether a directory can stand in PATH and in a start-up file.
///
/// # Errors
/// [`Kind::Usage`].
pub(super) fn check(directory: &Path) -> Result<()> {
    let separator = if cfg!(windows) { ';' } else { ':' };
    let why = match directory.to_str() {
        None => "it is not UTF-8".to_owned(),
        Some(path) if path.contains(separator) => format!("PATH is split at every `{separator}`"),
        Some(path) if path.contains(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) => {
            "it has a control character in it".to_owned()
        }
        Some(_) if !directory.is_absolute() => "it is not absolute".to_owned(),
        Some(_) => return Ok(()),
    };
    Err(Failure::new(
        Kind::Usage,
        format!("`{}` cannot stand in PATH: {why}", text::path(directory)),
        "name another azward home in AZWARD_HOME; nothing was changed",
    ))
}

/// The start-up files of the shells that this user has: those that are there, and those of `$SHELL`.
#[must_use]
pub(super) fn start_up_files(context: &Context) -> Vec<StartUpFile> {
    if cfg!(windows) {
        // PATH is in the registry, and a shell of Unix's has it from there (`commands::registry_path`).
        return Vec::new();
    }
    let shell = context.variable("SHELL").map(Path::new).and_then(Path::file_name).unwrap_or_default();
    let home = &context.home;
    // A relative one would be another directory for every shell that starts elsewhere.
    let named = |name| context.variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let mut files = Vec::new();
    let mut add = |path: PathBuf, shell_name: &str, language| {
        let is_used = path.exists()
            || shell == shell_name
            || (language == Language::Fish && path.ancestors().nth(2).is_some_and(Path::exists));
        if is_used {
            files.push(StartUpFile { path, language });
        }
    };
    add(home.join(".bashrc"), "bash", Language::Posix);
    // A login bash reads the first of these that is there.
    let login = [".bash_profile", ".bash_login", ".profile"].map(|name| home.join(name));
    add(login.iter().find(|path| path.exists()).unwrap_or(&login[2]).clone(), "bash", Language::Posix);
    add(named("ZDOTDIR").unwrap_or_else(|| home.clone()).join(".zshrc"), "zsh", Language::Zsh);
    let fish = named("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config"));
    add(fish.join("fish/conf.d/azward.fish"), "fish", Language::Fish);
    files
}

impl StartUpFile {
    /// The file.
    #[must_use]
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The name of the shell that reads it.
    #[must_use]
    pub(super) fn shell(&self) -> &'static str {
        match self.language {
            Language::Fish => "fish",
            Language::Zsh => "zsh",
            Language::Posix => "bash",
        }
    }

    /// Prepares to add the block that puts `directory` first on PATH; nothing is changed yet.
    ///
    /// # Errors
    /// `Usage` for a directory that [`check`] refuses, `Storage` for a file that cannot be edited.
    pub(super) fn plan(&self, directory: &Path) -> Result<Edit<'_>> {
        check(directory)?;
        let target = self.target()?;
        let before = self.read(&target)?;
        if before.is_none() {
            let existing = target.ancestors().skip(1).find(|ancestor| ancestor.exists());
            if existing.is_none_or(|existing| !existing.is_dir()) {
                return Err(self.refused("its directory cannot be made"));
            }
        }
        let (mut after, note) = match before.as_deref().map(without_blocks) {
            None | Some(None) => (Vec::new(), Some(MADE)),
            Some(Some(rest)) if !rest.is_empty() && !rest.ends_with(b"\n") => (rest, Some(ENDED)),
            Some(Some(rest)) => (rest, None),
        };
        if note == Some(ENDED) {
            after.push(b'\n');
        }
        after.extend(block(self.language, directory, note).into_bytes());
        let after = (before.as_ref() != Some(&after)).then_some(after);
        Ok(Edit { file: self, target, after })
    }

    /// Removes the block; a file that was made for it goes with it. Says whether the file changed. What azward could not
    /// have written into is left alone.
    ///
    /// # Errors
    /// `Storage`.
    pub(super) fn remove(&self) -> Result<bool> {
        let Ok(target) = self.target() else { return Ok(false) };
        // Left by an install that was killed.
        let _ = std::fs::remove_file(draft_of(&target));
        if !target.is_file() {
            return Ok(false);
        }
        let Some(before) = self.read(&target)? else { return Ok(false) };
        match without_blocks(&before) {
            None => {
                std::fs::remove_file(&target).map_err(|error| Failure::storage("remove", &self.path, &error))?;
                Ok(true)
            }
            Some(after) if after == before => Ok(false),
            Some(after) => {
                replace(&target, &after).map_err(|error| Failure::storage("edit", &self.path, &error))?;
                Ok(true)
            }
        }
    }

    /// The file that the bytes are in: a link's target, be it there or not.
    fn target(&self) -> Result<PathBuf> {
        if user_file::is_foreign_link(&self.path) {
            return Err(self.refused("it is a link that leads nowhere, or to another user's file"));
        }
        if let Ok(target) = std::fs::canonicalize(&self.path) {
            return Ok(target);
        }
        let mut target = self.path.clone();
        while let Ok(next) = std::fs::read_link(&target) {
            target = target.parent().map_or(next.clone(), |parent| parent.join(next));
        }
        // A directory that a link expects and that is not there is not ours to make.
        match target.parent() {
            Some(parent) if target != self.path && !parent.is_dir() => {
                Err(self.refused("it is a link that leads nowhere"))
            }
            _ => Ok(target),
        }
    }

    fn read(&self, target: &Path) -> Result<Option<Vec<u8>>> {
        match std::fs::metadata(target) {
            Ok(metadata) if !metadata.is_file() => return Err(self.refused("it is not a file")),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            _ => {}
        }
        std::fs::read(target).map(Some).map_err(|error| Failure::storage("read", &self.path, &error))
    }

    fn refused(&self, why: &str) -> Failure {
        Failure::new(
            Kind::Storage,
            format!("`{}` cannot be edited: {why}", text::path(&self.path)),
            "mend that, or install with --no-modify-path and put the shim first on PATH yourself",
        )
    }
}

impl Edit<'_> {
    /// Makes it. Says whether the file changed.
    ///
    /// # Errors
    /// `Storage`; the file is then as it was.
    pub(super) fn make(&self) -> Result<bool> {
        let Some(after) = &self.after else { return Ok(false) };
        replace(&self.target, after).map_err(|error| Failure::storage("edit", &self.file.path, &error))?;
        Ok(true)
    }
}

fn draft_of(target: &Path) -> PathBuf {
    target.with_extension("azward-new")
}

fn replace(target: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let directory = target.parent().unwrap_or(target);
    user_file::make_dir(directory)?;
    let replacement = draft_of(target);
    let written = user_file::write_draft(&replacement, target, bytes, Readers::AsBefore);
    let replaced = written.map(drop).and_then(|()| sys::rename_over(&replacement, target));
    if replaced.is_err() {
        let _ = std::fs::remove_file(&replacement);
    }
    replaced
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
