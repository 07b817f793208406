//! A value as az prints it, byte for byte (knack 0.14, `output.py`). Of every format as much is written as is certain to be
//! the same; what is not is `None`, and whoever asks then leaves the matter to the real az.

mod json;
mod table;
mod tsv;
mod yaml;

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

/// How a value is to be printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `json`, and `jsonc` where there is no colour.
    Json,
    /// `tsv`.
    Tsv,
    /// `table`.
    Table,
    /// `yaml`, and `yamlc` where there is no colour.
    Yaml,
    /// `none`.
    Nothing,
}

/// What of a command's result is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    /// All of it.
    Whole,
    /// What `--query` made of it.
    Query,
}

/// What a command results in: JSON, with its keys in the order in which they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// `None`.
    Null,
    /// `True` or `False`.
    Bool(bool),
    /// An integer: no command that is answered has any other number.
    Number(i64),
    /// A string.
    Text(Cow<'a, str>),
    /// A list.
    List(Vec<Self>),
    /// A dictionary.
    Map(Map<'a>),
}

/// A dictionary: no key is there twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map<'a> {
    /// The keys, with what is under them.
    pub entries: Vec<(Cow<'a, str>, Value<'a>)>,
    /// In which order they are printed.
    pub order: Order,
}

/// In which order a dictionary's entries are printed, where the format leaves a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Of their keys: a `dict`.
    Keys,
    /// As they came: an `OrderedDict`.
    AsTheyCame,
}

impl<'a> Value<'a> {
    /// A string.
    pub fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Text(text.into())
    }

    /// Whether there is nothing here, or in anything that is in it.
    #[must_use]
    pub fn lacks_something(&self) -> bool {
        match self {
            Self::Null => true,
            Self::List(items) => items.iter().any(Self::lacks_something),
            Self::Map(map) => map.entries.iter().any(|(_, value)| value.lacks_something()),
            Self::Bool(_) | Self::Number(_) | Self::Text(_) => false,
        }
    }

    fn is_compound(&self) -> bool {
        matches!(self, Self::List(_) | Self::Map(_))
    }
}

impl<'a> Map<'a> {
    /// A `dict` of these entries.
    #[must_use]
    pub fn of(entries: Vec<(Cow<'a, str>, Value<'a>)>) -> Self {
        Self { entries, order: Order::Keys }
    }

    /// What is under a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value<'a>> {
        self.entries.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The entries by their keys.
    fn sorted(&self) -> Vec<&(Cow<'a, str>, Value<'a>)> {
        let mut entries: Vec<_> = self.entries.iter().collect();
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        entries
    }
}

/// What az prints of `value`; `None` where that is not certain.
#[must_use]
pub fn print(value: &Value<'_>, format: Format, selection: Selection) -> Option<Zeroizing<String>> {
    // A result that is nothing is not printed, whatever the format.
    if format == Format::Nothing || *value == Value::Null {
        return Some(Zeroizing::default());
    }
    match format {
        Format::Json => Some(json::print(value)),
        Format::Tsv => Some(tsv::print(value)),
        Format::Table => table::print(value, selection),
        Format::Yaml => yaml::print(value, selection),
        Format::Nothing => None,
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Value<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any<'a>(PhantomData<Value<'a>>);

        impl<'de: 'a, 'a> Visitor<'de> for Any<'a> {
            type Value = Value<'a>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("JSON without fractions")
            }

            fn visit_unit<E>(self) -> Result<Value<'a>, E> {
                Ok(Value::Null)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Value<'a>, E> {
                Ok(Value::Bool(value))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Value<'a>, E> {
                Ok(Value::Number(value))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Value<'a>, E> {
                i64::try_from(value).map(Value::Number).map_err(|_| E::custom("a number is too large"))
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value<'a>, E> {
                Ok(Value::Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Value<'a>, E> {
                Ok(Value::Text(Cow::Owned(text.to_owned())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value<'a>, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(Value::List(list))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value<'a>, A::Error> {
                let mut entries: Vec<(Cow<'a, str>, Value<'a>)> = Vec::new();
                while let Some(key) = members.next_key::<Key<'a>>()? {
                    // Python takes the last.
                    if entries.iter().any(|(name, _)| *name == key.0) {
                        return Err(A::Error::custom("a key is there twice"));
                    }
                    entries.push((key.0, members.next_value()?));
                }
                Ok(Value::Map(Map::of(entries)))
            }
        }

        deserializer.deserialize_any(Any(PhantomData))
    }
}

/// A key, borrowed where it is written plainly.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_is_az_s() {
        let entries = || [("accessToken".into(), Value::text("at")), ("expires_on".into(), Value::Number(7))];
        let value =
            Value::Map(Map::of(entries().into_iter().chain([("tokenType".into(), Value::text("Bearer"))]).collect()));
        for (format, expected) in [
            (Format::Json, "{\n  \"accessToken\": \"at\",\n  \"expires_on\": 7,\n  \"tokenType\": \"Bearer\"\n}\n"),
            (Format::Tsv, "at\t7\tBearer\n"),
            (
                Format::Table,
                "AccessToken    Expires_on    TokenType\n-------------  ------------  -----------\nat             7             Bearer\n",
            ),
            (Format::Yaml, "accessToken: at\nexpires_on: 7\ntokenType: Bearer\n"),
            (Format::Nothing, ""),
        ] {
            assert_eq!(*print(&value, format, Selection::Whole).unwrap(), expected);
        }
        for (format, expected) in [(Format::Json, "\"at\"\n"), (Format::Tsv, "at\n"), (Format::Yaml, "at\n...\n")] {
            assert_eq!(*print(&Value::text("at"), format, Selection::Query).unwrap(), expected);
        }
        for format in [Format::Json, Format::Tsv, Format::Table, Format::Yaml] {
            assert_eq!(*print(&Value::Null, format, Selection::Query).unwrap(), "", "what is nothing is not printed");
        }
    }

    #[test]
    fn a_key_stays_where_it_came_and_what_python_reads_otherwise_is_not_read() {
        let value: Value<'_> = serde_json::from_str("{\"b\": [1, null, true], \"a\": {\"\\u00e4\": \"x\"}}").unwrap();
        let Value::Map(map) = &value else { panic!("{value:?}") };
        assert_eq!(map.entries.iter().map(|(key, _)| key.as_ref()).collect::<Vec<_>>(), ["b", "a"]);
        assert!(value.lacks_something());
        for text in ["{\"a\": 1, \"a\": 2}", "1.5", "-0", "18446744073709551615", "\"\\ud800\"", "[1,]"] {
            assert!(serde_json::from_str::<Value<'_>>(text).is_err(), "{text}");
        }
    }
}
