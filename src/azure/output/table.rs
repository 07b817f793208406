//! A table for people: a line for each item of a list, a column for each key (tabulate 0.10, `simple`). What needs more than
//! the width of ASCII, or fields that are not of one line, is not printed here.

use zeroize::Zeroizing;

use super::{Order, Selection, Value};

/// The keys that are left out (knack 0.14, `output.py`, `_TableOutput`).
const SKIPPED: [&str; 3] = ["id", "type", "etag"];

/// How much wider a column is than its heading.
const PADDING: usize = 2;

/// The fields of one line, under their headings.
type Row = Vec<(String, Zeroizing<String>)>;

pub(super) fn print(value: &Value<'_>, selection: Selection) -> Option<Zeroizing<String>> {
    let items = match value {
        Value::List(items) => items.as_slice(),
        other => std::slice::from_ref(other),
    };
    let rows = items.iter().map(|item| row(item, selection)).collect::<Option<Vec<Row>>>()?;
    let mut headings: Vec<(&str, usize)> = Vec::new();
    for (heading, field) in rows.iter().flatten() {
        match headings.iter_mut().find(|(other, _)| other == heading) {
            Some((_, width)) => *width = field.len().max(*width),
            None => headings.push((heading, field.len().max(heading.len() + PADDING))),
        }
    }
    let size = (rows.len() + 2) * headings.iter().map(|(_, width)| width + 2).sum::<usize>();
    let mut text = Zeroizing::new(String::with_capacity(size + 1));
    if rows.is_empty() {
        text.push('\n');
        return Some(text);
    }
    let widths: Vec<usize> = headings.iter().map(|(_, width)| *width).collect();
    let rules: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    line(&widths, headings.iter().map(|(heading, _)| *heading), &mut text);
    line(&widths, rules.iter().map(String::as_str), &mut text);
    for row in &rows {
        let field =
            |heading: &str| row.iter().find(|(other, _)| other == heading).map_or("", |(_, field)| field.as_str());
        line(&widths, headings.iter().map(|(heading, _)| field(heading)), &mut text);
    }
    Some(text)
}

fn line<'f>(widths: &[usize], fields: impl Iterator<Item = &'f str>, text: &mut String) {
    let begin = text.len();
    for (place, (width, field)) in widths.iter().zip(fields).enumerate() {
        text.push_str(if place > 0 { "  " } else { "" });
        text.push_str(field);
        text.extend(std::iter::repeat_n(' ', width - field.len()));
    }
    let end = begin + text[begin..].trim_end().len();
    text.truncate(end);
    text.push('\n');
}

fn row(item: &Value<'_>, selection: Selection) -> Option<Row> {
    let mut row = Row::new();
    match item {
        Value::Map(map) => {
            let entries = match selection {
                Selection::Whole if map.order == Order::Keys => map.sorted(),
                _ => map.entries.iter().collect(),
            };
            for (key, value) in entries {
                if !SKIPPED.contains(&key.as_ref()) && *value != Value::Null && !value.is_compound() {
                    row.push((heading(key)?, field(value)?));
                }
            }
        }
        Value::List(values) => {
            for (place, value) in values.iter().enumerate() {
                row.push((format!("Column{}", place + 1), field(value)?));
            }
        }
        value => row.push(("Result".to_owned(), field(value)?)),
    }
    let is_twice = |place: usize| row[..place].iter().any(|(heading, _)| *heading == row[place].0);
    (!row.is_empty() && !(0..row.len()).any(is_twice)).then_some(row)
}

/// A key with its first letter capital.
fn heading(key: &str) -> Option<String> {
    let first = key.chars().next()?;
    (is_plain(key) && key.trim() == key).then(|| first.to_ascii_uppercase().to_string() + &key[1..])
}

fn field(value: &Value<'_>) -> Option<Zeroizing<String>> {
    let text = match value {
        Value::Null => String::new(),
        Value::Bool(value) => (if *value { "True" } else { "False" }).to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Text(text) => text.trim_matches(' ').to_owned(),
        // It would be Python's own notation.
        Value::List(_) | Value::Map(_) => return None,
    };
    is_plain(&text).then(|| Zeroizing::new(text))
}

fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, selection: Selection) -> Option<String> {
        print(&serde_json::from_str(text).unwrap(), selection).map(|text| text.to_string())
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_and_a_line_ends_with_its_last_field() {
        let list =
            "[{\"name\": \"x\", \"id\": 1, \"on\": true, \"more\": []}, {\"name\": \"longer name\", \"a\": null}]";
        assert_eq!(
            of(list, Selection::Query).unwrap(),
            "Name         On\n-----------  ----\nx            True\nlonger name\n"
        );
        assert_eq!(of("{\"b\": 1, \"a\": \"\"}", Selection::Whole).unwrap(), "A    B\n---  ---\n     1\n");
        assert_eq!(of("[\"x\"]", Selection::Query).unwrap(), "Result\n--------\nx\n");
        assert_eq!(of("[[\"x\", null]]", Selection::Query).unwrap(), "Column1    Column2\n---------  ---------\nx\n");
        assert_eq!(of("[]", Selection::Whole).unwrap(), "\n");
    }

    #[test]
    fn what_is_wide_or_of_several_lines_is_left_to_az() {
        for text in
            ["{\"a\": \"ä\"}", "{\"a\": \"x\\ny\"}", "{\"ä\": 1}", "{\"id\": 1}", "{\"a\": 1, \"A\": 2}", "[[[]]]"]
        {
            assert_eq!(of(text, Selection::Whole), None, "{text}");
        }
    }
}
