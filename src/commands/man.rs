//! `azward man`: the manual pages, made of what the command line is made of: one of `azward`, and one of each subcommand.

use std::path::Path;

use anyhow::{Result, bail};
use clap::Command;
use clap_mangen::Man;

use crate::failure::{Failure, Kind};
use crate::text;
use crate::ui::Ui;

/// A manual page: its file's name, and its text.
pub type Page = (String, String);

/// The pages of `definition` and of every subcommand that is shown.
///
/// # Errors
/// None today.
pub fn pages(definition: Command) -> Result<Vec<Page>> {
    let mut definition = definition.disable_help_subcommand(true);
    definition.build();
    let mut pages = Vec::new();
    add(&definition, &mut pages)?;
    Ok(pages)
}

fn add(command: &Command, pages: &mut Vec<Page>) -> Result<()> {
    let man = Man::new(command.clone()).manual("azward");
    let mut page = Vec::new();
    man.render(&mut page)?;
    pages.push((man.get_filename(), String::from_utf8(page)?));
    command.get_subcommands().filter(|below| !below.is_hide_set()).try_for_each(|below| add(below, pages))
}

/// Prints the page of the subcommand of these words; of `azward` where there are none.
///
/// # Errors
/// `Usage` where there is no such subcommand.
pub fn man(ui: &Ui, definition: Command, words: &[String]) -> Result<()> {
    let name = std::iter::once("azward").chain(words.iter().map(String::as_str)).collect::<Vec<_>>().join("-") + ".1";
    let Some((_, page)) = pages(definition)?.into_iter().find(|(other, _)| *other == name) else {
        let what = format!("there is no subcommand `{}`", text::name(&words.join(" ")));
        bail!(Failure::new(Kind::Usage, what, "`azward help` lists them"));
    };
    ui.text(&page);
    Ok(())
}

/// Writes every page to `directory`, for whoever makes a package.
///
/// # Errors
/// `Storage`.
pub fn write(definition: Command, directory: &Path) -> Result<()> {
    for (name, page) in pages(definition)? {
        let path = directory.join(name);
        std::fs::write(&path, page).map_err(|error| Failure::storage("write", &path, &error))?;
    }
    Ok(())
}
