//! The real az behind the shim: whether there is one, whether azward knows what it does, and whether it is the only one.

use super::finding::Seen;
use crate::app::App;
use crate::azure::known_az::Standing;
use crate::azure::real_az::all_on_path;
use crate::azure::version::Version;
use crate::commands::status::RealAz;
use crate::text;

/// Looks.
pub(super) fn look(app: &App, seen: &mut Seen<'_>) {
    let Some(az) = RealAz::of(app) else {
        let fix = "install the Azure CLI, or name it in AZWARD_REAL_AZ".to_owned();
        let why = "azward stands in for an az that does the work: without one every command fails with exit code 127";
        return seen.find("real-az-missing", "", "there is no real az behind the shim".to_owned(), why, fix);
    };
    let path = text::path(&az.path);
    match az.version {
        Some(version) if !Version::keeps_an_msal_cache(version) => {
            let what = format!("`{path}` is version {version}, which is too old: azward answers for 2.30 and later");
            let why = "its logins are sealed, but each token that it is asked for starts Python, and sessions need a later one";
            seen.find("real-az-too-old", &path, what, why, "upgrade the Azure CLI, then sign in again".to_owned());
        }
        Some(_) => {}
        None => {
            let what =
                format!("`{path}` is not an az whose version can be told: a script around one, or a container's");
            let why = "what is behind it can change without a trace, so azward answers for it a day at a time, and the \
                       refresh tokens have to be in a place that it reaches";
            let fix =
                "name the az itself in AZWARD_REAL_AZ, or put its directory before on PATH; or leave it so".to_owned();
            seen.find("real-az-unknown", &path, what, why, fix);
        }
    }
    if az.answers.0 == Standing::Disagreed {
        let what = format!("`{path}` was found to print something else of a token than azward would");
        let why = "nothing is answered in its place: every token starts Python, which takes a second";
        seen.find("real-az-disagrees", &path, what, why, "report this, with its version".to_owned());
    }
    let all = all_on_path(&app.context);
    if let [first, others @ ..] = &*all
        && !others.is_empty()
    {
        let others: Vec<String> = others.iter().map(|other| format!("`{}`", text::path(other))).collect();
        let what = format!("PATH has another real az than `{}`: {}", text::path(first), others.join(", "));
        let why = "programs with a PATH of their own use the other one, with another version, and an upgrade of the \
                   one is none of the other";
        seen.find("real-az-twice", &path, what, why, "remove all but one of them".to_owned());
    }
}
