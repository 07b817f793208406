//! `azward doctor --fix`: each finding that azward can mend is mended, on a terminal after a question. One that cannot be mended
//! after all stays, with why, and the others are mended all the same.

use serde_json::{Value, json};

use super::finding::Seen;
use crate::app::App;
use crate::commands::failure_of;
use crate::failure::{Failure, Kind, Result};
use crate::text;
use crate::ui::Ui;

/// What is to be done about what is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mending {
    /// Nothing but to tell it.
    Nothing,
    /// What a person says yes to.
    Asked,
    /// All that can be mended.
    Unasked,
}

/// What was tried to mend, and what came of it.
#[derive(Debug)]
pub(super) struct Mended {
    pub(super) id: &'static str,
    pub(super) about: String,
    what: String,
    failure: Option<Failure>,
    /// Whether it was not found again.
    pub(super) is_gone: bool,
}

impl Mending {
    /// Asks whether there is somebody to ask.
    ///
    /// # Errors
    /// `Usage` where there is not and has to be.
    pub(super) fn check(self, app: &App) -> Result<()> {
        match self == Self::Asked && !app.context.is_interactive {
            true => Err(Failure::new(
                Kind::Usage,
                "nothing was mended: there is nobody to ask",
                "look with `azward doctor` what it would be, then add --yes",
            )),
            false => Ok(()),
        }
    }
}

/// Mends what may be mended of what was seen.
pub(super) fn mend(ui: &Ui, mending: Mending, seen: &Seen<'_>) -> Vec<Mended> {
    let mut mended = Vec::new();
    for finding in &seen.findings {
        let Some(mend) = &finding.mend else { continue };
        let question = format!("mend this: {}? [y/N]", text::line(&finding.what));
        let is_wanted = || {
            let answer = ui.ask(&question).unwrap_or_default();
            matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
        };
        if mending == Mending::Unasked || is_wanted() {
            let failure = mend().err().map(|error| failure_of(&error));
            let (id, about, what) = (finding.id, finding.about.clone(), finding.what.clone());
            mended.push(Mended { id, about, what, failure, is_gone: false });
        }
    }
    mended
}

impl Mended {
    /// What became of it, in a word.
    pub(super) fn word(&self) -> &'static str {
        if self.is_gone { "gone" } else { "still there" }
    }

    pub(super) fn line(&self) -> String {
        match &self.failure {
            Some(failure) if !self.is_gone => format!("{}: {}; hint: {}", self.what, failure.what, failure.hint),
            _ => self.what.clone(),
        }
    }

    /// As `docs/json.md` tells.
    pub(super) fn as_json(&self) -> Value {
        json!({
            "id": self.id,
            "about": text::line(&self.about),
            "what": text::line(&self.what),
            "is_gone": self.is_gone,
            "failure": self.failure.as_ref().map(|failure| text::line(&failure.what)),
        })
    }
}
