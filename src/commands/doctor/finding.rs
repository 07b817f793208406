//! What the doctor found: one thing that is not as it should be, with what it is, why that matters, what mends it, and how azward
//! itself would do so where it can. Its `id` is for programs and stays what it is; with what it is `about` it is told from others
//! of its kind.

use serde_json::{Value, json};

use crate::text;
use crate::ui::Ui;

/// How azward mends something. What it fails with leaves things as they were.
pub(super) type Mend<'a> = Box<dyn Fn() -> anyhow::Result<()> + 'a>;

/// One thing that is not as it should be.
pub(super) struct Finding<'a> {
    pub(super) id: &'static str,
    /// A path, a shell, an address: whatever tells two of a kind apart; nothing where there is only one.
    pub(super) about: String,
    pub(super) what: String,
    pub(super) why: &'static str,
    /// What a person does about it.
    pub(super) fix: String,
    /// What `--fix` does about it.
    pub(super) mend: Option<Mend<'a>>,
}

/// What was found, and what could not be looked at.
#[derive(Default)]
pub(super) struct Seen<'a> {
    pub(super) findings: Vec<Finding<'a>>,
    pub(super) unseen: Vec<String>,
    /// What is as it should be, and could be safer.
    pub(super) suggestions: Vec<String>,
}

impl<'a> Seen<'a> {
    /// Something was found that only a person mends.
    pub(super) fn find(&mut self, id: &'static str, about: &str, what: String, why: &'static str, fix: String) {
        self.findings.push(Finding { id, about: about.to_owned(), what, why, fix, mend: None });
    }

    /// The last finding can be mended so.
    pub(super) fn mended_by(&mut self, mend: impl Fn() -> anyhow::Result<()> + 'a) {
        if let Some(finding) = self.findings.last_mut() {
            finding.mend = Some(Box::new(mend));
        }
    }

    /// Something could not be looked at.
    pub(super) fn could_not(&mut self, line: impl Into<String>) {
        self.unseen.push(line.into());
    }

    /// Something could be safer than it has to be.
    pub(super) fn suggest(&mut self, line: impl Into<String>) {
        self.suggestions.push(line.into());
    }

    /// Whether this was found.
    pub(super) fn has(&self, id: &str, about: &str) -> bool {
        self.findings.iter().any(|finding| finding.id == id && finding.about == about)
    }
}

impl Finding<'_> {
    pub(super) fn show(&self, ui: &Ui) {
        ui.row("finding", &format!("{} [{}]", self.what, self.id));
        ui.row("", self.why);
        let by_itself = if self.mend.is_some() { "; `azward doctor --fix` does" } else { "" };
        ui.row("fix", &format!("{}{by_itself}", self.fix));
    }

    /// As `docs/json.md` tells.
    pub(super) fn as_json(&self) -> Value {
        json!({
            "id": self.id,
            "about": text::line(&self.about),
            "what": text::line(&self.what),
            "why": self.why,
            "fix": text::line(&self.fix),
            "can_be_mended": self.mend.is_some(),
        })
    }
}
