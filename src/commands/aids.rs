//! What helps a person at the shell: completions and manual pages, where shells and `man` look for them. What is in the azward home
//! (the pages, which `man` finds beside the `bin` on PATH, and zsh's) is written and removed with it. What bash and fish
//! look for is in the user's own directories: a file there that azward did not write is left as it is, and so is a link, and told.
//! Without any of it azward works all the same: what cannot be written is a failure once all else is done.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Command;

use super::completions::Shell;
use super::install::StartUp;
use super::man::{self, Page};
use crate::context::Context;
use crate::failure::Failure;
use crate::private;
use crate::sys;
use crate::text;
use crate::ui::Ui;
use crate::user_file::{self, Readers};

/// Stands in the first line of each file but zsh's, where that one has another meaning, and in the second.
const MARK: &str = "put here by azward install, removed by azward uninstall";

/// The directory of zsh's completions under an azward home.
pub(super) const ZSH: &str = "zsh";

/// The directory of the manual pages under an azward home.
pub(super) const MAN: &str = "man";

/// Completions and pages of one version of azward.
#[derive(Debug)]
pub struct Aids {
    /// For bash, zsh and fish.
    pub(super) bash: String,
    pub(super) zsh: String,
    pub(super) fish: String,
    /// Of azward and of each subcommand.
    pub(super) pages: Vec<Page>,
}

impl Aids {
    /// Those of the command that `definition` defines.
    ///
    /// # Errors
    /// None today.
    pub fn of(definition: Command) -> Result<Self> {
        let marked = |shell: Shell| shell.script().map(|script| format!("# azward: {MARK}\n{script}"));
        let zsh = Shell::Zsh.script()?;
        // Its first line tells zsh what it completes.
        let (first, rest) = zsh.split_once('\n').unwrap_or((&zsh, ""));
        let zsh = format!("{first}\n# azward: {MARK}\n{rest}");
        let pages = man::pages(definition)?.into_iter().map(|(name, page)| (name, format!(".\\\" {MARK}\n{page}")));
        Ok(Self { bash: marked(Shell::Bash)?, zsh, fish: marked(Shell::Fish)?, pages: pages.collect() })
    }

    /// Writes it all, and says what it did; what is in the user's own directories only where start-up
    /// files are edited. What somebody else has in
    /// such a place is left, and told.
    ///
    /// # Errors
    /// `Storage`, after everything else was written.
    pub(super) fn put(&self, context: &Context, ui: &Ui, start_up: StartUp) -> Result<()> {
        let in_home = self.put_in_home(&context.azward_home, ui);
        match start_up {
            StartUp::Edit => in_home.and(self.put_for_shells(context, ui)),
            StartUp::LeaveAlone => in_home,
        }
    }

    /// What is in the azward home. What is cut short is written by the next install.
    fn put_in_home(&self, azward_home: &Path, ui: &Ui) -> Result<()> {
        let man = azward_home.join(MAN).join("man1");
        let pages = self.pages.iter().map(|(name, page)| (man.join(name), page));
        let all = pages.chain([(azward_home.join(ZSH).join("_azward"), &self.zsh)]);
        let has = |path: &Path, text: &str| private::read(path).is_ok_and(|old| old == text.as_bytes());
        let missing: Vec<_> = all.filter(|(path, text)| !has(path, text)).collect();
        for (path, text) in &missing {
            private::note(path, text.as_bytes());
        }
        if let Some((path, _)) = missing.iter().find(|(path, text)| !has(path, text)) {
            bail!(Failure::refused(format!("cannot write `{}`", text::path(path)), std::io::ErrorKind::Other));
        }
        ui.say(match missing.is_empty() {
            true => format!("already there: `{}`", text::path(&man)),
            false => format!("wrote the manual to `{}`", text::path(&man)),
        });
        Ok(())
    }

    /// What is in the user's own directories, for the shells that this user has.
    fn put_for_shells(&self, context: &Context, ui: &Ui) -> Result<()> {
        let mut outcome = Ok(());
        for place in Place::all(context).into_iter().filter(|place| place.is_used) {
            let script = if place.is_bash { &self.bash } else { &self.fish };
            let shown = text::path(&place.path);
            if place.is_others(&context.home) {
                ui.say(format!("left `{shown}`: it is not azward's"));
                continue;
            }
            match place.put(script, &context.home) {
                Ok(true) => ui.say(format!("wrote completions to `{shown}`")),
                Ok(false) => ui.say(format!("already there: `{shown}`")),
                Err(failure) => outcome = outcome.and(Err(failure.into())),
            }
        }
        outcome
    }
}

/// Whether a file is one that azward wrote, whichever version.
pub(super) fn is_ours(bytes: &[u8]) -> bool {
    String::from_utf8_lossy(bytes).lines().take(2).any(|line| line.ends_with(MARK))
}

/// Removes what is in the user's own directories, and says what it did.
pub(super) fn remove_for_shells(context: &Context, ui: &Ui) {
    for place in Place::all(context).into_iter().filter(|place| !place.is_others(&context.home)) {
        let shown = text::path(&place.path);
        match place.remove() {
            Ok(true) => ui.say(format!("removed `{shown}`")),
            Ok(false) => {}
            Err(error) => ui.say(format!("left `{shown}`: {error}")),
        }
    }
}

/// A file in a directory of the user's where a shell looks for completions.
struct Place {
    path: PathBuf,
    is_bash: bool,
    /// Whether this user has the shell.
    is_used: bool,
}

impl Place {
    fn all(context: &Context) -> [Self; 2] {
        let home = &context.home;
        let shell = context.variable("SHELL").map(Path::new).and_then(Path::file_name).unwrap_or_default();
        // A relative one would be another directory for every shell that starts elsewhere.
        let named = |name, or: &str| {
            let named = context.variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
            named.unwrap_or_else(|| home.join(or))
        };
        let bash = named("XDG_DATA_HOME", ".local/share").join("bash-completion/completions/azward");
        let fish = named("XDG_CONFIG_HOME", ".config").join("fish");
        let has_bash = shell == "bash" || home.join(".bashrc").exists();
        let has_fish = shell == "fish" || fish.exists();
        [
            Self { path: bash, is_bash: true, is_used: has_bash },
            Self { path: fish.join("completions/azward.fish"), is_bash: false, is_used: has_fish },
        ]
    }

    /// Whether what is there is not azward's, or cannot be told to be: a link, in it or on the way, is somebody's choice.
    fn is_others(&self, home: &Path) -> bool {
        let is_below = |path: &&Path| path.starts_with(home) && *path != home;
        let is_led_away = self.path.ancestors().filter(is_below).any(user_file::is_foreign_link);
        self.path.is_symlink()
            || is_led_away
            || match std::fs::read(&self.path) {
                Ok(bytes) => !is_ours(&bytes),
                Err(error) => error.kind() != std::io::ErrorKind::NotFound,
            }
    }

    /// Writes it, and says whether it was not there so.
    fn put(&self, script: &str, home: &Path) -> std::result::Result<bool, Failure> {
        if std::fs::read(&self.path).is_ok_and(|old| old == script.as_bytes()) {
            return Ok(false);
        }
        let failed = |error: std::io::Error| Failure::storage("write", &self.path, &error);
        user_file::make_dir(self.path.parent().unwrap_or(home)).map_err(failed)?;
        let draft = self.draft();
        let written = user_file::write_draft(&draft, &self.path, script.as_bytes(), Readers::AsBefore);
        written.map(drop).and_then(|()| sys::rename_over(&draft, &self.path)).map_err(|error| {
            let _ = std::fs::remove_file(&draft);
            failed(error)
        })?;
        Ok(true)
    }

    /// Removes it, and the directories that are for nothing else and empty by now. Says whether it was there.
    fn remove(&self) -> std::io::Result<bool> {
        // Left by an install that was killed.
        let is_left = std::fs::remove_file(self.draft()).is_ok();
        let is_there = match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
            removed => removed.map(|()| true)?,
        };
        if is_left || is_there {
            let above = self.path.ancestors().skip(1).take(if self.is_bash { 2 } else { 1 });
            let _ = above.map(std::fs::remove_dir).take_while(std::io::Result::is_ok).count();
        }
        Ok(is_there)
    }

    fn draft(&self) -> PathBuf {
        self.path.with_extension("azward-new")
    }
}
