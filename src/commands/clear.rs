//! What lies in the clear, as `azward status` and `azward scrub` tell it: each file with what is in it and whether an az
//! needs it there, each thing that was not looked at with why, and "nothing" only of what was looked at.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::azure::clear_text::{Found, Survey};
use crate::azure::credential_marks::Mark;
use crate::context::Context;
use crate::credentials::CredentialFile;
use crate::failure::{Failure, Kind, Result};
use crate::store::CredentialStore;
use crate::text;

/// How many lines of a kind are shown.
const LINES: usize = 12;

/// What lies in the clear in one config directory.
#[derive(Debug)]
pub(super) struct Clear {
    directory: PathBuf,
    survey: Survey,
    /// The files that azward keeps clear: the token cache, and the list of service principals.
    cache: PathBuf,
    principals: PathBuf,
    /// Why the token cache is none.
    trouble: Option<Failure>,
    /// Why the list of service principals is none.
    principals_trouble: Option<Failure>,
    is_needed: bool,
    has_leftover: bool,
}

impl Clear {
    /// Looks through the config directory.
    #[must_use]
    pub(super) fn of(context: &Context, store: &CredentialStore<'_>) -> Self {
        let directory = store.directory();
        // Where az before 2.30 was told to keep its tokens (azure-cli-core 2.29.2, `_profile.py`).
        let elsewhere = context.variable("AZURE_ACCESS_TOKEN_FILE").map(|path| context.expand_user(Path::new(path)));
        let mut survey = Survey::of(directory, elsewhere.as_slice());
        if !store.has_certificate_files() {
            for found in survey.found.iter_mut().filter(|found| found.path == store.principals.path()) {
                found.marks.remove(&Mark::CertificateFile);
            }
            survey.found.retain(|found| !found.marks.is_empty());
        }
        Self {
            survey,
            directory: directory.to_owned(),
            cache: store.cache.path().to_owned(),
            principals: store.principals.path().to_owned(),
            trouble: store.exposed_tokens().err(),
            principals_trouble: store.exposed_secrets().err(),
            is_needed: store.is_needed().unwrap_or(false),
            has_leftover: store.cache.has_leftover() || store.principals.has_leftover(),
        }
    }

    /// A line for each file; one if there is none.
    #[must_use]
    pub(super) fn rows(&self) -> Vec<String> {
        let found = self.survey.found.iter().map(|found| self.row(found));
        let troubles = self.trouble.iter().chain(&self.principals_trouble);
        let trouble = troubles.map(|failure| failure.what.clone());
        let leftover = self.has_leftover.then(|| "a killed process's file beside the token cache".to_owned());
        let rows = bounded(found.chain(trouble).chain(leftover).collect(), "files");
        match (&*rows, &*self.survey.unseen, self.survey.files) {
            ([], [], 1) => vec!["nothing, in the one file that there is".to_owned()],
            ([], [], count) => vec![format!("nothing, in all {count} files")],
            ([], _, count) => vec![format!("nothing in what was looked at, {count} file(s)")],
            _ => rows,
        }
    }

    /// A line for each file that azward takes nothing out of.
    #[must_use]
    pub(super) fn others(&self) -> Vec<String> {
        let others = self.survey.found.iter().filter(|found| !self.is_kept_clear(found));
        bounded(others.map(|found| self.row(found)).collect(), "files")
    }

    /// A line for each thing that was not looked at.
    #[must_use]
    pub(super) fn unseen_rows(&self) -> Vec<String> {
        let unseen = self.survey.unseen.iter();
        bounded(
            unseen.map(|unseen| format!("`{}`: {}", self.name(&unseen.path), unseen.why.words())).collect(),
            "places",
        )
    }

    /// Each file that no az needs as it is, with what is in it, and whether azward takes that out.
    pub(super) fn unneeded(&self) -> impl Iterator<Item = (&Path, String, bool)> {
        let found = self.survey.found.iter().map(|found| (&*found.path, found.words(), self.is_kept_clear(found)));
        found.filter(|(_, _, is_kept_clear)| !(*is_kept_clear && self.is_needed))
    }

    /// Whether azward takes what was found out of that file.
    fn is_kept_clear(&self, found: &Found) -> bool {
        let has = |mark| found.marks.contains_key(&mark);
        (found.path == self.cache && has(Mark::RefreshToken))
            || (found.path == self.principals && (has(Mark::ClientSecret) || has(Mark::ClientAssertion)))
    }

    /// Whether a killed process has left a file beside the token cache.
    pub(super) fn has_leftover(&self) -> bool {
        self.has_leftover && !self.is_needed
    }

    /// Why the token cache is none.
    pub(super) fn trouble(&self) -> Option<&Failure> {
        self.trouble.as_ref()
    }

    /// Why the list of service principals is none.
    pub(super) fn principals_trouble(&self) -> Option<&Failure> {
        self.principals_trouble.as_ref()
    }

    /// Each file with what is in it, for programs.
    #[must_use]
    pub(super) fn as_json(&self) -> Vec<Value> {
        let found = self.survey.found.iter().map(|found| {
            json!({ "path": text::path(&found.path), "what": found.words(),
                    "is_needed": self.is_kept_clear(found) && self.is_needed })
        });
        found.collect()
    }

    /// Each thing that was not looked at, for programs.
    #[must_use]
    pub(super) fn unseen_as_json(&self) -> Vec<Value> {
        let unseen = self.survey.unseen.iter();
        unseen.map(|unseen| json!({ "path": text::path(&unseen.path), "why": unseen.why.words() })).collect()
    }

    /// Whether all is as it should be: no refresh token, and no secret that azward seals, lies where no az needs it.
    ///
    /// # Errors
    /// `Storage` otherwise.
    pub(super) fn verdict(&self) -> Result<()> {
        let is_fault = |found: &&Found| found.marks.contains_key(&Mark::RefreshToken) || self.is_kept_clear(found);
        let (kept, others): (Vec<&Found>, Vec<&Found>) =
            self.survey.found.iter().filter(is_fault).partition(|found| self.is_kept_clear(found));
        let is_exposed = (!kept.is_empty() || self.has_leftover) && !self.is_needed;
        if !is_exposed && others.is_empty() {
            return Ok(());
        }
        let hint = match is_exposed {
            true => "run `azward scrub`; it says what keeps them there",
            false => "azward takes nothing out of files that az does not use: remove those that you do not need",
        };
        let has_token = |found: &&Found| found.marks.contains_key(&Mark::RefreshToken);
        let is_of_principals = !self.has_leftover && !kept.iter().chain(&others).any(has_token);
        let what = if is_of_principals { "service principals' secrets" } else { "refresh tokens" };
        Err(Failure::new(Kind::Storage, format!("{what} lie in the clear in `{}`", text::path(&self.directory)), hint))
    }

    fn row(&self, found: &Found) -> String {
        format!("`{}`: {}{}", self.name(&found.path), found.words(), self.need(found))
    }

    fn need(&self, found: &Found) -> &'static str {
        match self.is_kept_clear(found) || found.marks.contains_key(&Mark::RefreshToken) {
            true if self.is_kept_clear(found) && self.is_needed => ", for an az that is running",
            true => ", which no az needs there",
            false => ", not sealed by azward",
        }
    }

    fn name(&self, path: &Path) -> String {
        text::path(path.strip_prefix(&self.directory).unwrap_or(path))
    }
}

fn bounded(mut lines: Vec<String>, what: &str) -> Vec<String> {
    let more = lines.len().saturating_sub(LINES);
    if more > 0 {
        lines.truncate(LINES);
        lines.push(format!("and {more} more {what}"));
    }
    lines
}
