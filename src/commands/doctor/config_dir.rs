//! Who owns the config directory and az's credential files in it, and what others may do with them. az makes the directory
//! itself as the umask has it, so that others may look into it; nobody else may write there, or read a credential file.

use std::path::{Path, PathBuf};

use super::finding::Seen;
use crate::app::App;
use crate::credentials::CredentialFile;
use crate::marker;
use crate::store::CredentialStore;
use crate::sys;
use crate::text;

/// The files that can have credentials in them, of every az since 2.0.
const CREDENTIAL_FILES: [&str; 4] =
    ["msal_token_cache.json", "msal_http_cache.bin", "service_principal_entries.json", "accessTokens.json"];

const OTHERS: u32 = 0o077;
const OTHERS_WRITE: u32 = 0o022;

/// Looks.
pub(super) fn look<'a>(app: &'a App, store: &'a CredentialStore<'a>, seen: &mut Seen<'a>) {
    let directory = store.directory();
    let Ok(metadata) = directory.metadata() else { return };
    let shown = text::path(directory);
    if !marker::is_our_user(&metadata, &app.context.home) {
        let what = format!("the config directory `{shown}` belongs to another user");
        let why = "its owner can read what az writes there, and put there what az believes";
        let fix = "have it given to you (chown), or name a directory of your own in AZURE_CONFIG_DIR".to_owned();
        seen.find("config-directory-of-another", &shown, what, why, fix);
    } else if sys::mode_of(&metadata) & OTHERS_WRITE != 0 {
        let what = format!("other users can write the config directory `{shown}`");
        let why = "they can put a token cache, a profile or an extension there that az believes";
        seen.find("config-directory-open", &shown, what, why, "set its mode to 0700".to_owned());
        seen.mended_by(move || Ok(without(directory, OTHERS)?));
    }
    let names = CREDENTIAL_FILES.iter().map(|name| directory.join(name));
    let files = names.chain([store.cache.path().to_owned()]).collect::<std::collections::BTreeSet<PathBuf>>();
    for file in files {
        let Ok(metadata) = file.metadata() else { continue };
        let shown = text::path(&file);
        if !marker::is_our_user(&metadata, &app.context.home) {
            let what = format!("`{shown}` belongs to another user");
            let why = "its owner can read what az writes there";
            let fix = "have it given to you (chown), or move it aside: az makes another".to_owned();
            seen.find("credential-file-of-another", &shown, what, why, fix);
        } else if metadata.is_file() && sys::mode_of(&metadata) & OTHERS != 0 {
            let what = format!("other users can read or write `{shown}`");
            let why = "az keeps tokens there";
            seen.find("credential-file-open", &shown, what, why, "set its mode to 0600".to_owned());
            seen.mended_by(move || Ok(without(&file, OTHERS)?));
        }
    }
}

/// Takes these permissions away.
fn without(path: &Path, permissions: u32) -> crate::failure::Result<()> {
    let mode = path.metadata().map(|metadata| sys::mode_of(&metadata) & !permissions);
    let failed = |error: std::io::Error| crate::failure::Failure::storage("close", path, &error);
    sys::set_mode(path, mode.map_err(failed)?).map_err(failed)
}
