//! Long-lived secrets in the clear anywhere in the config directory, as `azward status` finds them. azward takes what az keeps in
//! its token cache and its list of service principals into the vault, and what an az before 2.30 has left; every other file is its
//! owner's to remove.

use super::finding::Seen;
use crate::app::App;
use crate::commands::clear::Clear;
use crate::store::CredentialStore;
use crate::text;

const WHY: &str = "whoever gets a copy of the directory (a backup, a synced folder, a stealer) can use it, for weeks";

/// Looks.
pub(super) fn look<'a>(app: &'a App, store: &'a CredentialStore<'a>, seen: &mut Seen<'a>) {
    let clear = Clear::of(&app.context, store);
    for (path, words, is_kept_clear) in clear.unneeded() {
        let shown = text::path(path);
        let fix = match is_kept_clear {
            true => "run `azward scrub`, which takes it into the vault".to_owned(),
            // A list that azward does not understand, or the path of a certificate.
            false if path.ends_with("service_principal_entries.json") => {
                "`azward vault seal-certificate` takes in the file of a certificate; for what azward does not understand prefer a \
                 managed identity or workload identity, or sign out after use"
                    .to_owned()
            }
            false if path.ends_with("accessTokens.json") => {
                format!("run `azward scrub`: where it knows the az it takes that into the vault; or remove `{shown}`")
            }
            false => format!("remove `{shown}` if you do not need it: az does not"),
        };
        seen.find("secret-in-the-clear", &shown, format!("in the clear in `{shown}`: {words}"), WHY, fix);
        if is_kept_clear {
            seen.mended_by(move || Ok(store.sweep()?));
        }
    }
    if let Some(count) = store.short_lived_in_the_clear().filter(|_| !store.seals_all()) {
        seen.suggest(format!(
            "{count} access and ID token(s) lie in the token cache until they expire, in an hour or a day: `azward config set seal \
             all-tokens` seals them as well"
        ));
    }
    if clear.has_leftover() {
        let what = "a killed process left a file with tokens beside the token cache".to_owned();
        seen.find("secret-in-the-clear", "leftover", what, WHY, "run `azward scrub`".to_owned());
        seen.mended_by(move || Ok(store.sweep()?));
    }
    if let Some(failure) = clear.trouble() {
        let why = "az and azward read no login in it";
        seen.find("token-cache-foreign", "", failure.what.clone(), why, failure.hint.clone());
    }
    if let Some(failure) = clear.principals_trouble() {
        let why = "az and azward read no service principal in it, and what it has in the clear stays there";
        seen.find("service-principals-foreign", "", failure.what.clone(), why, failure.hint.clone());
    }
}
