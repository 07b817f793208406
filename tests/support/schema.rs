//! Holds what `--json` says to the examples in `docs/json.md`: every name that is said stands in its example, and every name
//! of the example's top level is said.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

/// Fails unless `said` is of the shape of the example under the heading of `command`.
#[track_caller]
pub(crate) fn assert_documented(command: &str, said: &Value) {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/json.md")).expect("it is there");
    let (_, section) = text.split_once(&format!("## `{command}`\n")).expect("the command has a heading");
    let example = section.split_once("```json\n").and_then(|(_, rest)| rest.split_once("```")).expect("an example").0;
    let example: Value = serde_json::from_str(example).expect("the example is JSON");
    let names = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(said), names(&example), "{command}");
    let (said, example) = (places(said, ""), places(&example, ""));
    let unknown: Vec<_> = said.difference(&example).collect();
    assert!(unknown.is_empty(), "{command}: docs/json.md has no {unknown:?}");
}

/// Every name in it with those above.
fn places(value: &Value, above: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let place = format!("{above}.{name}");
                found.extend(places(value, &place));
                found.insert(place);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| found.extend(places(value, &format!("{above}[]")))),
        _ => {}
    }
    found
}
