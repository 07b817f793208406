//! JSON as `json.dumps` writes it for az: two spaces a level, keys in order, nothing escaped that need not be.

use zeroize::Zeroizing;

use super::Value;
use crate::azure::python_json::{Escape, quote};

pub(super) fn print(value: &Value<'_>) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(size(value)));
    write(value, 0, &mut text);
    text.push('\n');
    text
}

fn write(value: &Value<'_>, depth: usize, text: &mut String) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => text.push_str(&number.to_string()),
        Value::Text(string) => write_string(string, text),
        Value::List(items) if items.is_empty() => text.push_str("[]"),
        Value::List(items) => {
            for (place, item) in items.iter().enumerate() {
                text.push(if place == 0 { '[' } else { ',' });
                begin_line(depth + 1, text);
                write(item, depth + 1, text);
            }
            begin_line(depth, text);
            text.push(']');
        }
        Value::Map(map) if map.entries.is_empty() => text.push_str("{}"),
        Value::Map(map) => {
            for (place, (key, value)) in map.sorted().into_iter().enumerate() {
                text.push(if place == 0 { '{' } else { ',' });
                begin_line(depth + 1, text);
                write_string(key, text);
                text.push_str(": ");
                write(value, depth + 1, text);
            }
            begin_line(depth, text);
            text.push('}');
        }
    }
}

fn write_string(string: &str, text: &mut String) {
    let is_plain = string.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\');
    if is_plain {
        text.push('"');
        text.push_str(string);
        text.push('"');
    } else {
        text.push_str(&quote(string, Escape::Needed));
    }
}

fn begin_line(depth: usize, text: &mut String) {
    text.push('\n');
    (0..depth).for_each(|_| text.push_str("  "));
}

/// About as many bytes as it takes, so that a token is not left behind where the text outgrew its place.
fn size(value: &Value<'_>) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 24,
        Value::Text(text) => text.len() + 24,
        Value::List(items) => items.iter().map(size).sum::<usize>() + 24,
        Value::Map(map) => map.entries.iter().map(|(key, value)| key.len() + size(value)).sum::<usize>() + 24,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sorted_and_empty_ones_stay_on_their_line() {
        let value = serde_json::from_str("{\"b\": [], \"a\": [{}, \"ä\\\"\", [1, null]], \"_\": false}").unwrap();
        let expected = "{\n  \"_\": false,\n  \"a\": [\n    {},\n    \"ä\\\"\",\n    [\n      1,\n      null\n    ]\n  ],\n  \"b\": []\n}\n";
        assert_eq!(*print(&value), expected);
        assert_eq!(*print(&Value::text("x")), "\"x\"\n");
    }
}
