//! What is known of the real az without starting it: its version, from the metadata of its package, and whether it has been
//! found to say what azward would say in its place. An az is answered for only then, because nothing but az itself shows what
//! it says: whatever was not compared is a run.
//!
//! Both are remembered for the files that were looked at, by device, inode, size and times: an az that was upgraded is another.
//! What is behind an az whose package is not found (a script that starts a container, a version manager's) may change
//! without a trace, so that what it agreed on holds for a day. The memory is `run/az.json` in the azward home; one that
//! cannot be read or written costs runs.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::azure::installation::Installation;
use crate::azure::real_az;
use crate::azure::version::Version;
use crate::context::Context;
use crate::failure::Result;
use crate::memo::Memo;
use crate::sys;

/// For how long it is remembered of an az without a version what it said, in seconds.
const DAY: i64 = 24 * 60 * 60;

/// Of how many az something is remembered.
const MOST_AZ: usize = 8;

/// How many shapes of answers are remembered of one az.
const MOST_SHAPES: usize = 32;

/// What an MSAL says that keeps of an answer what it needs, in its `throttled_http_client.py`.
pub(crate) const NORMALISED: &str = "\nclass NormalizedResponse(";

/// What an answer is about. Each is earned on its own.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// `az account get-access-token`.
    Token,
    /// The same of a managed identity, which az gets in another way.
    IdentityToken,
}

/// How much of a subject an answer says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Shape<'a> {
    /// All that there is to say, with its names or in its order: who agrees on that agrees on every part.
    Whole,
    /// A part, and how it is written.
    Part(&'a str),
}

/// The real az that stands at a path.
#[derive(Debug)]
pub struct KnownAz<'a> {
    context: &'a Context,
    path: PathBuf,
    /// What tells its file from another; none where that cannot be had, or nothing is to be remembered.
    stamp: Option<String>,
    known: Option<Known>,
}

/// What is remembered of one az.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct Known {
    /// The stamp of its file.
    az: String,
    /// The file of its package that was looked at, and that one's stamp.
    package: Option<(PathBuf, String)>,
    /// Its version, if that was there.
    version: Option<Version>,
    /// Whether it said `expires_on`, where its version does not tell.
    says_expires_on: Option<bool>,
    /// What it agreed on.
    agreed: Vec<Agreed>,
    /// Whether it said something else than azward would have.
    has_disagreed: bool,
    /// When the first of that was noted, in seconds since the epoch.
    noted_at: i64,
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
struct Agreed {
    subject: Subject,
    /// None for all of it.
    part: Option<String>,
}

/// What is known of whether azward would say the same.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// They were compared, and it would.
    Agreed,
    /// They were compared, and it would not.
    Disagreed,
    /// They were not compared yet.
    Untried,
}

impl<'a> KnownAz<'a> {
    /// Finds the real az as [`real_az::find`] does, passing over the paths in `tried`.
    ///
    /// # Errors
    /// [`Kind::NoRealAz`](crate::failure::Kind::NoRealAz), in the words that callers look for.
    pub fn find(app: &'a App, tried: &[PathBuf]) -> Result<Self> {
        let App { context, settings, .. } = app;
        if app.home_failure.is_some() {
            let path = real_az::find(context, settings, tried)?;
            return Ok(Self { context, path, stamp: None, known: None });
        }
        let all = memo(context).recall::<Vec<Known>>();
        real_az::find_by(context, settings, tried, |path| {
            if context.executable.as_deref() == Some(path) {
                return None;
            }
            let stamp = sys::file_stamp(path).ok()?;
            let known = all.iter().find(|known| known.is_of(&stamp, context.now()));
            // What was compared was a real one, and to look for our mark in a program costs more than all the rest.
            if known.is_none() && !real_az::is_real(context, path) {
                return None;
            }
            Some(Self { context, path: path.to_owned(), stamp: Some(stamp), known: known.cloned() })
        })
    }

    /// What is known of the az at `path`, which is a real one.
    #[must_use]
    pub fn at(context: &'a Context, path: &Path) -> Self {
        let stamp = sys::file_stamp(path).ok();
        let known = stamp.as_ref().and_then(|stamp| recall(context, stamp));
        Self { context, path: path.to_owned(), stamp, known }
    }

    /// The same as it is known by now.
    #[must_use]
    pub fn anew(&self) -> Self {
        Self::at(self.context, &self.path)
    }

    /// Where it stands.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its version; `None` where its package is not found.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        match &self.known {
            Some(known) => known.version,
            None => package_of(&self.path).map(|(version, _)| version),
        }
    }

    /// Whether it is known to keep its tokens in a file of ADAL's.
    #[must_use]
    pub fn keeps_adal_tokens(&self) -> bool {
        self.version().is_some_and(|version| !version.keeps_an_msal_cache())
    }

    /// Whether what it says of a token has `expires_on`; `None` where that is not known.
    #[must_use]
    pub fn says_expires_on(&self) -> Option<bool> {
        let learnt = || self.known.as_ref().and_then(|known| known.says_expires_on);
        self.version().map(Version::says_expires_on).or_else(learnt)
    }

    /// Whether `az account` takes `--name` for `--subscription`, as far as is known.
    #[must_use]
    pub fn takes_name(&self) -> bool {
        // What has `expires_on` is the newer of the two.
        self.version().map_or_else(|| self.says_expires_on() == Some(true), Version::takes_name)
    }

    /// Whether it keeps requests that were refused on a disk, with the refresh token in them: its MSAL, as old as that, pickles
    /// the whole exchange (msal 1.28, `throttled_http_client.py`; azure-cli-core 2.60, `auth/binary_cache.py`).
    #[must_use]
    pub(crate) fn keeps_requests(&self) -> bool {
        let pickles_all = || {
            let source = Installation::of(&self.path).and_then(|az| az.source("msal/throttled_http_client.py"));
            source.is_some_and(|source| !source.contains(NORMALISED))
        };
        self.version().is_some_and(Version::may_keep_requests) && pickles_all()
    }

    /// Whether azward would say of `subject`, in this shape, what this az says.
    #[must_use]
    pub fn standing(&self, subject: Subject, shape: Shape<'_>) -> Standing {
        match &self.known {
            Some(known) if known.has_disagreed => Standing::Disagreed,
            Some(known) if known.agrees(subject, shape) => Standing::Agreed,
            _ => Standing::Untried,
        }
    }

    /// Remembers that it said of `subject`, in this shape, what azward would have said, with or without `expires_on`.
    pub fn note_agreement(&self, subject: Subject, shape: Shape<'_>, says_expires_on: Option<bool>) {
        self.remember(|known| {
            if known.version.is_none() && shape == Shape::Whole {
                known.says_expires_on = says_expires_on.or(known.says_expires_on);
            }
            let part = match shape {
                Shape::Whole => None,
                Shape::Part(part) => Some(part.to_owned()),
            };
            known.agreed.push(Agreed { subject, part });
            known.agreed.drain(..known.agreed.len().saturating_sub(MOST_SHAPES));
        });
    }

    /// Whether it gets every managed identity's token by MSAL, as azward does: one that does not may ask another endpoint.
    #[must_use]
    pub fn asks_by_msal(&self) -> bool {
        let source = |name: &str| Installation::of(&self.path).and_then(|az| az.source(name)).unwrap_or_default();
        let profile = source("azure/cli/core/_profile.py");
        profile.contains("\n    def credential_factory(")
            && !profile.contains("MSIAuthentication")
            && source("msal/managed_identity.py")
                .contains("\"AZURE_POD_IDENTITY_AUTHORITY_HOST\", \"http://169.254.169.254\"")
    }

    /// Remembers that it said something else.
    pub fn note_disagreement(&self) {
        self.remember(|known| known.has_disagreed = true);
    }

    /// A line for people: whether it is answered for.
    #[must_use]
    pub fn line(&self) -> String {
        match self.standing(Subject::Token, Shape::Whole) {
            Standing::Untried if self.standing(Subject::IdentityToken, Shape::Whole) == Standing::Agreed => {
                "tokens of managed identities, by azward: the real az was found to say the same".to_owned()
            }
            Standing::Agreed => "tokens, by azward: the real az was found to say the same".to_owned(),
            Standing::Disagreed => "none: the real az was found to say something else than azward would".to_owned(),
            Standing::Untried => {
                "none yet: the next token that the real az gives to a program is compared with azward's".to_owned()
            }
        }
    }

    fn remember(&self, change: impl FnOnce(&mut Known)) {
        let (Some(stamp), now) = (&self.stamp, self.context.now()) else { return };
        // It may have been replaced while it ran: what it said is then nobody's.
        if sys::file_stamp(&self.path).is_ok_and(|now| now != *stamp) {
            return;
        }
        let mut all = memo(self.context).recall::<Vec<Known>>();
        let place = all.iter().position(|known| known.is_of(stamp, now));
        let mut known = place.map_or_else(|| Known::of(&self.path, stamp, now), |place| all.remove(place));
        all.retain(|other| other.az != *stamp);
        change(&mut known);
        all.push(known);
        all.drain(..all.len().saturating_sub(MOST_AZ));
        memo(self.context).remember(&all);
    }
}

impl Known {
    fn of(path: &Path, stamp: &str, noted_at: i64) -> Self {
        let stamped = |(version, file): (Version, PathBuf)| Some((version, sys::file_stamp(&file).ok()?, file));
        let package = package_of(path).and_then(stamped);
        let version = package.as_ref().map(|(version, ..)| *version);
        let package = package.map(|(_, stamp, file)| (file, stamp));
        Self { az: stamp.to_owned(), version, package, noted_at, ..Self::default() }
    }

    /// Whether it is of the az with that stamp, as it is at the time `now`.
    fn is_of(&self, stamp: &str, now: i64) -> bool {
        let is_unchanged = || match &self.package {
            Some((file, stamp)) => sys::file_stamp(file).is_ok_and(|now| now == *stamp),
            None => (0..DAY).contains(&now.saturating_sub(self.noted_at)),
        };
        self.az == stamp && is_unchanged()
    }

    fn agrees(&self, subject: Subject, shape: Shape<'_>) -> bool {
        self.agreed.iter().filter(|agreed| agreed.subject == subject).any(|agreed| match (&agreed.part, shape) {
            (None, _) => true,
            (Some(part), Shape::Part(asked)) => part == asked,
            (Some(_), Shape::Whole) => false,
        })
    }
}

fn recall(context: &Context, stamp: &str) -> Option<Known> {
    let all = memo(context).recall::<Vec<Known>>();
    all.into_iter().find(|known| known.is_of(stamp, context.now()))
}

fn memo(context: &Context) -> Memo<'_> {
    Memo::named("az.json", &context.home_lock)
}

fn package_of(az: &Path) -> Option<(Version, PathBuf)> {
    Installation::of(az).and_then(|installation| installation.package())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An az with a package of that version, and a home to remember in.
    fn installed(root: &Path, version: &str) -> (PathBuf, Context) {
        let packages = if cfg!(windows) { "venv/Lib/site-packages" } else { "venv/lib/python3.11/site-packages" };
        let packages = root.join(packages);
        let metadata = packages.join(format!("azure_cli-{version}.dist-info"));
        std::fs::create_dir_all(&metadata).unwrap();
        std::fs::create_dir_all(packages.join("azure/cli/core")).unwrap();
        std::fs::write(metadata.join("METADATA"), version).unwrap();
        let az = root.join("venv/bin/az");
        std::fs::create_dir_all(az.parent().unwrap()).unwrap();
        std::fs::write(&az, "").unwrap();
        (az, Context::new([("AZWARD_HOME".into(), root.join("home").into_os_string())], None))
    }

    const PART: Shape<'_> = Shape::Part("tsv accessToken");

    #[test]
    fn an_az_is_answered_for_in_what_it_agreed_on() {
        let dir = tempfile::tempdir().unwrap();
        let (az, context) = installed(dir.path(), "2.91.0");
        let standing = |shape| KnownAz::at(&context, &az).standing(Subject::Token, shape);
        assert_eq!(standing(PART), Standing::Untried);
        KnownAz::at(&context, &az).note_agreement(Subject::Token, PART, Some(true));
        assert_eq!((standing(PART), standing(Shape::Part("tsv tenant"))), (Standing::Agreed, Standing::Untried));
        assert_eq!(standing(Shape::Whole), Standing::Untried);
        KnownAz::at(&context, &az).note_agreement(Subject::Token, Shape::Whole, Some(true));
        assert_eq!((standing(Shape::Whole), standing(Shape::Part("tsv tenant"))), (Standing::Agreed, Standing::Agreed));
        KnownAz::at(&context, &az).note_disagreement();
        assert_eq!(standing(PART), Standing::Disagreed);
    }

    #[test]
    fn an_az_that_was_upgraded_is_another() {
        let dir = tempfile::tempdir().unwrap();
        let (az, context) = installed(dir.path(), "2.53.0");
        let known = || KnownAz::at(&context, &az);
        known().note_agreement(Subject::Token, Shape::Whole, Some(false));
        assert_eq!(
            (known().says_expires_on(), known().standing(Subject::Token, PART)),
            (Some(false), Standing::Agreed)
        );
        let began = known();
        let packages = Installation::of(&az).unwrap().package().unwrap().1;
        let packages = packages.parent().unwrap();
        std::fs::rename(packages, packages.with_file_name("azure_cli-2.54.0.dist-info")).unwrap();
        assert_eq!(
            (known().says_expires_on(), known().standing(Subject::Token, PART)),
            (Some(true), Standing::Untried)
        );
        // Its own file is replaced while it runs.
        std::fs::write(&az, "another").unwrap();
        began.note_agreement(Subject::Token, Shape::Whole, Some(true));
        assert_eq!(known().standing(Subject::Token, PART), Standing::Untried);
    }

    #[test]
    fn a_wrapper_says_itself_in_which_form_and_is_believed_for_a_day() {
        let dir = tempfile::tempdir().unwrap();
        let (_, context) = installed(dir.path(), "2.91.0");
        let wrapper = dir.path().join("az");
        std::fs::write(&wrapper, "#!/bin/sh\nexec docker run azure-cli az \"$@\"\n").unwrap();
        let known = || KnownAz::at(&context, &wrapper);
        known().note_agreement(Subject::Token, PART, Some(true));
        assert_eq!((known().version(), known().says_expires_on()), (None, None));
        known().note_agreement(Subject::Token, Shape::Whole, Some(false));
        assert_eq!(known().says_expires_on(), Some(false));
        for (age, standing) in [(DAY - 5, Standing::Agreed), (DAY, Standing::Untried), (-60, Standing::Untried)] {
            let mut all = memo(&context).recall::<Vec<Known>>();
            all.iter_mut().for_each(|known| known.noted_at = context.now() - age);
            memo(&context).remember(&all);
            assert_eq!(known().standing(Subject::Token, PART), standing, "{age}");
        }
    }

    #[test]
    fn a_memory_that_is_none_is_untried() {
        let dir = tempfile::tempdir().unwrap();
        let (az, context) = installed(dir.path(), "2.91.0");
        KnownAz::at(&context, &az).note_agreement(Subject::Token, Shape::Whole, None);
        std::fs::write(dir.path().join("home/run/az.json"), "[{\"az\": 7").unwrap();
        assert_eq!(KnownAz::at(&context, &az).standing(Subject::Token, PART), Standing::Untried);
    }
}
