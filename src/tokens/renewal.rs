//! Who renews tokens: azward, or the real az where only that can speak to the endpoint. What was tried in vain (TLS, a proxy,
//! an endpoint that is none of Entra's) is remembered for a quarter of an hour for this az, this endpoint and this manner
//! of speaking, so that it is not tried at every command; another az, another proxy, other certificates end it at once.
//!
//! The memory is `run/renewal.json` in the azward home. A time from the future means nothing.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::azure::clouds::Cloud;
use crate::azure::{ConfigDir, HttpsUrl};
use crate::context::Context;
use crate::memo::Memo;
use crate::sys;
use crate::tokens::entra::{Manner, TokenError};

/// For how long it is remembered, in seconds.
const REMEMBERED_FOR: i64 = 15 * 60;

/// How much is remembered.
const MOST_NOTES: usize = 16;

/// The most of a reason that is shown, in characters.
const LONGEST_REASON: usize = 160;

/// One endpoint that the real az has to speak to.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
struct Note {
    /// The az, and how its file looked.
    az: String,
    /// The endpoint.
    endpoint: String,
    /// How it was spoken to.
    manner: String,
    /// Why it is az's, in azward's own words.
    why: String,
    /// When that was found out, in seconds since the epoch.
    noted_at: i64,
}

/// Who renews tokens, for one az.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Renewal<'a> {
    /// What the process was started with.
    pub context: &'a Context,
    /// The real az.
    pub real_az: &'a Path,
}

impl Renewal<'_> {
    /// How to speak to `endpoint`.
    ///
    /// # Errors
    /// A [`TokenError`] where the real az has to.
    pub(crate) fn manner(&self, endpoint: &HttpsUrl) -> Result<Manner, TokenError> {
        if !endpoint.path().is_empty() {
            return Err(TokenError::left_to_az("its authority is not Entra ID's own"));
        }
        let manner = Manner::of(self.context, self.real_az, endpoint)?;
        let now = self.context.now();
        match self.recall().into_iter().find(|note| note.holds(now) && note.is_of(&self.note(endpoint, &manner))) {
            Some(note) => Err(TokenError::left_to_az(shown(&note.why))),
            None => Ok(manner),
        }
    }

    /// Remembers that speaking to `endpoint` so was in vain.
    pub(crate) fn remember(&self, endpoint: &HttpsUrl, manner: &Manner, why: &str) {
        let note = Note { why: why.to_owned(), ..self.note(endpoint, manner) };
        let mut notes = self.recall();
        notes.retain(|other| other.holds(note.noted_at) && !other.is_of(&note));
        notes.push(note);
        notes.drain(..notes.len().saturating_sub(MOST_NOTES));
        self.memo().remember(&notes);
    }

    /// A line for people: who renews the tokens of `config_dir`, and why it is not azward.
    #[must_use]
    pub(crate) fn line(&self, config_dir: &ConfigDir) -> String {
        let token_error = match Cloud::active(self.context, config_dir) {
            None => TokenError::left_to_az("the active cloud is not one that azward understands"),
            Some(cloud) => match self.manner(&cloud.active_directory) {
                Ok(_) => return "by azward".to_owned(),
                Err(token_error) => token_error,
            },
        };
        format!("by the real az, because {}", token_error.what)
    }

    fn note(&self, endpoint: &HttpsUrl, manner: &Manner) -> Note {
        let state = sys::file_state(self.real_az).map(|state| state.text).unwrap_or_default();
        Note {
            az: format!("{} {state}", self.real_az.display()),
            endpoint: endpoint.to_string(),
            manner: manner.text(),
            why: String::new(),
            noted_at: self.context.now(),
        }
    }

    fn memo(&self) -> Memo<'_> {
        Memo::named("renewal.json", &self.context.home_lock)
    }

    fn recall(&self) -> Vec<Note> {
        self.memo().recall()
    }
}

impl Note {
    /// Whether it still means something.
    fn holds(&self, now: i64) -> bool {
        (0..REMEMBERED_FOR).contains(&now.saturating_sub(self.noted_at))
    }

    fn is_of(&self, other: &Self) -> bool {
        (&self.az, &self.endpoint, &self.manner) == (&other.az, &other.endpoint, &other.manner)
    }
}

/// A reason out of the file, which anything may have been written to.
fn shown(why: &str) -> String {
    why.chars().filter(|character| matches!(character, ' '..='~')).take(LONGEST_REASON).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_remembered_for_this_az_this_endpoint_this_manner_and_not_for_long() {
        let home = tempfile::tempdir().unwrap();
        let (az, bundle) = (home.path().join("az"), home.path().join("ca.pem"));
        std::fs::write(&az, "").unwrap();
        std::fs::write(&bundle, "").unwrap();
        let context = |proxy: &str| {
            let variables = [
                ("AZWARD_HOME", home.path().to_str().unwrap()),
                ("REQUESTS_CA_BUNDLE", bundle.to_str().unwrap()),
                ("HTTPS_PROXY", proxy),
                ("NO_PROXY", "x"),
            ];
            Context::new(variables.map(|(name, value)| (name.into(), value.into())), None)
        };
        let (direct, proxied) = (context(""), context("http://p:1"));
        let renewal = Renewal { context: &direct, real_az: &az };
        let endpoint = HttpsUrl::parse("https://login.example").unwrap();
        renewal.remember(&endpoint, &renewal.manner(&endpoint).unwrap(), "a\u{1b}[2J reason");
        assert_eq!(renewal.manner(&endpoint).unwrap_err().what, "a[2J reason");
        assert!(renewal.manner(&HttpsUrl::parse("https://login.example:1").unwrap()).is_ok());
        assert!(Renewal { context: &proxied, ..renewal }.manner(&endpoint).is_ok());
        assert!(Renewal { real_az: home.path(), ..renewal }.manner(&endpoint).is_ok());
        let note = renewal.recall().remove(0);
        let now = direct.now();
        for (noted_at, holds) in [
            (now - REMEMBERED_FOR + 5, true),
            (now - REMEMBERED_FOR, false),
            (now + 60, false),
            (i64::MAX, false),
            (i64::MIN, false),
        ] {
            renewal.memo().remember(&[Note { noted_at, ..note.clone() }]);
            assert_eq!(renewal.manner(&endpoint).is_err(), holds, "{noted_at}");
        }
        renewal.memo().remember(&[note]);
        assert!(renewal.manner(&endpoint).is_err());
        std::fs::write(&bundle, "another authority").unwrap();
        assert!(renewal.manner(&endpoint).is_ok());
    }
}
