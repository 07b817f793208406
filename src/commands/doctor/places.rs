//! Where the config directory lies: in a git work tree, from which it is pushed, or in a folder that is copied to other machines.
//! A work tree that ignores it and has none of it is no finding. What marks a synced folder is a file that its program keeps
//! there, or the name that it gives it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::finding::Seen;
use crate::app::App;
use crate::context::Context;
use crate::failure::Failure;
use crate::store::CredentialStore;
use crate::sys;
use crate::text;

/// How long git may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a program that syncs keeps in the folder that it syncs.
const MARKERS: [(&str, &str); 7] = [
    (".dropbox", "Dropbox"),
    (".dropbox.cache", "Dropbox"),
    (".849C9593-D756-4E56-8D6E-42412F2A707B", "OneDrive"),
    (".stfolder", "Syncthing"),
    (".tmp.drivedownload", "Google Drive"),
    (".nextcloudsync.log", "Nextcloud"),
    (".owncloudsync.log", "ownCloud"),
];

/// What it calls that folder; some add the name of a company.
const NAMES: [(&str, &str); 7] = [
    ("OneDrive", "OneDrive"),
    ("Dropbox", "Dropbox"),
    ("Google Drive", "Google Drive"),
    ("GoogleDrive-", "Google Drive"),
    ("My Drive", "Google Drive"),
    ("Mobile Documents", "iCloud"),
    ("iCloudDrive", "iCloud"),
];

const WHY: &str = "a copy of it has az's access tokens, and whatever an az without azward leaves there; it lasts as long as \
                   the copies do";

/// Looks.
pub(super) fn look<'a>(app: &'a App, store: &'a CredentialStore<'a>, seen: &mut Seen<'a>) {
    let directory = store.config_dir.canonical();
    let shown = text::path(directory);
    if let Some((program, folder)) = directory.ancestors().find_map(|folder| Some((synced_by(folder)?, folder))) {
        let what = format!("the config directory `{shown}` is in `{}`, which {program} copies", text::path(folder));
        let fix = "move it out of there, and name its new place in AZURE_CONFIG_DIR".to_owned();
        seen.find("config-directory-synced", &shown, what, WHY, fix);
    }
    let Some(tree) = directory.ancestors().find(|folder| folder.join(".git").symlink_metadata().is_ok()) else {
        return;
    };
    let git = Git::of(&app.context, tree);
    let tracked = git.as_ref().is_some_and(|git| !git.says(&["ls-files", "--"], directory).is_empty());
    if !tracked && git.as_ref().is_some_and(|git| git.ignores(directory)) {
        return;
    }
    let tree = text::path(tree);
    let (what, fix) = match tracked {
        true => (
            format!("the git repository `{tree}` has files of the config directory `{shown}`"),
            format!("run `git rm -r --cached {shown}` there, take them out of its history, and sign out and in again"),
        ),
        false => (
            format!("the config directory `{shown}` is in the git work tree `{tree}`, which does not ignore it"),
            format!("add it to `{tree}/.git/info/exclude`, or to its .gitignore"),
        ),
    };
    seen.find("config-directory-in-git", &shown, what, WHY, fix);
    if let Some(git) = git.filter(|_| !tracked) {
        seen.mended_by(move || Ok(git.exclude(directory)?));
    }
}

fn synced_by(folder: &Path) -> Option<&'static str> {
    let name = folder.file_name()?.to_string_lossy();
    let by_name = NAMES
        .iter()
        .find(|(known, _)| name == *known || name.starts_with(&format!("{known} - ")))
        .or_else(|| NAMES.iter().find(|(known, _)| known.ends_with('-') && name.starts_with(known)));
    let is_marked = |(marker, _): &&(&str, &str)| folder.join(marker).symlink_metadata().is_ok();
    by_name.or_else(|| MARKERS.iter().find(is_marked)).map(|(_, program)| *program)
}

/// The git that this user has, at work in one tree.
struct Git<'a> {
    program: PathBuf,
    tree: PathBuf,
    context: &'a Context,
}

impl<'a> Git<'a> {
    /// `None` where there is none, or it does not take this for a tree.
    fn of(context: &'a Context, tree: &Path) -> Option<Self> {
        let program = which::which_in("git", context.variable("PATH"), &context.directory).ok()?;
        let git = Self { program, tree: tree.to_owned(), context };
        git.ask(&["rev-parse", "--is-inside-work-tree"], None)?.1.then_some(git)
    }

    fn ask(&self, words: &[&str], path: Option<&Path>) -> Option<(Vec<u8>, bool)> {
        let mut command = Command::new(&self.program);
        command.current_dir(&self.tree).args(words).args(path);
        // What is set for another tree is not meant for this one.
        for (name, _) in self.context.variables().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"GIT_")) {
            command.env_remove(name);
        }
        sys::ask(&mut command, PATIENCE)
    }

    fn says(&self, words: &[&str], path: &Path) -> Vec<u8> {
        self.ask(words, Some(path)).map(|(said, _)| said).unwrap_or_default()
    }

    fn ignores(&self, directory: &Path) -> bool {
        self.ask(&["check-ignore", "-q", "--"], Some(directory)).is_some_and(|(_, does)| does)
    }

    /// Adds the directory to what the tree's owner alone ignores.
    fn exclude(&self, directory: &Path) -> crate::failure::Result<()> {
        let said =
            self.ask(&["rev-parse", "--git-path", "info/exclude"], None).map(|(said, _)| said).unwrap_or_default();
        let exclude = self.tree.join(sys::path_from_bytes(said.trim_ascii_end()));
        let failed = |error: std::io::Error| Failure::storage("write", &exclude, &error);
        if let Some(parent) = exclude.parent() {
            std::fs::create_dir_all(parent).map_err(failed)?;
        }
        let below = directory.strip_prefix(&self.tree).unwrap_or(directory);
        let before = std::fs::read(&exclude).unwrap_or_default();
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&exclude).map_err(failed)?;
        let start = if before.is_empty() || before.ends_with(b"\n") { "" } else { "\n" };
        writeln!(file, "{start}/{}/", escaped(&below.to_string_lossy())).map_err(failed)
    }
}

/// A path as gitignore(5) takes it for itself.
fn escaped(path: &str) -> String {
    path.chars().fold(String::new(), |mut escaped, character| {
        if matches!(character, '\\' | '*' | '?' | '[' | ' ' | '#' | '!') {
            escaped.push('\\');
        }
        escaped.push(character);
        escaped
    })
}
