//! Leapp, a program that manages Azure logins too, by way of the same token cache.

use super::finding::Seen;
use crate::app::App;
use crate::sys;
use crate::text;

const WHY: &str =
    "each writes into the token cache without what it does not know: the other's login is gone from there";

/// Looks.
pub(super) fn look(app: &App, seen: &mut Seen<'_>) {
    let home = app.context.home.join(".Leapp");
    let fix = format!("stop its Azure sessions, quit it, and move `{}` away", text::path(&home));
    if sys::is_running("leapp", &app.context.home) {
        seen.find("leapp", "running", "Leapp is running beside azward".to_owned(), WHY, fix);
    } else if home.is_dir() {
        let what = format!("Leapp has been used here: there is `{}`", text::path(&home));
        seen.find("leapp", "installed", what, WHY, fix);
    }
}
