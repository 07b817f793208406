//! Text of others, before it is logged or shown: names of accounts and directories, what the operating system or a file
//! says. Here and nowhere else it is bounded and escaped, so that none of it moves a terminal's cursor, turns a line
//! around, forges a line of ours, or makes the journal grow. Printable text stays as it is, whatever its script; what is
//! escaped looks like `\u{1b}`. Doing it twice is the same as doing it once. Nothing here fails.
//!
//! A [`line`] of ours that has such text in it is also one that callers search, every SDK for Azure among them: for what az, a
//! shell or Entra ID says. Text that reads so, whoever put it there, is broken by one escape.

use std::fmt::Write;
use std::path::Path;

/// How much of a name is shown, in characters.
const NAME: usize = 200;
/// How much of a path is shown, in characters; its end tells more than its middle, so the middle goes.
const PATH: usize = 600;
/// How much of a whole line is shown, in characters: more than two paths.
const LINE: usize = 1400;

/// Stands where something was left out.
const CUT: char = '…';

/// What callers search stderr for, and which of its characters is escaped so that they do not find it in a line of ours.
const SEARCHED: [(&str, usize); 5] =
    [("az:", 2), ("az login", 2), ("az account set", 2), ("is not recognized", 6), ("aadsts", 5)];

/// A name of others' (an account, a tenant, a process, a word of an endpoint) as it may be logged and shown.
#[must_use]
pub(crate) fn name(text: &str) -> String {
    bounded(text, NAME)
}

/// Bytes in hexadecimal, two digits each.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A path without the mark that Windows puts before one that it has resolved (`\\?\C:\…`): people name it without.
fn as_named(path: &Path) -> &Path {
    let plain = path.to_str().filter(|_| cfg!(windows)).and_then(|path| path.strip_prefix(r"\\?\"));
    plain.filter(|plain| plain.as_bytes().get(1) == Some(&b':')).map_or(path, Path::new)
}

/// A path as it may be logged and shown; bytes that are no text are `\xff`.
#[must_use]
pub(crate) fn path(path: &Path) -> String {
    let mut escaped = String::new();
    for chunk in as_named(path).as_os_str().as_encoded_bytes().utf8_chunks() {
        escape_into(&mut escaped, chunk.valid());
        for byte in chunk.invalid() {
            let _ = write!(escaped, "\\x{byte:02x}");
        }
    }
    let count = escaped.chars().count();
    if count <= PATH {
        return escaped;
    }
    let front: String = escaped.chars().take(PATH / 2).collect();
    let back = escaped.chars().skip(count - (PATH - PATH / 2 - 1));
    front.chars().chain([CUT]).chain(back).collect()
}

/// A line of ours that others' text may stand in, as it may be logged and shown: one line, and none that callers would
/// take for one of az's.
#[must_use]
pub(crate) fn line(text: &str) -> String {
    let mut line = bounded(text, LINE);
    // Lower case of ASCII alone, so that places are the same in both.
    let mut lower = line.to_ascii_lowercase();
    while let Some(place) = place_to_break(&lower) {
        let escape = format!("\\u{{{:x}}}", line.as_bytes()[place]);
        line.replace_range(place..=place, &escape);
        lower.replace_range(place..=place, &escape);
    }
    line
}

/// The character of a line, which is in lower case, that is to be escaped first. A list has hundreds of lines, so each is gone through
/// once.
fn place_to_break(lower: &str) -> Option<usize> {
    let bytes = lower.as_bytes();
    let begins = |place: usize| {
        let found = SEARCHED.iter().find(|(searched, _)| bytes[place..].starts_with(searched.as_bytes()));
        found.map(|(_, at)| place + at)
    };
    (0..bytes.len()).filter(|place| matches!(bytes[*place], b'a' | b'i')).find_map(begins)
}

/// A JSON text of ours, for programs, that may end on a terminal all the same: its strings mean what they meant.
#[must_use]
pub(crate) fn json(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        // JSON has escaped the controls of ASCII; those that are left stand between its strings.
        if character.is_ascii() || !is_unseen(character) {
            escaped.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            let _ = write!(escaped, "\\u{unit:04x}");
        }
    }
    escaped
}

fn bounded(text: &str, limit: usize) -> String {
    // Most text is short and plain.
    if text.len() <= limit && text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.to_owned();
    }
    let mut escaped = String::with_capacity(text.len().min(4 * limit));
    // One character is never less than one when it is escaped, so more than these cannot be shown.
    let end = text.char_indices().nth(limit + 1).map_or(text.len(), |(end, _)| end);
    escape_into(&mut escaped, &text[..end]);
    if let Some((end, _)) = escaped.char_indices().nth(limit) {
        let before = escaped[..end].char_indices().next_back().map_or(0, |(before, _)| before);
        escaped.truncate(before);
        escaped.push(CUT);
    }
    escaped
}

fn escape_into(escaped: &mut String, text: &str) {
    for character in text.chars() {
        if is_unseen(character) {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
}

/// Whether a character does something to what is around it instead of being seen: controls, directions, joins, separators
/// of lines, blanks of no width, tags.
fn is_unseen(character: char) -> bool {
    // Most are, and are told apart at once.
    if character.is_ascii() {
        return character.is_ascii_control();
    }
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{fffe}'..='\u{ffff}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printable_text_of_every_script_stays() {
        for text in ["jörg@contoso.example", "東京 支店", "Ελλάδα", "مرحبا", "🐧", "C:\\Users\\o'brien", "a\u{301}", ""]
        {
            assert_eq!((name(text), line(text), path(Path::new(text))), (text.into(), text.into(), text.into()));
        }
    }

    #[test]
    fn what_moves_turns_or_hides_is_escaped_once() {
        for (text, escaped) in [
            ("\u{1b}[2J\u{1b}]0;x\u{7}", "\\u{1b}[2J\\u{1b}]0;x\\u{7}"),
            ("a\r\nhint: b", "a\\r\\nhint: b"),
            ("\u{9b}31m\u{7f}\0\t", "\\u{9b}31m\\u{7f}\\u{0}\\t"),
            ("exe.\u{202e}cod\u{2066}\u{2069}", "exe.\\u{202e}cod\\u{2066}\\u{2069}"),
            ("a\u{200b}b\u{feff}\u{2028}\u{2029}", "a\\u{200b}b\\u{feff}\\u{2028}\\u{2029}"),
            ("\u{e0041}\u{3164}", "\\u{e0041}\\u{3164}"),
        ] {
            assert_eq!(name(text), escaped);
            assert_eq!(line(text), escaped);
            assert_eq!(path(Path::new(text)), escaped);
            assert_eq!(line(&name(text)), escaped);
        }
    }

    #[test]
    fn json_means_the_same_and_hides_nothing() {
        let value = serde_json::json!({ "ö\u{1b}\u{202e}": ["\u{9b}31m", "\u{e0041}東", 1] });
        let text = json(&format!("{value:#}"));
        assert!(!text.contains(['\u{1b}', '\u{9b}', '\u{202e}', '\u{e0041}']) && text.contains('\n'), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }

    #[test]
    fn what_is_long_is_cut_after_it_was_escaped() {
        let length = |text: &str| text.chars().count();
        for unit in ["x", "\u{1b}", "東", "\u{202e}x"] {
            for count in [1, 33, NAME, NAME + 1, 10 * LINE] {
                let text = unit.repeat(count);
                let (name, line, path) = (name(&text), line(&text), path(Path::new(&text)));
                assert!(length(&name) <= NAME && length(&line) <= LINE && length(&path) <= PATH, "{unit:?} {count}");
                assert_eq!((super::name(&name), super::line(&line)), (name.clone(), line.clone()));
                assert_eq!(super::path(Path::new(&path)), path);
            }
        }
        assert!(name(&"x".repeat(NAME + 1)).ends_with("x…"));
        assert_eq!(name(&"x".repeat(NAME)), "x".repeat(NAME));
        let deep = format!("/{}/end", "x".repeat(5000));
        assert!(path(Path::new(&deep)).starts_with("/xxx") && path(Path::new(&deep)).ends_with("x/end"));
    }

    #[test]
    fn no_line_reads_like_one_that_callers_search_for() {
        for text in [
            "cannot open `/az: x/not found`",
            "AZ: command not found",
            "it is not recognized as such, IS NOT RECOGNIZED",
            "run az login, az login",
            "AADSTS70043: aadsts",
            "aaz:z:",
            "az\u{1b}: az: az:",
        ] {
            let line = line(text).to_lowercase();
            for (searched, _) in SEARCHED {
                assert!(!line.contains(searched), "{line}");
            }
        }
        assert_eq!(line("azward: az logins are not recognised"), "azward: az\\u{20}logins are not recognised");
    }

    #[cfg(unix)]
    #[test]
    fn bytes_that_are_no_text_are_shown_by_their_numbers() {
        use std::os::unix::ffi::OsStrExt;
        let odd = std::ffi::OsStr::from_bytes(b"/h\xff\xfe\x1b\xc3\xb6/\xe2\x82");
        assert_eq!(path(Path::new(odd)), "/h\\xff\\xfe\\u{1b}ö/\\xe2\\x82");
    }
}
