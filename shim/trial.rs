//! An answer is earned: where azward could answer and does not know yet whether it would say what this az says, az runs as it
//! always does, what it says is seen on its way to the caller (`sys::Tee`), and the two are compared, byte for byte. What
//! they say of the time may differ by the seconds that lie between them. An az that fails has said nothing; one that hands out
//! another token than the cache has by then is asked again the next time.

use std::cell::Cell;

use azward::app::App;
use azward::azure::known_az::{KnownAz, Standing, Subject};
use azward::azure::{Command, ConfigDir};
use azward::failure::Result;
use azward::run::Finished;
use azward::sys::{Passage, PassageEnd, Tee};

use crate::answer::{Answer, ExpiresOn};

/// What is to be found out about one az by one run.
pub(crate) struct Trial<'a> {
    az: &'a KnownAz<'a>,
    answer: Answer<'a>,
}

impl<'a> Trial<'a> {
    /// Of what a command asks; `None` where there is nothing to be found out.
    pub(crate) fn of(
        app: &'a App,
        config_dir: &'a ConfigDir,
        command: &'a Command<'_>,
        az: &'a KnownAz<'a>,
    ) -> Option<Self> {
        let answer = Answer::of(app, config_dir, command, az)?;
        let is_to_be_tried = az.standing(answer.subject(), answer.shape()) == Standing::Untried
            && (answer.subject() != Subject::IdentityToken || az.asks_by_msal());
        is_to_be_tried.then_some(Self { az, answer })
    }

    /// Does what `run` does, and compares what az says meanwhile with what azward would say, unless azward `has_answered` by
    /// then. Where the caller's standard output cannot be seen there is no more to it than `run`.
    ///
    /// # Errors
    /// Those of `run`.
    pub(crate) fn watch(&self, run: &dyn Fn() -> Result<Finished>, has_answered: &Cell<bool>) -> Result<Finished> {
        let Ok(Some(tee)) = Tee::begin() else { return run() };
        let finished = run();
        let passage = tee.end();
        if passage.end == PassageEnd::Refused {
            // What is to be said of a caller that takes nothing only an az says that writes to it itself.
            return run();
        }
        let has_said_all = passage.end == PassageEnd::Whole && !has_answered.get();
        if has_said_all && finished.as_ref().is_ok_and(|finished| finished.status.success()) {
            self.compare(&passage);
        }
        finished
    }

    fn compare(&self, passage: &Passage) {
        let Some(token) = self.answer.cached_token() else { return };
        let forms: &[ExpiresOn] = match self.az.says_expires_on() {
            Some(true) => &[ExpiresOn::Said],
            Some(false) => &[ExpiresOn::NotSaid],
            None => &[ExpiresOn::Said, ExpiresOn::NotSaid],
        };
        let is_said = |form: &&ExpiresOn| {
            self.answer.candidates(&token, **form).iter().any(|text| text.as_bytes() == &**passage.bytes)
        };
        let secret = token.secret.trim_matches('"').as_bytes();
        if let Some(form) = forms.iter().find(is_said) {
            self.az.note_agreement(self.answer.subject(), self.answer.shape(), Some(*form == ExpiresOn::Said));
        } else if self.answer.subject() == Subject::Token
            && passage.bytes.windows(secret.len().max(1)).any(|window| window == secret)
        {
            self.az.note_disagreement();
        }
    }
}
