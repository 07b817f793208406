//! The shells' start-up files: one marked block in each that puts the shim directory first on PATH, added once and removed
//! whole. A file is edited by atomic replacement, keeps its mode, and is followed where it is a link; nothing outside
//! the block is touched. The block notes what it changed around itself (a file made, a last line ended), so that removing
//! it leaves every byte as it was.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::sys;

const BEGIN: &str = "# >>> azward >>>";
const END: &str = "# <<< azward <<<";
/// Notes that the file was made for the block.
const MADE: &str = "# (this file was made for it)\n";
/// Notes that the line above had no end, and was given one.
const ENDED: &str = "# (the line above had no end)\n";

/// One start-up file and the shell whose language it is in.
#[derive(Debug)]
pub struct StartUpFile {
    path: PathBuf,
    is_fish: bool,
}

/// The start-up files of the shells that this user has: those that are there, and those of `$SHELL`.
#[must_use]
pub fn start_up_files(context: &Context) -> Vec<StartUpFile> {
    let shell = context.variable("SHELL").map(Path::new).and_then(Path::file_name).unwrap_or_default();
    let home = &context.home;
    let mut files = Vec::new();
    let mut add = |path: PathBuf, shell_name: &str, is_fish| {
        let is_used =
            path.exists() || shell == shell_name || (is_fish && path.ancestors().nth(2).is_some_and(Path::exists));
        if is_used {
            files.push(StartUpFile { path, is_fish });
        }
    };
    add(home.join(".bashrc"), "bash", false);
    // A login bash reads the first of these that is there.
    let login = [".bash_profile", ".bash_login", ".profile"].map(|name| home.join(name));
    add(login.iter().find(|path| path.exists()).unwrap_or(&login[2]).clone(), "bash", false);
    let zsh = context.variable("ZDOTDIR").map_or_else(|| home.clone(), PathBuf::from);
    add(zsh.join(".zshrc"), "zsh", false);
    let fish = context.variable("XDG_CONFIG_HOME").map_or_else(|| home.join(".config"), PathBuf::from);
    add(fish.join("fish/conf.d/azward.fish"), "fish", true);
    files
}

impl StartUpFile {
    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds the block that puts `directory` first on PATH. Says whether the file changed.
    ///
    /// # Errors
    /// `Storage`.
    pub fn add(&self, directory: &Path) -> Result<bool> {
        let before = self.read()?;
        let rest = before.as_deref().and_then(without_block);
        let note = match &rest {
            None => MADE,
            Some(text) if !text.is_empty() && !text.ends_with('\n') => ENDED,
            Some(_) => "",
        };
        let mut after = rest.unwrap_or_default();
        if note == ENDED {
            after.push('\n');
        }
        after.push_str(&self.block(directory, note));
        self.write(before.as_deref(), &after)
    }

    /// Removes the block; a file that was made for it goes with it. Says whether the file changed.
    ///
    /// # Errors
    /// `Storage`.
    pub fn remove(&self) -> Result<bool> {
        let Some(before) = self.read()? else { return Ok(false) };
        let Some(after) = without_block(&before) else {
            std::fs::remove_file(&self.path).map_err(|error| Failure::storage("remove", &self.path, &error))?;
            return Ok(true);
        };
        self.write(Some(&before), &after)
    }

    fn block(&self, directory: &Path, note: &str) -> String {
        let quoted = format!("'{}'", directory.display().to_string().replace('\'', r"'\''"));
        if self.is_fish {
            let quoted = format!("'{}'", directory.display().to_string().replace('\\', r"\\").replace('\'', r"\'"));
            return format!(
                "{BEGIN}\n{note}if not contains -- {quoted} $PATH\n    set -gx PATH {quoted} $PATH\nend\n{END}\n"
            );
        }
        format!(
            "{BEGIN}\n{note}case \":$PATH:\" in\n    *:{quoted}:*) ;;\n    *) export PATH={quoted}\":$PATH\" ;;\nesac\n{END}\n"
        )
    }

    fn read(&self) -> Result<Option<String>> {
        match std::fs::read_to_string(&self.path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::storage("read", &self.path, &error)),
        }
    }

    fn write(&self, before: Option<&str>, after: &str) -> Result<bool> {
        if before == Some(after) {
            return Ok(false);
        }
        let target = std::fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        replace(&target, after).map_err(|error| Failure::storage("edit", &self.path, &error))?;
        Ok(true)
    }
}

fn replace(target: &Path, text: &str) -> std::io::Result<()> {
    let directory = target.parent().unwrap_or(target);
    std::fs::create_dir_all(directory)?;
    let replacement = target.with_extension("azward-new");
    let _ = std::fs::remove_file(&replacement);
    let mut file = sys::create_new(&replacement, 0o644)?;
    file.write_all(text.as_bytes())?;
    if let Ok(before) = std::fs::metadata(target) {
        sys::set_mode(&replacement, sys::mode_of(&before))?;
        sys::copy_owner(&file, &before)?;
    }
    file.sync_all()?;
    sys::rename_over(&replacement, target)
}

/// The text as it was before the block; `None` when there was no file.
fn without_block(text: &str) -> Option<String> {
    let parts = text.split_once(BEGIN).and_then(|(above, rest)| Some((above, rest.split_once(END)?)));
    let Some((above, (block, below))) = parts else { return Some(text.to_owned()) };
    let below = below.strip_prefix('\n').unwrap_or(below);
    let above = match above.strip_suffix('\n') {
        Some(line) if block.contains(ENDED) && below.is_empty() => line,
        _ => above,
    };
    let rest = format!("{above}{below}");
    (!rest.is_empty() || !block.contains(MADE)).then_some(rest)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    fn files(home: &Path, shell: &str) -> Vec<StartUpFile> {
        let variables = [("HOME".into(), home.into()), ("SHELL".into(), shell.into())];
        start_up_files(&Context::new(variables, None, false))
    }

    #[test]
    fn a_block_is_added_once_and_removed_without_a_trace() {
        let home = tempfile::tempdir().unwrap();
        for text in ["alias ll='ls -l'", "alias ll='ls -l'\n", "\n", ""] {
            std::fs::write(home.path().join(".bashrc"), text).unwrap();
            let bash = files(home.path(), "/bin/bash");
            let names: Vec<_> = bash.iter().map(|file| file.path().file_name().unwrap().to_owned()).collect();
            assert_eq!(names, [".bashrc", ".profile"]);
            for file in &bash {
                assert!(file.add(Path::new("/x/it's here")).unwrap());
                assert!(!file.add(Path::new("/x/it's here")).unwrap());
                assert!(file.add(Path::new("/y")).unwrap());
            }
            for file in &bash {
                assert!(file.remove().unwrap());
                assert!(!file.remove().unwrap());
            }
            assert_eq!(std::fs::read_to_string(home.path().join(".bashrc")).unwrap(), text);
            assert!(!home.path().join(".profile").exists(), "a file that was made for the block goes with it");
        }
    }

    #[test]
    fn what_was_written_around_the_block_stays() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(".bashrc");
        std::fs::write(&path, "a").unwrap();
        let file = files(home.path(), "/bin/sh").remove(0);
        file.add(Path::new("/x")).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{text}b\n")).unwrap();
        assert!(file.remove().unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a\nb\n");
        std::fs::write(&path, format!("{END}\n{BEGIN}\n")).unwrap();
        assert!(!file.remove().unwrap(), "half a block is none");
    }

    #[test]
    fn a_shell_that_is_not_there_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        assert!(files(home.path(), "/bin/sh").is_empty());
        assert_eq!(files(home.path(), "/usr/bin/zsh").len(), 1);
        std::fs::create_dir_all(home.path().join(".config/fish")).unwrap();
        assert_eq!(files(home.path(), "/bin/sh").len(), 1, "fish's configuration is there");
    }

    #[test]
    fn a_linked_file_stays_a_link() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("dotfiles-bashrc"), "x\n").unwrap();
        std::os::unix::fs::symlink("dotfiles-bashrc", home.path().join(".bashrc")).unwrap();
        files(home.path(), "/bin/sh")[0].add(Path::new("/x")).unwrap();
        assert!(std::fs::symlink_metadata(home.path().join(".bashrc")).unwrap().is_symlink());
        assert!(std::fs::read_to_string(home.path().join("dotfiles-bashrc")).unwrap().contains(BEGIN));
    }
}
