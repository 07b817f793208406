//! `azward completions`: the script that has a shell complete `azward`'s command line. It asks `azward` itself at every Tab, with
//! [`VARIABLE`] set, so what it offers is what this version has, names of yours included; a question that makes no sense has
//! no answer, and the shell offers nothing.

use std::ffi::OsString;
use std::path::Path;

use anyhow::{Context as _, Result};
use clap::{Command, ValueEnum};
use clap_complete::env::{Bash, EnvCompleter, Fish, Powershell, Zsh};

use crate::context::Context;
use crate::ui::Ui;

/// Names the shell that asks what may stand next.
pub const VARIABLE: &str = "AZWARD_COMPLETE";

/// The command that is completed, and that is asked, by whatever PATH has.
const NAME: &str = "azward";

/// A shell that can be told what may stand next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// bash, with or without the package bash-completion.
    Bash,
    /// zsh.
    Zsh,
    /// fish.
    Fish,
    /// PowerShell.
    Powershell,
}

impl Shell {
    fn completer(self) -> &'static dyn EnvCompleter {
        match self {
            Self::Bash => &Bash,
            Self::Zsh => &Zsh,
            Self::Fish => &Fish,
            Self::Powershell => &Powershell,
        }
    }

    /// The script, which a start-up file may read, or the shell finds by its name.
    ///
    /// # Errors
    /// None today.
    pub fn script(self) -> Result<String> {
        let mut script = Vec::new();
        self.completer().write_registration(VARIABLE, NAME, NAME, NAME, &mut script)?;
        let mut script = String::from_utf8(script)?.trim().to_owned() + "\n";
        if self == Self::Zsh {
            // Read for the first time at a Tab, it is to answer that one too.
            script += "\n[[ $funcstack[1] = _azward ]] && _clap_dynamic_completer_azward \"$@\"\n";
        }
        Ok(script)
    }
}

/// Prints the script.
///
/// # Errors
/// None today.
pub fn completions(ui: &Ui, shell: Shell) -> Result<()> {
    ui.text(&shell.script()?);
    Ok(())
}

/// Whether a shell asks this process what may stand next.
#[must_use]
pub fn are_asked_for(context: &Context) -> bool {
    context.variable(VARIABLE).is_some()
}

/// Answers it, of the command that `definition` defines: `arguments` are those of this process, with the line behind a `--`.
///
/// # Errors
/// Where the shell is not known, or the line makes no sense.
pub fn answer(context: &Context, ui: &Ui, definition: Command, arguments: Vec<OsString>) -> Result<()> {
    let name = context.variable(VARIABLE).unwrap_or_default();
    let shell = Shell::from_str(&name.to_string_lossy(), false).ok().context("that shell is not known")?;
    let line = arguments.into_iter().skip_while(|word| word != "--").skip(1).collect();
    let mut candidates = Vec::new();
    let mut definition = definition;
    let directory = Some(context.directory.as_path()).filter(|path| *path != Path::new(""));
    shell.completer().write_complete(&mut definition, line, directory, &mut candidates)?;
    ui.text(&String::from_utf8_lossy(&candidates));
    Ok(())
}
