//! The azward home: whether it is believed, closed to others, and its settings understood; and who was refused for want of
//! anybody to ask.

use super::finding::Seen;
use crate::app::App;
use crate::consent::known::{self, Verdict};
use crate::home::{self, Care};
use crate::settings::ConfirmChoice;
use crate::sys;
use crate::text;

const WHY: &str = "who can read it has the sealed vaults, and the key file where there is one; who can write it, more";

/// Looks.
pub(super) fn look<'a>(app: &'a App, seen: &mut Seen<'a>) {
    let context = &app.context;
    let path = text::path(&context.azward_home);
    if let Some(failure) = &app.home_failure {
        let is_settled = home::examine(context, Care::Look).is_ok();
        if is_settled {
            return seen.could_not(format!("what is in `{path}`: run this again"));
        }
        let why = "az runs as if azward were not there, without the logins that azward has";
        seen.find("home-not-believed", &path, failure.what.clone(), why, failure.hint.clone());
        let is_ours = context.azward_home.metadata().is_ok_and(|home| sys::owner_id(&home) == sys::user_id());
        if is_ours {
            seen.mended_by(move || Ok(home::examine(context, Care::Mend)?));
        }
        return;
    }
    if home::is_open(context) {
        let what = format!("other users can look into the azward home `{path}`");
        seen.find("home-open", &path, what, WHY, "set its mode to 0700".to_owned());
        seen.mended_by(move || Ok(home::examine(context, Care::Mend)?));
    }
    for (file, allowed) in home::open_files(context) {
        let path = text::path(&file);
        let what = format!("other users can read or write `{path}`");
        seen.find("home-open", &path, what, WHY, format!("set its mode to {allowed:04o}"));
        seen.mended_by(move || {
            home::close_files(context);
            Ok(())
        });
    }
    if app.settings.confirm.value == ConfirmChoice::NewCaller {
        let callers = known::read(context).map(|callers| callers.callers).unwrap_or_default();
        for known in callers.iter().filter(|known| known.verdict == Verdict::NotAsked) {
            let program = known.program();
            let what = format!("{program} wanted to use the Azure login, and there was nobody to ask");
            let why = "it is refused each time, as long as it runs where there is neither a terminal nor a desktop";
            let words = program.words();
            let fix = format!("`azward callers allow {words}`, or `forget` in the place of `allow`");
            seen.find("caller-not-asked", &words, what, why, fix);
        }
    }
    if let Some(failure) = &app.settings_failure {
        let why = "the defaults hold, whatever the file says";
        seen.find("settings-not-understood", "", failure.what.clone(), why, failure.hint.clone());
    }
}
