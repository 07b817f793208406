//! The journal is read: its end, all that there is, and what is added from now on. It is appended to, put by and begun anew
//! meanwhile: no generation is read twice, and none is passed over that was there. What is no line of ours (a write that was cut
//! short, half a line, something else) is left out, and of what a later azward has noted what this one knows is told.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::{Event, Journal, previous_of};
use crate::private;
use crate::sys;

/// How much of each generation's end, in bytes, is read to show the last events.
const TAIL: u64 = 64 * 1024;

/// More, in bytes, than a generation is, and no more is read of what somebody made larger.
const LARGEST: u64 = 4 * 1024 * 1024;

/// How often it is read again when it was put by meanwhile.
const ATTEMPTS: u32 = 3;

impl Journal {
    /// The events at the journal's end, oldest first. Whoever wrote them, their texts may be shown.
    #[must_use]
    pub fn recent(&self) -> Vec<Event> {
        events(&self.both(TAIL).0)
    }

    /// All that there is, oldest first, and what tells of what is added after it.
    #[must_use]
    pub fn follow(&self) -> (Vec<Event>, Follower) {
        let (text, current) = self.both(LARGEST);
        // Half a line may be the end of it.
        let begun = if current.is_some() { last_line(&text).to_vec() } else { Vec::new() };
        let mut all = events(&text[..text.len() - begun.len()]);
        let mut follower = Follower { path: self.path.clone(), current, begun };
        all.extend(follower.added());
        (all, follower)
    }

    /// The last so many bytes of each of the two generations, in their order, and the current one, open behind them.
    fn both(&self, bound: u64) -> (Vec<u8>, Option<File>) {
        let previous = previous_of(&self.path);
        for attempt in 1.. {
            let mut current = private::open_read(&self.path).ok();
            let mut text = private::open_read(&previous).map(|mut file| end_of(&mut file, bound)).unwrap_or_default();
            text.push(b'\n');
            if let Some(file) = &mut current {
                text.extend(end_of(file, bound));
            }
            if attempt == ATTEMPTS || is_at(current.as_ref(), &self.path) {
                return (text, current);
            }
        }
        unreachable!("the last attempt returns")
    }
}

/// What is added to a journal.
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    /// The generation that was read so far; none while there is none.
    current: Option<File>,
    /// What was read of a line that had no end yet.
    begun: Vec<u8>,
}

impl Follower {
    /// The events that were added since this was last asked, oldest first.
    pub fn added(&mut self) -> Vec<Event> {
        let mut added = self.read_on();
        if !is_at(self.current.as_ref(), &self.path) {
            // It was put by: what was written to it until then is read before the next one.
            added.extend(self.read_on());
            self.begun.clear();
            self.current = private::open_read(&self.path).ok();
            added.extend(self.read_on());
        }
        added
    }

    fn read_on(&mut self) -> Vec<Event> {
        let Some(file) = &mut self.current else { return Vec::new() };
        let length = file.metadata().map_or(0, |metadata| metadata.len());
        if file.stream_position().is_ok_and(|position| position > length) {
            // Somebody has emptied it.
            let _ = file.rewind();
            self.begun.clear();
        }
        let mut text = std::mem::take(&mut self.begun);
        let _ = file.take(LARGEST).read_to_end(&mut text);
        self.begun = last_line(&text).to_vec();
        events(&text[..text.len() - self.begun.len()])
    }
}

/// Whether what is open, or nothing, is what is at `path`.
fn is_at(open: Option<&File>, path: &Path) -> bool {
    match open {
        Some(file) => matches!((sys::identity_of(file), sys::file_identity(path)), (Ok(a), Ok(b)) if a == b),
        None => private::open_read(path).is_err(),
    }
}

fn end_of(file: &mut File, bound: u64) -> Vec<u8> {
    let mut text = Vec::new();
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let _ = file.seek(SeekFrom::Start(length.saturating_sub(bound)));
    let _ = file.take(bound).read_to_end(&mut text);
    text
}

/// What stands behind the last line's end.
fn last_line(text: &[u8]) -> &[u8] {
    let start = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    &text[start..]
}

fn events(text: &[u8]) -> Vec<Event> {
    let events = text.split(|&byte| byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
    events.map(Event::presentable).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::journal::Action;

    fn times(events: &[Event]) -> Vec<i64> {
        events.iter().map(|event| event.time).collect()
    }

    fn event(time: i64) -> Event {
        Event::new(time, Action::Run, "exit 0")
    }

    #[test]
    fn what_is_added_is_told_once_through_every_change_of_the_file() {
        let home = tempfile::tempdir().unwrap();
        let journal = Journal::at(home.path());
        let (all, mut follower) = journal.follow();
        assert_eq!((times(&all), times(&follower.added())), (vec![], vec![]));
        journal.record(&event(1));
        assert_eq!(times(&follower.added()), [1]);
        // Half a line, then the rest.
        let mut file = std::fs::OpenOptions::new().append(true).open(&journal.path).unwrap();
        let line = serde_json::to_vec(&event(2)).unwrap();
        file.write_all(&line[..9]).unwrap();
        assert!(follower.added().is_empty());
        let (all, mut late) = journal.follow();
        assert_eq!(times(&all), [1]);
        file.write_all(&line[9..]).unwrap();
        file.write_all(b"\n").unwrap();
        assert_eq!((times(&follower.added()), times(&late.added())), (vec![2], vec![2]));
        // Put by with something in it that was not told yet.
        journal.record(&event(3));
        std::fs::rename(&journal.path, previous_of(&journal.path)).unwrap();
        journal.record(&event(4));
        assert_eq!((times(&follower.added()), times(&late.added())), (vec![3, 4], vec![3, 4]));
        assert_eq!(times(&journal.follow().0), [1, 2, 3, 4]);
        // Emptied, removed, and there again.
        File::create(&journal.path).unwrap();
        journal.record(&event(5));
        std::fs::OpenOptions::new().write(true).open(&journal.path).unwrap().set_len(0).unwrap();
        assert!(follower.added().is_empty());
        journal.record(&event(6));
        assert_eq!(times(&follower.added()), [6]);
        std::fs::remove_file(&journal.path).unwrap();
        assert!(follower.added().is_empty());
        journal.record(&event(7));
        assert_eq!(times(&follower.added()), [7]);
    }

    #[test]
    fn of_another_version_s_lines_what_is_known_is_told() {
        let home = tempfile::tempdir().unwrap();
        let journal = Journal::at(home.path());
        let lines = [
            r#"{"time":1,"deed":"teleport","outcome":"done","whereto":{"x":1}}"#,
            r#"{"time":"yesterday","deed":"run","outcome":"exit 0"}"#,
            r#"{"deed":"run"}"#,
            "[]",
            r#"{"time":2,"deed":"answer","outcome":"answered","later":true}"#,
        ];
        std::fs::write(&journal.path, lines.join("\n") + "\n\u{0}\u{0}\n").unwrap();
        let all = journal.follow().0;
        assert_eq!(times(&all), [1, 2]);
        assert_eq!((all[0].action, all[1].action), (Action::Other, Action::Answer));
    }
}
