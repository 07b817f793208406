//! The token endpoint of the active cloud, spoken to as az would: over its proxy, its trust, its route; and this machine's clock
//! beside the endpoint's. Only what anybody may read is asked for.

use std::time::Duration;

use super::finding::Seen;
use crate::app::App;
use crate::azure::clouds::Cloud;
use crate::commands::status::RealAz;
use crate::store::CredentialStore;
use crate::tokens::entra::{Client, Manner, Reason, TokenError};

/// How long the endpoint may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// By how many seconds the two clocks may differ: what Entra ID itself grants an assertion.
const TOLERANCE: i64 = 300;

/// Looks.
pub(super) fn look(app: &App, store: &CredentialStore<'_>, seen: &mut Seen<'_>) {
    // Without an az there is nothing to do as it does.
    let Some(az) = RealAz::of(app) else { return };
    let Some(cloud) = Cloud::active(&app.context, store.config_dir) else {
        return seen.could_not("the token endpoint: the active cloud is not one that azward understands");
    };
    let endpoint = &cloud.active_directory;
    let shown = endpoint.to_string();
    let manner = Manner::of(&app.context, &az.path, endpoint);
    let greeted = manner.and_then(|manner| Client::of(&app.context, &manner, PATIENCE).greet(endpoint));
    match greeted {
        Ok(Some(theirs)) => {
            let ahead = app.context.now() - theirs;
            if ahead.abs() > TOLERANCE {
                let word = if ahead > 0 { "ahead of" } else { "behind" };
                let minutes = ahead.abs() / 60;
                let what = format!("this machine's clock is {minutes} minutes {word} that of `{shown}`");
                let why = "tokens seem to have expired, or seem good when they no longer are, and services refuse them";
                let fix = "set the clock, and have it kept (`timedatectl set-ntp true`)".to_owned();
                seen.find("clock-off", &shown, what, why, fix);
            }
        }
        Ok(None) => seen.could_not(format!("the clock: `{shown}` does not say what time it is")),
        Err(TokenError { what, reason: Reason::LeftToAz, .. }) => {
            let what = format!("only the real az can speak to `{shown}`: {what}");
            let why = "each renewal starts Python and takes seconds";
            let fix = "see the README on proxies and certificates; az itself works as it is".to_owned();
            seen.find("endpoint-by-az-only", &shown, what, why, fix);
        }
        Err(TokenError { what, .. }) => {
            let why = "no token is renewed: those that there are serve until they expire";
            let fix = "see whether this machine is on the network, and whether HTTPS_PROXY and NO_PROXY are what they \
                       should be here"
                .to_owned();
            seen.find("endpoint-unreachable", &shown, format!("`{shown}`: {what}"), why, fix);
        }
    }
}
