//! What `azward status` says of a managed identity, where one is whom commands use: who gets its tokens, from where, and how many are kept.

use serde_json::{Value, json};

use crate::azure::clouds::Cloud;
use crate::azure::known_az::{KnownAz, Shape, Standing, Subject};
use crate::azure::managed_identity::ManagedIdentity;
use crate::azure::profile::Profile;
use crate::store::CredentialStore;
use crate::text;
use crate::tokens::{Endpoint, held_of_identity};

/// A managed identity that commands use.
#[derive(Debug)]
pub(super) struct Identity {
    /// As az names it.
    name: String,
    /// Where its tokens come from; why that is the real az's to ask.
    endpoint: Result<String, String>,
    /// Whether the real az is answered for.
    standing: Standing,
    /// How many tokens are kept.
    kept: usize,
}

impl Identity {
    /// The one that is used in the store's config directory, if one is.
    pub(super) fn of(store: &CredentialStore<'_>, az: Option<&KnownAz<'_>>) -> Option<Self> {
        let context = &store.app.context;
        let cloud = Cloud::active(context, store.config_dir)?;
        let profile = Profile::read(&store.config_dir.profile());
        let identity = ManagedIdentity::of(&profile.default_subscription(&cloud.name)?.user)?;
        let endpoint = Endpoint::of(context, &identity);
        Some(Self {
            name: identity.info(),
            endpoint: endpoint.map(|endpoint| endpoint.url().to_owned()).map_err(|error| error.what),
            standing: az.map_or(Standing::Untried, |az| az.standing(Subject::IdentityToken, Shape::Whole)),
            kept: held_of_identity(store, &cloud).len(),
        })
    }

    /// Who renews its tokens.
    pub(super) fn renewal(&self) -> String {
        match &self.endpoint {
            Ok(_) => "by azward".to_owned(),
            Err(why) => format!("by the real az, because {why}"),
        }
    }

    /// A line for people.
    pub(super) fn line(&self) -> String {
        let name = text::name(&self.name);
        let endpoint = match &self.endpoint {
            Ok(endpoint) => endpoint,
            Err(why) => return format!("{name}, whose tokens the real az gets, because {why}"),
        };
        let who = match self.standing {
            Standing::Agreed => "answered by azward",
            Standing::Disagreed => "answered by the real az, which was found to say something else",
            Standing::Untried => "answered by azward once the real az was found to say the same",
        };
        format!("{name}, from `{}`: {who}; {} token(s) sealed", text::name(endpoint), self.kept)
    }

    pub(super) fn as_json(&self) -> Value {
        json!({
            "identity": text::name(&self.name),
            "endpoint": self.endpoint.as_ref().ok().map(|endpoint| text::name(endpoint)),
            "left_to_az": self.endpoint.as_ref().err().map(|why| text::line(why)),
            "answered_for": match self.standing {
                Standing::Agreed => "yes",
                Standing::Disagreed => "no",
                Standing::Untried => "not-yet",
            },
            "kept": self.kept,
        })
    }
}
