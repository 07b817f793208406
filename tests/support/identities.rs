//! The tokens of managed identities that azward keeps for a box, made older than they are.

use azward::app::App;
use azward::azure::ConfigDir;
use azward::context::Context;
use azward::helper::{self, Helper};
use azward::home::Care;
use azward::vault::{Beside, Vault};

use super::sandbox::Sandbox;

/// Leaves every token that is kept so many seconds of so many.
pub(crate) fn age(sandbox: &Sandbox, seconds_left: i64, lifetime: i64) {
    let context = Context::new(sandbox.environment(), None).helped_by(Helper::Here(helper::here));
    let app = App::new(context, Care::Look);
    let config_dir = ConfigDir::of(&app.context);
    let vault = Vault::of(&app.context, &app.settings, &config_dir);
    let text = vault.open_beside(Beside::ManagedIdentities, &config_dir).expect("something is kept");
    let mut kept: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    for token in kept["tokens"].as_array_mut().expect("there are tokens") {
        token["expires_on"] = (app.context.now() + seconds_left).into();
        token["cached_at"] = (app.context.now() + seconds_left - lifetime).into();
    }
    vault.seal_beside(Beside::ManagedIdentities, &config_dir, &kept.to_string()).expect("it can be written");
}
