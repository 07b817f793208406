//! The shells' start-up files: one marked block in each that puts the shim directory first on PATH, added once and removed
//! whole. A file is edited by atomic replacement, keeps its mode, and is followed where it is a link, but not where root
//! would write through a user's link to what is not the user's. Nothing outside the block is touched: a block is whole
//! lines, from its begin to its end, of exactly the kind that azward writes; everything else (half of one, one that was
//! edited, one in the middle of other text) is the user's. It notes what it changed around itself (a file made, a last
//! line ended), so that removing it leaves every byte as it was. Files are bytes: they need not be text.
//!
//! A directory that cannot stand in PATH or in one line of a shell's language is refused ([`check`]) before anything is
//! changed, and so is a file that cannot be edited ([`StartUpFile::plan`]).

use std::path::{Path, PathBuf};

use crate::context::Context;
use crate::failure::{Failure, Kind, Result};
use crate::sys;
use crate::text;
use crate::user_file::{self, Readers};

const BEGIN: &str = "# >>> azward >>>";
const END: &str = "# <<< azward <<<";
/// Notes that the file was made for the block.
const MADE: &str = "# (this file was made for it)";
/// Notes that the line above had no end, and was given one.
const ENDED: &str = "# (the line above had no end)";

/// One start-up file and the shell whose language it is in.
#[derive(Debug)]
pub struct StartUpFile {
    path: PathBuf,
    language: Language,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Language {
    /// Of bash, zsh and sh.
    Posix,
    Fish,
}

/// An edit that is ready to be made.
#[derive(Debug)]
pub struct Edit<'a> {
    file: &'a StartUpFile,
    target: PathBuf,
    /// The new bytes; nothing where the file has them already.
    after: Option<Vec<u8>>,
}

/// Asks whether a directory can stand in PATH and in a start-up file.
///
/// # Errors
/// [`Kind::Usage`].
pub fn check(directory: &Path) -> Result<()> {
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
pub fn start_up_files(context: &Context) -> Vec<StartUpFile> {
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
    add(named("ZDOTDIR").unwrap_or_else(|| home.clone()).join(".zshrc"), "zsh", Language::Posix);
    let fish = named("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config"));
    add(fish.join("fish/conf.d/azward.fish"), "fish", Language::Fish);
    files
}

impl StartUpFile {
    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Prepares to add the block that puts `directory` first on PATH; nothing is changed yet.
    ///
    /// # Errors
    /// `Usage` for a directory that [`check`] refuses, `Storage` for a file that cannot be edited.
    pub fn plan(&self, directory: &Path) -> Result<Edit<'_>> {
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
    pub fn remove(&self) -> Result<bool> {
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
    pub fn make(&self) -> Result<bool> {
        let Some(after) = &self.after else { return Ok(false) };
        replace(&self.target, after).map_err(|error| Failure::storage("edit", &self.file.path, &error))?;
        Ok(true)
    }
}

fn block(language: Language, directory: &Path, note: Option<&str>) -> String {
    let directory = directory.to_str().unwrap_or_default();
    let mut lines = vec![BEGIN.to_owned()];
    lines.extend(note.map(str::to_owned));
    match language {
        Language::Posix => {
            let quoted = format!("'{}'", directory.replace('\'', r"'\''"));
            lines.push("case \":$PATH:\" in".to_owned());
            lines.push(format!("    *:{quoted}:*) ;;"));
            lines.push(format!("    *) export PATH={quoted}\":$PATH\" ;;"));
            lines.push("esac".to_owned());
        }
        Language::Fish => {
            let quoted = format!("'{}'", directory.replace('\\', r"\\").replace('\'', r"\'"));
            lines.push(format!("if not contains -- {quoted} $PATH"));
            lines.push(format!("    set -gx PATH {quoted} $PATH"));
            lines.push("end".to_owned());
        }
    }
    lines.push(END.to_owned());
    lines.join("\n") + "\n"
}

/// Whether the lines between a begin and an end are those of a block, whatever its directory.
fn is_block(lines: &[&[u8]]) -> bool {
    let lines = match lines {
        [note, rest @ ..] if *note == MADE.as_bytes() || *note == ENDED.as_bytes() => rest,
        lines => lines,
    };
    let is = |line: &[u8], begin: &str, end: &str| line.starts_with(begin.as_bytes()) && line.ends_with(end.as_bytes());
    match lines {
        [case, there, export, esac] => {
            *case == b"case \":$PATH:\" in"
                && is(there, "    *:'", "':*) ;;")
                && is(export, "    *) export PATH='", "'\":$PATH\" ;;")
                && *esac == b"esac"
        }
        [test, set, end] => {
            is(test, "if not contains -- '", "' $PATH") && is(set, "    set -gx PATH '", "' $PATH") && *end == b"end"
        }
        _ => false,
    }
}

/// The bytes as they were before the blocks; `None` when there was no file.
fn without_blocks(bytes: &[u8]) -> Option<Vec<u8>> {
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let bare: Vec<&[u8]> = lines.iter().map(|line| without_end(line)).collect();
    let (mut kept, mut at, mut was_made) = (Vec::with_capacity(bytes.len()), 0, false);
    while at < lines.len() {
        let end = (at + 1..lines.len().min(at + 8)).find(|end| bare[*end] == END.as_bytes());
        match end {
            Some(end) if bare[at] == BEGIN.as_bytes() && is_block(&bare[at + 1..end]) => {
                was_made |= bare[at + 1] == MADE.as_bytes();
                // What was written below it since needs the line's end.
                if bare[at + 1] == ENDED.as_bytes() && end + 1 == lines.len() && kept.ends_with(b"\n") {
                    kept.pop();
                }
                at = end + 1;
            }
            _ => {
                kept.extend_from_slice(lines[at]);
                at += 1;
            }
        }
    }
    (!kept.is_empty() || !was_made).then_some(kept)
}

/// A line without its end, be that of Unix or of Windows; blanks before it are the line's own.
fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
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
mod tests {
    use super::*;

    fn files(home: &Path, shell: &str) -> Vec<StartUpFile> {
        let variables = [("HOME".into(), home.into()), ("SHELL".into(), shell.into())];
        start_up_files(&Context::new(variables, None, false))
    }

    impl StartUpFile {
        fn add(&self, directory: &Path) -> Result<bool> {
            self.plan(directory)?.make()
        }
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

    #[test]
    fn what_is_no_whole_block_of_ours_is_the_user_s() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(".bashrc");
        let ours = block(Language::Posix, Path::new("/x"), None);
        let edited = ours.replace("/x", "/x' && echo '").replace("esac", "esac # mine");
        for text in [
            format!("{BEGIN}\nalias a=b\n{END}\n"),
            format!("cat <<'E'\n{BEGIN}\nabout the block\n{END}\nE\n"),
            format!("{BEGIN}\n"),
            format!("{END}\n{BEGIN}\n{BEGIN}\n"),
            format!("  {BEGIN}\nx\n  {END}\n"),
            format!("echo '{BEGIN}' '{END}'\n"),
            format!("{BEGIN}\n{}", ours.replace(&format!("{END}\n"), "")),
            edited,
            "\r\na\r\n".to_owned(),
        ] {
            std::fs::write(&path, &text).unwrap();
            let file = files(home.path(), "/bin/sh").remove(0);
            assert!(!file.remove().unwrap(), "{text}");
            assert!(file.add(Path::new("/y")).unwrap() && !file.add(Path::new("/y")).unwrap(), "{text}");
            assert!(std::fs::read_to_string(&path).unwrap().starts_with(&text), "{text}");
            assert!(file.remove().unwrap(), "{text}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn blocks_that_came_twice_or_with_other_line_ends_go_too() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(".bashrc");
        let [one, two] = ["/x", "/it's"].map(|directory| block(Language::Posix, Path::new(directory), None));
        let windows = one.replace('\n', "\r\n");
        // Half of one, and a whole one in it.
        let nested = format!("{BEGIN}\ncase \":$PATH:\" in\n{one}b\n");
        for (text, left) in [
            (format!("a\n{one}b\n{two}{one}"), "a\nb\n".to_owned()),
            (format!("a\r\n{windows}b"), "a\r\nb".to_owned()),
            (nested.clone(), nested.replace(&one, "")),
        ] {
            std::fs::write(&path, &text).unwrap();
            assert!(files(home.path(), "/bin/sh")[0].remove().unwrap());
            assert_eq!(std::fs::read_to_string(&path).unwrap(), left);
        }
    }

    #[test]
    fn bytes_that_are_no_text_stay_what_they_are() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(".bashrc");
        std::fs::write(&path, b"# \xff\xfe\nx='\0'").unwrap();
        let file = files(home.path(), "/bin/sh").remove(0);
        assert!(file.add(Path::new("/x")).unwrap() && file.remove().unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"# \xff\xfe\nx='\0'");
    }

    #[test]
    fn what_cannot_stand_in_path_is_refused() {
        use std::os::unix::ffi::OsStrExt;
        let odd: [&[u8]; 7] =
            [b"/a:b", b"/a\nb", b"/\xff", b"relative", b"/\x1b[2J", b"/a\x7f", "/\u{85}\u{2028}".as_bytes()];
        for directory in odd {
            let directory = Path::new(std::ffi::OsStr::from_bytes(directory));
            let failure = check(directory).unwrap_err();
            assert_eq!(failure.kind, Kind::Usage);
            assert_eq!(failure.to_string().lines().count(), 2);
        }
        for directory in ["/it's", "/$HOME/`x`", "/a b/\\n!*[?]", "/-x", "/ö東", "/;&|<>()#~"] {
            check(Path::new(directory)).unwrap();
        }
    }

    #[test]
    fn what_is_no_file_is_refused_and_a_link_to_one_that_is_not_there_yet_is_kept() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        std::fs::create_dir(at(".bashrc")).unwrap();
        let file = files(home.path(), "/bin/bash").remove(0);
        assert_eq!(file.plan(Path::new("/x")).unwrap_err().kind, Kind::Storage);
        assert!(!file.remove().unwrap());
        std::fs::remove_dir(at(".bashrc")).unwrap();
        std::os::unix::fs::symlink("dotfiles/bashrc", at(".bashrc")).unwrap();
        assert_eq!(file.plan(Path::new("/x")).unwrap_err().kind, Kind::Storage);
        assert!(!at("dotfiles").exists());
        std::fs::create_dir(at("dotfiles")).unwrap();
        assert!(file.add(Path::new("/x")).unwrap() && at("dotfiles/bashrc").is_file());
        assert!(file.remove().unwrap() && !at("dotfiles/bashrc").exists());
        assert!(at(".bashrc").is_symlink());
    }

    #[test]
    fn directories_of_start_up_files_are_absolute() {
        let home = tempfile::tempdir().unwrap();
        let variables = [
            ("HOME".into(), home.path().into()),
            ("SHELL".into(), "/usr/bin/zsh".into()),
            ("ZDOTDIR".into(), "somewhere".into()),
            ("XDG_CONFIG_HOME".into(), ".".into()),
        ];
        let files = start_up_files(&Context::new(variables, None, false));
        assert_eq!(files.iter().map(StartUpFile::path).collect::<Vec<_>>(), [home.path().join(".zshrc")]);
    }
}
