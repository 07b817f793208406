//! `azward refresh`: a new access token now, for who was given a role or put into a group a moment ago: the old token says
//! nothing of it until it expires. Where the real az has to get it, the old one is dropped, and the next az gets the new one.
//! A token that is refused stays what it was.

use std::ffi::OsString;

use anyhow::bail;
use zeroize::Zeroizing;

use crate::app::App;
use crate::azure::clouds::Cloud;
use crate::azure::command::TokenRequest;
use crate::azure::{Command, ConfigDir};
use crate::credentials::msal::TokenCache;
use crate::failure::{Failure, Kind, Result};
use crate::store::CredentialStore;
use crate::sys;
use crate::text;
use crate::tokens::{Acquired, Renew, Renewed, TokenKey, Tokens, Who, drop_held, held, held_of_identity};
use crate::ui::Ui;

/// Which tokens are to be new.
#[derive(Debug)]
pub enum Which {
    /// That for Resource Manager.
    ResourceManager,
    /// That for this resource.
    Resource(String),
    /// Every one that the token cache has.
    All,
}

/// Gets them, and says what came of each.
///
/// # Errors
/// `Usage` where nobody is signed in whose token it could be; `Refused` when one could not be had, after all were tried.
pub fn refresh(app: &App, ui: &Ui, which: Which) -> anyhow::Result<()> {
    let config_dir = ConfigDir::of(&app.context);
    let store = CredentialStore::new(app, &config_dir);
    // What an unwrapped az has signed in for is taken in first.
    store.adopt()?;
    if let Some(clue) = store.token_storage().clue() {
        let what = format!("az keeps its tokens in the system's keyring itself, because {}", clue.words());
        bail!(Failure::new(Kind::Usage, what, format!("az renews those; for azward to do so, {}", clue.remedy())));
    }
    let wanted = wanted(app, &config_dir, &store, which)?;
    if !store.vault.exists() && wanted.iter().any(|wanted| wanted.who != Who::ManagedIdentity) {
        // Nothing could replace the tokens that are there.
        let failure = store.login_of_the_original().unwrap_or_else(|| {
            let directory = text::path(config_dir.path());
            match store.brokered_users().is_empty() {
                true => {
                    Failure::new(Kind::Usage, format!("azward has no login for `{directory}`"), "sign in with az first")
                }
                false => Failure::new(
                    Kind::Usage,
                    format!("the system's broker has the login of `{directory}`, and azward has not"),
                    "az renews its tokens through the broker: there is nothing to do",
                ),
            }
        });
        bail!(failure);
    }
    let arguments = ["account", "get-access-token"].map(OsString::from);
    let command = Command::parse(&arguments);
    let tokens = Tokens { store: &store, real_az: None, command: command.group() };
    let mut refused = None;
    for wanted in &wanted {
        let shown = format!("`{}` of {}", text::name(&wanted.scope), text::name(&wanted.username));
        let waiting = ui.waiting_for("the token endpoint");
        let before = secret_of(&tokens, wanted);
        let renewed = tokens.renew(wanted, Renew::Now);
        drop(waiting);
        // What came while the endpoint was asked waited for its answer.
        if let Some(signal) = sys::pending_signal() {
            sys::die_of(signal);
        }
        match renewed {
            // What a machine's endpoint gave once it gives again, for up to a day.
            Renewed::Fresh if before.is_some() && before == secret_of(&tokens, wanted) => {
                ui.say(format!("no new token for {shown}: the endpoint still gives the one that it keeps"));
            }
            Renewed::Fresh => ui.say(format!("a new token for {shown}")),
            Renewed::LeftToAz => match drop_held(&store, wanted)? {
                0 => ui.say(format!("no token for {shown} is kept: the next az gets one")),
                _ => ui.say(format!("dropped the token for {shown}: the next az gets a new one")),
            },
            Renewed::Denied(why) | Renewed::Refused(why) => {
                let hint =
                    "the old one is as good as it was; `azward status` shows more, and signing in anew helps most";
                let failure = Failure::new(Kind::Refused, format!("no new token for {shown}: {why}"), hint);
                if let Some(earlier) = refused.replace(failure) {
                    ui.report(&earlier);
                }
            }
        }
    }
    match refused {
        Some(failure) => bail!(failure),
        None => Ok(()),
    }
}

/// The token that is at hand.
fn secret_of(tokens: &Tokens<'_>, wanted: &TokenKey) -> Option<Zeroizing<String>> {
    match tokens.acquire(wanted, Renew::Never) {
        Acquired::Cached(token) => Some(token.secret),
        _ => None,
    }
}

fn wanted(app: &App, config_dir: &ConfigDir, store: &CredentialStore<'_>, which: Which) -> Result<Vec<TokenKey>> {
    let context = &app.context;
    let cloud = Cloud::active(context, config_dir);
    let requested = |request: &TokenRequest| {
        let (key, _) = TokenKey::requested(context, config_dir, cloud.as_ref()?, request)?;
        Some(vec![key])
    };
    let found = match which {
        Which::ResourceManager => requested(&TokenRequest::default()),
        Which::Resource(resource) => requested(&TokenRequest { resource: Some(resource), ..TokenRequest::default() }),
        Which::All => {
            let text = store.read_cache()?.unwrap_or_default();
            let cache = TokenCache::parse(&text)?;
            let of_cache = cloud.as_ref().map(|cloud| held(&cache, cloud)).transpose()?.unwrap_or_default();
            let of_identity = cloud.as_ref().map(|cloud| held_of_identity(store, cloud)).unwrap_or_default();
            Some([of_cache, of_identity].concat()).filter(|held| !held.is_empty())
        }
    };
    found.ok_or_else(|| {
        Failure::new(
            Kind::Usage,
            format!("there is no token in `{}` that could be renewed", text::path(config_dir.path())),
            "sign in with az first; what azward does not understand is az's own to renew",
        )
    })
}
