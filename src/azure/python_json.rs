//! Strings as Python's `json.dumps` writes them, for what must be byte for byte what az or MSAL would have written.

use std::fmt::Write;

use zeroize::Zeroizing;

/// Which characters are escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escape {
    /// `ensure_ascii=True`, as in the token cache.
    NonAscii,
    /// `ensure_ascii=False`, as in what az prints.
    Needed,
}

/// Quotes a string (CPython 3.11, `json/encoder.py`, `ESCAPE_DCT`). The result is zeroed on drop: it may be a token.
#[must_use]
pub fn quote(text: &str, escape: Escape) -> Zeroizing<String> {
    let mut quoted = Zeroizing::new(String::with_capacity(text.len() * 2 + 2));
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            character if character < ' ' || (escape == Escape::NonAscii && !character.is_ascii()) => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    // Writing to a string cannot fail.
                    let _ = write!(quoted, "\\u{unit:04x}");
                }
            }
            character => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped_as_python_does() {
        let text = "a\"\\\n\t\u{8}\u{1}ä😀\u{7f}";
        assert_eq!(*quote(text, Escape::NonAscii), r#""a\"\\\n\t\b\u0001\u00e4\ud83d\ude00"#.to_owned() + "\u{7f}\"");
        assert_eq!(*quote(text, Escape::Needed), "\"a\\\"\\\\\\n\\t\\b\\u0001ä😀\u{7f}\"");
    }
}
