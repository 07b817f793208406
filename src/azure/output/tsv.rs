//! Tab-separated values: a line for each item of a list, or one for what is none; a field for each value of an item.

use zeroize::Zeroizing;

use super::{Order, Value};

pub(super) fn print(value: &Value<'_>) -> Zeroizing<String> {
    let items = match value {
        Value::List(items) => items.as_slice(),
        other => std::slice::from_ref(other),
    };
    let mut text = Zeroizing::new(String::with_capacity(items.iter().map(size).sum()));
    for item in items {
        row(item, &mut text);
        text.push('\n');
    }
    text
}

fn row(item: &Value<'_>, text: &mut String) {
    match item {
        Value::List(values) => fields(values.iter(), text),
        Value::Map(map) if map.order == Order::Keys => fields(map.sorted().into_iter().map(|(_, value)| value), text),
        Value::Map(map) => fields(map.entries.iter().map(|(_, value)| value), text),
        // Only here are they in lower case.
        Value::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
        value => field(value, text),
    }
}

fn fields<'v, 'a: 'v>(values: impl Iterator<Item = &'v Value<'a>>, text: &mut String) {
    for (place, value) in values.enumerate() {
        if place > 0 {
            text.push('\t');
        }
        field(value, text);
    }
}

fn field(value: &Value<'_>, text: &mut String) {
    match value {
        Value::Null => text.push_str("None"),
        Value::Bool(value) => text.push_str(if *value { "True" } else { "False" }),
        Value::Number(number) => text.push_str(&number.to_string()),
        Value::Text(string) => text.push_str(string),
        Value::List(items) => text.push_str(&items.len().to_string()),
        Value::Map(_) => {}
    }
}

/// As many bytes as a line takes, or more.
fn size(item: &Value<'_>) -> usize {
    match item {
        Value::List(values) => values.iter().map(size).sum::<usize>() + 24,
        Value::Map(map) => map.entries.iter().map(|(_, value)| size(value)).sum::<usize>() + 24,
        Value::Text(text) => text.len() + 2,
        Value::Null | Value::Bool(_) | Value::Number(_) => 24,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> String {
        print(&serde_json::from_str(text).unwrap()).to_string()
    }

    #[test]
    fn a_list_is_as_many_lines_and_what_is_in_a_field_is_a_number_or_nothing() {
        assert_eq!(of("{\"b\": true, \"a\": [1, 2], \"c\": {\"x\": 1}, \"d\": null}"), "2\tTrue\t\tNone\n");
        assert_eq!(of("[\"x\", true, null, [1, \"y\"]]"), "x\ntrue\nNone\n1\ty\n");
        assert_eq!((of("[]"), of("\"x\"")), (String::new(), "x\n".to_owned()));
    }
}
