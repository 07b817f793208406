//! What nearly every `config.toml` is: blank lines, comments, and lines like `name = "word"` or `name = 60`. Every command reads it,
//! and TOML whole is a tenth of what an answer has to load. What is anything else is for who understands all of TOML, errors too.

use super::key::Value;

/// A setting as it stands there.
#[derive(Debug, PartialEq)]
pub(super) struct Line<'a> {
    pub(super) name: &'a str,
    pub(super) value: Value,
    /// Where its name begins, in bytes.
    pub(super) place: usize,
}

/// The settings in `text`; `None` where it is not so plain.
pub(super) fn read(text: &str) -> Option<Vec<Line<'_>>> {
    let mut lines: Vec<Line<'_>> = Vec::new();
    let mut next = 0;
    for whole in text.split('\n') {
        let start = next;
        next += whole.len() + 1;
        // Where there is no end of a line a carriage return is none.
        let whole = if next <= text.len() { whole.strip_suffix('\r').unwrap_or(whole) } else { whole };
        if whole.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
            return None;
        }
        let line = blank(whole);
        if is_over(line) {
            continue;
        }
        let (name, value) = line.split_once('=')?;
        let name = blank(name);
        let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if name.is_empty() || !name.bytes().all(is_bare) || lines.iter().any(|line| line.name == name) {
            return None;
        }
        let place = start + (name.as_ptr().addr() - whole.as_ptr().addr());
        lines.push(Line { name, value: value_of(blank(value))?, place });
    }
    Some(lines)
}

/// A word in quotes, or a number, with nothing but a comment behind it.
fn value_of(text: &str) -> Option<Value> {
    if let Some(rest) = text.strip_prefix('"') {
        let (word, rest) = rest.split_once('"')?;
        return (!word.contains('\\') && is_over(blank(rest))).then(|| Value::Text(word.to_owned()));
    }
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let is_number = matches!(digits.len(), 1..=18) && (digits.len() == 1 || !digits.starts_with('0'));
    (is_number && is_over(blank(rest))).then(|| digits.parse().ok().map(Value::Number)).flatten()
}

/// Without the white space that TOML knows within a line.
fn blank(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

fn is_over(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('#')
}

#[cfg(test)]
mod tests {
    use toml_edit::Document;

    use super::super::file::value_of;
    use super::*;

    /// As TOML has it: the names with their values and places, in their order.
    fn by_toml(text: &str) -> Option<Vec<(String, Value, usize)>> {
        let document = Document::parse(text).ok()?;
        let all = document.iter().map(|(name, item)| {
            let place = document.key(name).and_then(toml_edit::Key::span).unwrap().start;
            (name.to_owned(), value_of(item), place)
        });
        Some(all.collect())
    }

    #[test]
    fn what_is_plain_is_what_toml_says_it_is() {
        let names = ["a", "key_cache-9", " a\t", "b.c", "\"a\"", "ä", "", "[a]", "a b", "\u{feff}a"];
        let values = [
            "\"auto\"",
            "60",
            "0",
            "007",
            "-1",
            "+1",
            "1_0",
            "0x1f",
            "1.5",
            "true",
            "\"\"",
            "\"\"\"",
            "\"\"\"a\"\"\"",
            "'a'",
            "\"a\\tb\"",
            "\"a\u{7f}\"",
            "\"a\u{1}\"",
            "\"ä#\" # x",
            "\"a\"b",
            "1 2",
            "",
            "[1]",
            "{}",
            "\"a\nb\"",
            "1979-05-27",
            "99999999999999999999",
            "\"a\"\t#\u{0}",
            "\"a\u{a0}\"",
            "\"a\"\u{a0}",
            "1#",
            "\"a",
            "\"a\"\r",
            "\"a\"\r\r",
        ];
        let ends = ["", "\n", "\r\n", "\n\n# all\n", "\r", "\n\r", "\nz = 1", "\na = 1", "\n\tz=\"\" \n", "\n#\u{c}"];
        let mut plain = 0;
        for name in names {
            for value in values {
                for end in ends {
                    let text = format!("# first\r\n\n{name} = {value}{end}");
                    if let Some(lines) = read(&text) {
                        plain += 1;
                        let lines = lines.into_iter().map(|line| (line.name.to_owned(), line.value, line.place));
                        assert_eq!(Some(lines.collect()), by_toml(&text), "{text:?}");
                    }
                }
            }
        }
        assert!(plain > 100, "{plain}");
    }
}
