//! Whether whoever starts az starts the shim: this process's surroundings, a new terminal and a login of each shell that the
//! user has, and the programs of the desktop; and if not, which directory wins.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use super::finding::Seen;
use super::shells::{Start, path_in, path_of_the_session};
use crate::app::App;
use crate::azure::real_az::{self, DIVERTED};
use crate::commands::install::shim_directory;
use crate::commands::start_up_files::start_up_files;
use crate::commands::status::OnPath;
use crate::context::Context;
use crate::text;

const WHY: &str = "an az that is not the shim leaves refresh tokens in the clear, and finds none where azward has them";

/// Looks.
pub(super) fn look<'a>(app: &'a App, seen: &mut Seen<'a>) {
    let context = &app.context;
    let directory = shim_directory(&context.azward_home);
    let is_installed = real_az::is_shim(context, &directory.join("az"));
    if !is_installed && !matches!(OnPath::of(app), OnPath::Shim(_)) {
        let what = format!("there is no shim in `{}`, and none on PATH", text::path(&directory));
        seen.find("shim-missing", "", what, WHY, "run install/install.sh, or `azward install`".to_owned());
        return;
    }
    let put_first = format!("put `{}` first on PATH there", text::path(&directory));
    if let Some(winner) = winner(context, context.variable("PATH").unwrap_or_default()) {
        let what = format!("here, in the environment of this command, {winner}");
        let fix = "open a new terminal; if it is still so, the findings on its shell say more".to_owned();
        seen.find("shim-not-first", "here", what, WHY, fix);
    }
    let session = path_of_the_session(context);
    if let Some(winner) = session.as_deref().and_then(|path| winner(context, path)) {
        let what = format!("for programs that the desktop starts {winner}");
        let line = format!("PATH={}:$PATH", text::path(&directory));
        let fix = format!("write the line `{line}` into ~/.config/environment.d/60-azward.conf, and log in anew");
        seen.find("shim-not-first", "desktop", what, WHY, fix);
    }
    let bare = without_shims(context);
    for shell in shells(context) {
        let Ok(program) = which::which_in(shell, context.variable("PATH"), &context.directory) else { continue };
        let login = path_in(context, &program, Start::Login, &bare);
        // A window's shell begins with what the session has, or the login.
        let before = session.as_ref().or(login.as_ref()).unwrap_or(&bare);
        let window = path_in(context, &program, Start::Interactive, before);
        for (name, path) in [(shell.to_owned(), window), (format!("{shell} -l"), login)] {
            let Some(path) = path else {
                seen.could_not(format!("`{name}`: it did not start by itself"));
                continue;
            };
            let Some(winner) = winner(context, &path) else { continue };
            let what = format!("in a new `{name}` {winner}");
            seen.find("shim-not-first", &name, what, WHY, put_first.clone());
            if is_installed {
                let directory = directory.clone();
                seen.mended_by(move || {
                    for file in start_up_files(context).iter().filter(|file| file.shell() == shell) {
                        file.plan(&directory)?.make()?;
                    }
                    Ok(())
                });
            }
        }
    }
}

/// Which az is found on a PATH that does not lead to the shim, in words.
fn winner(context: &Context, path: &OsStr) -> Option<String> {
    match which::which_in("az", Some(path), &context.directory) {
        Ok(found) if real_az::is_shim(context, &found) => None,
        Ok(found) => Some(format!("`{}` comes before the shim", text::path(&found))),
        Err(_) => Some("PATH has no az, and no shim".to_owned()),
    }
}

/// The shells that the user has.
fn shells(context: &Context) -> Vec<&'static str> {
    let mut shells: Vec<_> = start_up_files(context).iter().map(|file| file.shell()).collect();
    shells.dedup();
    shells
}

/// This process's PATH as it would be if no start-up file had put the shim there.
fn without_shims(context: &Context) -> OsString {
    let has_shim =
        |directory: &PathBuf| real_az::is_shim(context, &directory.join("az")) && !directory.join(DIVERTED).exists();
    let path = context.variable("PATH").unwrap_or_default();
    let directories = std::env::split_paths(path).filter(|directory| !has_shim(directory));
    std::env::join_paths(directories).unwrap_or_default()
}
