//! What `azward status --json` says, in the schema that `docs/json.md` tells: names are added to it, and none is taken away or
//! given another meaning while `schema` stays what it is.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::app::App;
use crate::azure::ConfigDir;
use crate::azure::known_az::Standing;
use crate::commands::list::owner_name;
use crate::failure::{Failure, Kind};
use crate::journal::Event;
use crate::run::exposure::policy::Plan;
use crate::settings::{Choice as _, Provenance};
use crate::store::CredentialStore;
use crate::text;
use crate::vault::{KeyStoreKind, VaultState};

use super::identity::Identity;
use super::report::{OnPath, RealAz, Report};

/// The schema's number.
const SCHEMA: u32 = 1;

/// What there is where the azward home is not believed, because of `failure`.
pub(super) fn alone(app: &App, config_dir: &ConfigDir, failure: &Failure) -> Value {
    json!({
        "schema": SCHEMA,
        "verdict": "trouble",
        "troubles": [trouble(failure)],
        "azward_home": text::path(&app.context.azward_home),
        "config_directory": text::path(config_dir.path()),
        "real_az": RealAz::of(app).as_ref().map(real_az),
    })
}

/// Everything.
pub(super) fn all(app: &App, store: &CredentialStore<'_>, report: &Report) -> Value {
    let troubles = report.troubles(app);
    let [own, others] = report.exposures.each_ref().map(exposure);
    json!({
        "schema": SCHEMA,
        "verdict": verdict(&troubles),
        "troubles": troubles.iter().map(trouble).collect::<Vec<_>>(),
        "azward_home": text::path(&app.context.azward_home),
        "config_directory": text::path(store.directory()),
        "view_of": report.view_of.as_deref().map(text::path),
        "real_az": report.real_az.as_ref().map(real_az),
        "shim": shim(&report.shim),
        "exposure": { "own_commands": own, "others": others },
        "renewal": text::line(&report.renewal),
        "managed_identity": report.identity.as_ref().map(Identity::as_json),
        "seal": app.settings.seal.value.word(),
        "tokens_are": if report.storage.is_file() { "in-the-file" } else { "in-the-keyring-of-az" },
        "brokered": report.brokered.iter().map(|user| text::name(user)).collect::<Vec<_>>(),
        "vault": vault(&report.vault),
        "other_vaults": paths(&report.vault.elsewhere),
        "set_aside": paths(&report.vault.set_aside),
        "in_the_clear": report.clear.as_json(),
        "not_looked_at": report.clear.unseen_as_json(),
        "warnings": report.warnings.iter().map(warning).collect::<Vec<_>>(),
    })
}

fn verdict(troubles: &[Failure]) -> &'static str {
    match troubles {
        [] => "good",
        [first, ..] if first.kind == Kind::SignInNeeded => "sign-in-needed",
        _ => "trouble",
    }
}

fn trouble(failure: &Failure) -> Value {
    json!({ "what": text::line(&failure.what), "hint": text::line(&failure.hint) })
}

fn real_az(az: &RealAz) -> Value {
    json!({
        "path": text::path(&az.path),
        "version": az.version.map(|version| version.to_string()),
        "named_by": match az.named_by {
            Some(Provenance::File) => Some("settings"),
            Some(Provenance::Environment(name)) => Some(name),
            Some(Provenance::Default) | None => None,
        },
        "answered_for": match az.answers.0 {
            Standing::Agreed => "yes",
            Standing::Disagreed => "no",
            Standing::Untried => "not-yet",
        },
    })
}

fn shim(shim: &OnPath) -> Value {
    let (is_first, first): (bool, Option<&Path>) = match shim {
        OnPath::Shim(path) => (true, Some(path)),
        OnPath::Other(path) => (false, Some(path)),
        OnPath::Nothing => (false, None),
    };
    json!({ "is_first": is_first, "first_on_path": first.map(text::path) })
}

fn exposure(plan: &Plan) -> Value {
    let (kind, why) = match plan {
        Plan::Private => ("private", None),
        Plan::Memory => ("memory", None),
        Plan::InPlace(reason) => ("in-place", Some(text::line(reason))),
        Plan::Nothing => ("none", None),
    };
    json!({ "kind": kind, "why": why })
}

fn vault(state: &VaultState) -> Option<Value> {
    let logins = state.contents.iter().flat_map(|contents| {
        contents.records.iter().map(|kept| {
            json!({ "account": owner_name(contents, kept), "stored_at": kept.stored_at,
                    "stored_by": text::name(&kept.stored_by) })
        })
    });
    state.exists.then(|| {
        json!({
            "path": text::path(&state.path),
            "opens": state.contents.is_some(),
            "generation": state.generation,
            "key_store": state.key_store.map(KeyStoreKind::word),
            "key": state.key,
            "logins": logins.collect::<Vec<_>>(),
        })
    })
}

fn warning(event: &Event) -> Value {
    json!({ "time": event.time, "what": event.outcome, "hint": event.hint })
}

fn paths(paths: &[PathBuf]) -> Vec<String> {
    paths.iter().map(|path| text::path(path)).collect()
}
