//! A cloud with all its endpoints, as `az cloud show` has it: those that az itself knows, out of its own source, and over
//! them what `clouds.config` says (azure-cli-core 2.91.0, `cloud.py`, `get_clouds`).

use std::borrow::Cow;

use crate::azure::ConfigDir;
use crate::azure::clouds::Cloud;
use crate::azure::ini::Ini;
use crate::azure::output::{Map, Value};

/// One half of a cloud: what its options begin with, the class of its values and the name they are shown under.
struct Half {
    prefix: &'static str,
    class: &'static str,
    key: &'static str,
}

const HALVES: [Half; 2] = [
    Half { prefix: "endpoint_", class: "CloudEndpoints", key: "endpoints" },
    Half { prefix: "suffix_", class: "CloudSuffixes", key: "suffixes" },
];

/// The attributes of one half, in az's order, with what they are set to.
type Attributes = Vec<(String, Option<String>)>;

/// The cloud of this name, or the active one; `None` too where it is not registered. `source` is az's own of its clouds.
pub(super) fn cloud(
    source: &str,
    named: Option<&str>,
    active: &Cloud,
    config_dir: &ConfigDir,
) -> Option<Value<'static>> {
    let name = named.filter(|name| !name.is_empty()).unwrap_or(&active.name);
    let registered = Ini::read(&config_dir.path().join("clouds.config"))?;
    let known = known(source, name)?;
    if known.is_empty() && !registered.has_section(name) {
        return None;
    }
    let mut halves = Vec::new();
    for half in HALVES {
        let mut attributes: Attributes =
            attributes(source, half.class)?.into_iter().map(|name| (name.to_owned(), None)).collect();
        for own in known.iter().filter(|own| own.class == half.class) {
            set(&mut attributes, own.attribute, own.value);
        }
        for option in registered.options(name).filter(|option| option.starts_with(half.prefix)) {
            let attribute = option.replace(half.prefix, "");
            // Two names for one attribute, and none for it.
            if attribute.len() + half.prefix.len() != option.len() || attribute.is_empty() || attribute.starts_with('_')
            {
                return None;
            }
            set(&mut attributes, &attribute, registered.get(name, option)?);
        }
        halves.push((half.key, attributes));
    }
    let endpoints = &mut halves[0].1;
    let value_of = |endpoints: &Attributes, name: &str| endpoints.iter().find(|(own, _)| own == name)?.1.clone();
    if value_of(endpoints, "management").is_none()
        && let Some(resource_manager) = value_of(endpoints, "resource_manager")
    {
        set(endpoints, "management", &resource_manager);
    }
    let mut entries: Vec<(Cow<'static, str>, Value<'static>)> = vec![("name".into(), Value::text(name.to_owned()))];
    for (key, attributes) in halves {
        let entry = |(name, value): (String, Option<String>)| {
            (in_camel_case(&name).into(), value.map_or(Value::Null, Value::text))
        };
        let attributes: Vec<(Cow<'static, str>, _)> = attributes.into_iter().map(entry).collect();
        let is_twice = |place: usize| attributes[..place].iter().any(|(key, _)| *key == attributes[place].0);
        if (0..attributes.len()).any(is_twice) {
            return None;
        }
        entries.push((key.into(), Value::Map(Map::of(attributes))));
    }
    // Where another is registered nothing is known of any cloud.
    entries.push(("profile".into(), Value::text("latest")));
    entries.push(("isActive".into(), Value::Bool(name == active.name)));
    Some(Value::Map(Map::of(entries)))
}

fn set(attributes: &mut Attributes, name: &str, value: &str) {
    let value = Some(value.to_owned());
    match attributes.iter_mut().find(|(own, _)| own == name) {
        Some(attribute) => attribute.1 = value,
        None => attributes.push((name.to_owned(), value)),
    }
}

/// The attributes that a class sets when it is made.
fn attributes<'s>(source: &'s str, class: &str) -> Option<Vec<&'s str>> {
    let body = source.split_once(&format!("\nclass {class}:"))?.1.split_once("\nclass ")?.0;
    let attribute = |line: &'s str| {
        let (name, value) = line.trim().strip_prefix("self.")?.split_once(" = ")?;
        (name == value).then_some(name)
    };
    let attributes: Vec<_> = body.lines().filter_map(attribute).collect();
    (!attributes.is_empty()).then_some(attributes)
}

/// One thing that az itself knows of a cloud.
struct Known<'s> {
    class: &'s str,
    attribute: &'s str,
    value: &'s str,
}

/// What az itself knows of a cloud; nothing of one that it does not know.
fn known<'s>(source: &'s str, name: &str) -> Option<Vec<Known<'s>>> {
    let list = source.split_once("\nHARD_CODED_CLOUD_LIST = [")?.1.split_once(']')?.0;
    for cloud in list.split(',').map(str::trim) {
        let body = source.split_once(&format!("\n{cloud} = Cloud(\n"))?.1.split_once("\n\n")?.0;
        let mut lines = body.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        let member = lines.next()?.strip_prefix("CloudNameEnum.")?.strip_suffix(',')?;
        let own_name = source.split_once(&format!("\n    {member} = '"))?.1.split_once('\'')?.0;
        if own_name != name {
            continue;
        }
        let mut class = None;
        let mut values = Vec::new();
        for line in lines {
            let (key, value) = line.split_once('=')?;
            if let Some(begun) = value.strip_suffix('(') {
                class = Some(begun);
                continue;
            }
            let (value, rest) = value.strip_prefix('\'')?.split_once('\'')?;
            if value.contains('\\') || ![",", "),", "))"].contains(&rest) {
                return None;
            }
            values.push(Known { class: class?, attribute: key, value });
        }
        return Some(values);
    }
    Some(Vec::new())
}

/// A name as az shows it (knack 0.14, `util.py`, `to_camel_case`).
fn in_camel_case(name: &str) -> String {
    let mut shown = String::new();
    let mut characters = name.chars().peekable();
    while let Some(character) = characters.next() {
        match characters.next_if(|next| character == '_' && !shown.is_empty() && next.is_ascii_alphabetic()) {
            Some(next) => shown.push(next.to_ascii_uppercase()),
            None => shown.push(character),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_az_writes_them() {
        for (name, shown) in [("a_b_cd", "aBCd"), ("_a", "_a"), ("a_1", "a_1"), ("a__b", "a_B"), ("a_", "a_")] {
            assert_eq!(in_camel_case(name), shown);
        }
    }
}
