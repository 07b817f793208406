//! What happened, without secrets: one JSON line an event in `$AZWARD_HOME/journal.jsonl`, for `azward status` to show what
//! must not be said on a wrapped command's stderr, and for `azward log` (`reading`). Every text is bounded and escaped, when it is written and again when it is
//! read. A line is appended with a single write; when the file passes its bound it becomes `journal.1.jsonl` and a new one
//! begins, by whoever holds the full one's lock. Whatever goes wrong here is swallowed: a journal never slows or fails a
//! command.

mod reading;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::private;
use crate::settings::JournalChoice;
use crate::sys;
use crate::text;
pub use reading::Follower;

/// The size in bytes at which a journal is put by and a new one begun; two are kept.
const BOUND: u64 = 1024 * 1024;

/// How long a line waits in all for whoever has the file to himself, and how long at once.
const PATIENCE: Duration = Duration::from_millis(50);
const PAUSE: Duration = Duration::from_millis(1);

/// No line is longer, in bytes: seven bounded texts, the most that each can need.
#[cfg(test)]
const LINE: usize = 16 * 1024;

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// A caller got its token without the real az.
    Answer,
    /// The real az ran on a caller's behalf.
    Run,
    /// A refresh token was redeemed for a fresh access token.
    Rotation,
    /// Refresh tokens that azward had not put there were taken into the vault.
    Adoption,
    /// Accounts were forgotten because az forgot them.
    Forgetting,
    /// A session was started or stopped.
    Session,
    /// A program was allowed to use the login, or refused.
    Consent,
    /// Something that the user should know, and that no caller may be told.
    Warning,
    /// What a later azward notes, and this one does not know.
    #[serde(other)]
    Other,
}

/// One event. Only what is set is written.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Event {
    /// When, in seconds since the epoch.
    pub time: i64,
    /// What kind of thing happened.
    #[serde(rename = "deed")]
    pub action: Action,
    /// The command's group ("account get-access-token"), never an argument's value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// The account's user name or home account id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The tenant's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The scope asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The name of the process that called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
    /// How long it took, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub milliseconds: Option<u64>,
    /// How it ended, in words: an exit code, a failure's first line.
    pub outcome: String,
    /// What the user can do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Event {
    /// An event with nothing but its outcome.
    pub fn new(time: i64, action: Action, outcome: impl Into<String>) -> Self {
        Self {
            time,
            action,
            command: None,
            account: None,
            tenant: None,
            scope: None,
            caller: None,
            milliseconds: None,
            outcome: outcome.into(),
            hint: None,
        }
    }

    /// The same with every text as it may be logged and shown.
    fn presentable(self) -> Self {
        let name = |text: Option<String>| text.as_deref().map(text::name);
        Self {
            command: name(self.command),
            account: name(self.account),
            tenant: name(self.tenant),
            scope: name(self.scope),
            caller: name(self.caller),
            outcome: text::line(&self.outcome),
            hint: self.hint.as_deref().map(text::line),
            ..self
        }
    }
}

/// The journal under one azward home.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    kept: JournalChoice,
}

impl Journal {
    /// The journal of `azward_home`; nothing is opened yet.
    #[must_use]
    pub fn at(azward_home: &Path) -> Self {
        Self { path: azward_home.join("journal.jsonl"), kept: JournalChoice::On }
    }

    /// The same, which keeps what `kept` says.
    #[must_use]
    pub fn keeping(self, kept: JournalChoice) -> Self {
        Self { kept, ..self }
    }

    /// Appends an event, its texts bounded and escaped, or does nothing where that is not possible. A warning is kept in any
    /// case: nobody else tells it.
    pub fn record(&self, event: &Event) {
        if self.kept == JournalChoice::Off && event.action != Action::Warning {
            return;
        }
        let Ok(mut line) = serde_json::to_vec(&event.clone().presentable()) else { return };
        line.push(b'\n');
        let (mut attempts, mut waited) = (0, Duration::ZERO);
        // A generation may have been put by, and another after it, since the file was opened.
        while attempts < 3 {
            let opened = private::open_append(&self.path);
            let file = match opened.and_then(|mut file| file.write_all(&line).map(|()| file)) {
                Ok(file) => file,
                // Whoever puts it by on Windows keeps others out for that moment.
                Err(error) if sys::is_in_use(&error) && waited < PATIENCE => {
                    waited += PAUSE;
                    std::thread::sleep(PAUSE);
                    continue;
                }
                Err(_) => return,
            };
            attempts += 1;
            if file.metadata().is_ok_and(|metadata| metadata.len() > BOUND) {
                self.put_by(&file);
            }
            if sys::link_count(&file).unwrap_or(1) > 0 {
                return;
            }
        }
    }

    /// Gives the full generation its second name. Only who holds its lock may, and only while it is the current one: whoever
    /// was as quick finds the next generation under the name, and leaves that alone.
    fn put_by(&self, full: &File) {
        let is_current =
            || matches!((sys::identity_of(full), sys::file_identity(&self.path)), (Ok(a), Ok(b)) if a == b);
        if full.try_lock().is_ok() && is_current() {
            let _ = std::fs::rename(&self.path, previous_of(&self.path));
        }
    }

    /// Appends a warning made of a failure's two lines.
    pub fn warn(&self, now: i64, failure: &crate::failure::Failure) {
        let event =
            Event { hint: Some(failure.hint.clone()), ..Event::new(now, Action::Warning, failure.what.clone()) };
        self.record(&event);
    }
}

/// The full generation's second name.
fn previous_of(path: &Path) -> PathBuf {
    path.with_file_name("journal.1.jsonl")
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, SeekFrom};

    use super::*;

    #[test]
    fn events_come_back_and_a_torn_line_does_not_hide_them() {
        let home = tempfile::tempdir().unwrap();
        let journal = Journal::at(home.path());
        journal.record(&Event::new(1, Action::Run, "exit 0"));
        std::fs::OpenOptions::new().append(true).open(&journal.path).unwrap().write_all(b"{\"time\":2,\n").unwrap();
        journal.record(&Event::new(3, Action::Warning, "the disk is full"));
        let times: Vec<i64> = journal.recent().iter().map(|event| event.time).collect();
        assert_eq!(times, [1, 3]);
    }

    #[test]
    fn one_that_is_off_keeps_warnings_alone() {
        let home = tempfile::tempdir().unwrap();
        let journal = Journal::at(home.path()).keeping(JournalChoice::Off);
        journal.record(&Event::new(1, Action::Answer, "exit 0"));
        assert!(!journal.path.exists());
        journal.record(&Event::new(2, Action::Warning, "the disk is full"));
        assert_eq!(journal.recent().iter().map(|event| event.time).collect::<Vec<_>>(), [2]);
    }

    #[test]
    #[cfg_attr(windows, ignore = "wine appends in two steps, so that two who do it at once write over one another")]
    fn many_that_put_it_by_at_once_lose_nothing_of_the_last_two_generations() {
        const WRITERS: usize = 8;
        let home = tempfile::tempdir().unwrap();
        for round in 0..300 {
            let journal = Journal::at(home.path());
            // The next line makes it full.
            let mut full = File::create(&journal.path).unwrap();
            full.set_len(BOUND).unwrap();
            full.seek(SeekFrom::End(0)).unwrap();
            full.write_all(b"\n").unwrap();
            let _ = std::fs::remove_file(previous_of(&journal.path));
            let start = std::sync::Barrier::new(WRITERS);
            std::thread::scope(|scope| {
                for writer in 0..WRITERS {
                    let (home, start) = (home.path(), &start);
                    scope.spawn(move || {
                        start.wait();
                        Journal::at(home).record(&Event::new(writer as i64, Action::Run, "exit 0"));
                    });
                }
            });
            let length = previous_of(&journal.path).metadata().map_or(0, |metadata| metadata.len());
            assert!(length > BOUND, "round {round}: the full generation is gone, {length} bytes are in its place");
            let mut writers: Vec<i64> = journal.recent().iter().map(|event| event.time).collect();
            writers.sort_unstable();
            assert_eq!(writers, (0..WRITERS as i64).collect::<Vec<_>>(), "round {round}");
        }
    }

    #[test]
    fn what_was_told_before_it_was_put_by_is_still_told() {
        let home = tempfile::tempdir().unwrap();
        let journal = Journal::at(home.path());
        journal.record(&Event::new(1, Action::Warning, "the disk is full"));
        std::fs::rename(&journal.path, previous_of(&journal.path)).unwrap();
        journal.record(&Event::new(2, Action::Run, "exit 0"));
        assert_eq!(journal.recent().iter().map(|event| event.time).collect::<Vec<_>>(), [1, 2]);
    }

    /// An event with the same text in every field.
    fn full_of(text: &str) -> Event {
        let some = || Some(text.to_owned());
        Event {
            command: some(),
            account: some(),
            tenant: some(),
            scope: some(),
            caller: some(),
            hint: some(),
            ..Event::new(1, Action::Warning, text)
        }
    }

    #[test]
    fn no_text_of_others_makes_a_line_long_or_speaks_to_a_terminal() {
        let home = tempfile::tempdir().unwrap();
        let journal = Journal::at(home.path());
        for text in ["\u{1b}[2J\u{202e}", "\u{9b}\n{\"time\":9}", "\"\\", "東京", "\u{10ffff}"] {
            journal.record(&full_of(&text.repeat(100_000)));
        }
        let text = std::fs::read_to_string(&journal.path).unwrap();
        assert_eq!(text.lines().count(), 5);
        assert!(text.lines().all(|line| line.len() <= LINE), "{:?}", text.lines().map(str::len).collect::<Vec<_>>());
        assert!(!text.contains(['\u{1b}', '\u{9b}', '\u{202e}']));
    }

    #[test]
    fn what_somebody_else_wrote_into_it_is_shown_escaped() {
        let home = tempfile::tempdir().unwrap();
        let journal = Journal::at(home.path());
        let line = serde_json::to_string(&full_of("\u{1b}[2J")).unwrap();
        std::fs::write(&journal.path, line).unwrap();
        let shown = serde_json::to_value(&journal.recent()[0]).unwrap();
        for name in ["command", "account", "tenant", "scope", "caller", "outcome", "hint"] {
            assert_eq!(shown[name], "\\u{1b}[2J", "{name}");
        }
    }

    #[test]
    fn it_does_not_grow_past_its_bound_twice() {
        let home = tempfile::tempdir().unwrap();
        let journal = Journal::at(home.path());
        let long = "x".repeat(10_000);
        for time in 0..2000 {
            journal.record(&Event::new(time, Action::Run, long.clone()));
        }
        let sizes: u64 = std::fs::read_dir(home.path()).unwrap().map(|e| e.unwrap().metadata().unwrap().len()).sum();
        assert!(sizes < 3 * BOUND);
        assert!(std::fs::read_dir(home.path()).unwrap().count() <= 2);
    }

    #[test]
    fn a_journal_that_cannot_be_written_is_no_failure() {
        Journal::at(Path::new("/nonexistent/azward")).record(&Event::new(0, Action::Run, "exit 0"));
    }
}
