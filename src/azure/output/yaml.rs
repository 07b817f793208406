//! YAML as `yaml.safe_dump` writes it for az: in blocks, keys in order. A string is written plainly or not at all, but for
//! the one kind that az itself makes and that would be read as a time.

use zeroize::Zeroizing;

use super::{Map, Order, Selection, Value};

/// Beyond this column PyYAML breaks a line where there is a space.
const WIDTH: usize = 80;

/// What would be read as something else than a string.
const RESERVED: [&str; 10] = ["yes", "no", "true", "false", "on", "off", "null", ".inf", ".nan", "="];

pub(super) fn print(value: &Value<'_>, selection: Selection) -> Option<Zeroizing<String>> {
    // An object that a query took twice is written once and referred to; not where the result has an OrderedDict, for
    // which az copies it all.
    if selection == Selection::Query && !has_ordered(value) && repeats(&mut Vec::new(), value) {
        return None;
    }
    let mut text = Zeroizing::new(String::new());
    match value {
        Value::Map(map) if !map.entries.is_empty() => entries(map, 0, Place::OwnLine, &mut text)?,
        Value::List(list) if !list.is_empty() => items(list, 0, Place::OwnLine, &mut text)?,
        _ => {
            let style = scalar(value, 0, &mut text)?;
            text.push('\n');
            if style == Style::Plain {
                text.push_str("...\n");
            }
        }
    }
    Some(text)
}

/// Where a block begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// On a line of its own.
    OwnLine,
    /// Behind the dash of the list that it is in.
    BehindDash,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    /// With quotes, or brackets.
    Marked,
}

fn entries(map: &Map<'_>, indent: usize, place: Place, text: &mut String) -> Option<()> {
    for (nth, (key, value)) in map.sorted().into_iter().enumerate() {
        if nth > 0 || place == Place::OwnLine {
            text.extend(std::iter::repeat_n(' ', indent));
        }
        if style(key)? != Style::Plain || key.len() > WIDTH {
            return None;
        }
        text.push_str(key);
        text.push(':');
        match value {
            Value::Map(map) if !map.entries.is_empty() => {
                text.push('\n');
                entries(map, indent + 2, Place::OwnLine, text)?;
            }
            Value::List(list) if !list.is_empty() => {
                text.push('\n');
                items(list, indent, Place::OwnLine, text)?;
            }
            _ => {
                text.push(' ');
                scalar(value, indent + key.len() + 2, text)?;
                text.push('\n');
            }
        }
    }
    Some(())
}

fn items(list: &[Value<'_>], indent: usize, place: Place, text: &mut String) -> Option<()> {
    for (nth, item) in list.iter().enumerate() {
        if nth > 0 || place == Place::OwnLine {
            text.extend(std::iter::repeat_n(' ', indent));
        }
        text.push_str("- ");
        match item {
            Value::Map(map) if !map.entries.is_empty() => entries(map, indent + 2, Place::BehindDash, text)?,
            Value::List(list) if !list.is_empty() => items(list, indent + 2, Place::BehindDash, text)?,
            _ => {
                scalar(item, indent + 2, text)?;
                text.push('\n');
            }
        }
    }
    Some(())
}

/// Writes what stands on one line, from `column` on.
fn scalar(value: &Value<'_>, column: usize, text: &mut String) -> Option<Style> {
    let (written, style) = match value {
        Value::Null => ("null", Style::Plain),
        Value::Bool(true) => ("true", Style::Plain),
        Value::Bool(false) => ("false", Style::Plain),
        Value::Number(number) => {
            text.push_str(&number.to_string());
            return Some(Style::Plain);
        }
        Value::List(_) => ("[]", Style::Marked),
        Value::Map(_) => ("{}", Style::Marked),
        Value::Text(string) => {
            if string.contains(' ') && column + string.chars().count() + 2 > WIDTH {
                return None;
            }
            let style = style(string)?;
            if style == Style::Marked {
                text.push('\'');
                text.push_str(string);
                text.push('\'');
                return Some(style);
            }
            (string.as_ref(), style)
        }
    };
    text.push_str(written);
    Some(style)
}

/// How a string is written, if that is certain (PyYAML 6.0, `emitter.py`, `analyze_scalar`; `resolver.py`).
fn style(string: &str) -> Option<Style> {
    if is_like(string, "9999-99-99 99:99:99.999999") {
        return Some(Style::Marked);
    }
    let is_inner = |c: char| c.is_ascii_alphanumeric() || " _-./:@+(),".contains(c) || is_foreign_letter(c);
    let may_stand = string.chars().all(is_inner)
        && !string.contains("  ")
        && !string.contains(": ")
        && !string.ends_with([' ', ':'])
        && !RESERVED.iter().any(|reserved| string.eq_ignore_ascii_case(reserved));
    let mut characters = string.chars();
    let begins_well = match (characters.next()?, characters.next()) {
        (first, _) if first.is_ascii_alphabetic() || first == '/' || is_foreign_letter(first) => true,
        ('.', Some(second)) => second.is_ascii_alphabetic(),
        (first, _) if first.is_ascii_digit() => is_guid(string) || is_version(string),
        _ => false,
    };
    (may_stand && begins_well).then_some(Style::Plain)
}

fn is_foreign_letter(character: char) -> bool {
    ('\u{a0}'..='\u{d7ff}').contains(&character) && character.is_alphanumeric()
}

fn is_guid(string: &str) -> bool {
    let hex = string.replace(|c: char| c.is_ascii_hexdigit(), "9");
    hex == "99999999-9999-9999-9999-999999999999"
}

/// Whether it has more dots than a number, and nothing else that a number or a time could have.
fn is_version(string: &str) -> bool {
    string.bytes().filter(|byte| *byte == b'.').count() > 1
        && string.bytes().all(|byte| byte == b'.' || byte.is_ascii_alphanumeric())
}

fn is_like(string: &str, pattern: &str) -> bool {
    let fits = |(byte, like): (u8, u8)| if like == b'9' { byte.is_ascii_digit() } else { byte == like };
    string.len() == pattern.len() && string.bytes().zip(pattern.bytes()).all(fits)
}

/// Whether a list or a dictionary is there that is like one that was `met` before.
fn repeats<'v, 'a>(met: &mut Vec<&'v Value<'a>>, value: &'v Value<'a>) -> bool {
    if value.is_compound() && met.contains(&value) {
        return true;
    }
    match value {
        Value::List(items) => {
            met.push(value);
            items.iter().any(|item| repeats(met, item))
        }
        Value::Map(map) => {
            met.push(value);
            map.entries.iter().any(|(_, value)| repeats(met, value))
        }
        _ => false,
    }
}

fn has_ordered(value: &Value<'_>) -> bool {
    match value {
        Value::List(items) => items.iter().any(has_ordered),
        Value::Map(map) => map.order == Order::AsTheyCame || map.entries.iter().any(|(_, value)| has_ordered(value)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<String> {
        print(&serde_json::from_str(text).unwrap(), Selection::Query).map(|text| text.to_string())
    }

    #[test]
    fn lists_stand_under_their_keys_and_blocks_behind_their_dashes() {
        let text = "{\"b\": [{\"y\": 1, \"x\": [\"p\", [\"q\"]]}, []], \"a\": {\"c\": {}, \"d\": null}}";
        assert_eq!(of(text).unwrap(), "a:\n  c: {}\n  d: null\nb:\n- x:\n  - p\n  - - q\n  y: 1\n- []\n");
        assert_eq!(of("[\"x\"]").unwrap(), "- x\n");
        assert_eq!((of("\"x y\"").unwrap(), of("[]").unwrap()), ("x y\n...\n".to_owned(), "[]\n".to_owned()));
        assert_eq!(of("\"2026-01-02 03:04:05.000000\"").unwrap(), "'2026-01-02 03:04:05.000000'\n");
    }

    #[test]
    fn what_may_be_quoted_broken_or_read_otherwise_is_left_to_az() {
        for text in [
            "",
            " x",
            "x ",
            "x: y",
            "x #y",
            "yes",
            "12",
            "1.5",
            "2026-01-02",
            "1:20",
            "-x",
            "x:",
            ".5",
            "~",
            "'x",
            "x\ny",
        ] {
            assert_eq!(of(&serde_json::to_string(text).unwrap()), None, "{text:?}");
        }
        assert_eq!(of(&format!("{{\"a\": \"{}x\"}}", "word ".repeat(20))), None);
        for text in ["[{\"a\": 1}, {\"a\": 1}]", "[{\"a\": 1}, [{\"a\": 1}]]", "[[], [[]]]"] {
            assert_eq!(of(text), None, "{text}: one object may be there twice");
        }
        for text in ["N/A(tenant level account)", "https://x.example:8443/", ".vault.azure.net", "2.91.0", "Zoë"] {
            assert_eq!(of(&serde_json::to_string(text).unwrap()).unwrap(), format!("{text}\n...\n"));
        }
    }
}
