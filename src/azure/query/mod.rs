//! Queries as `--query` takes them: of JMESPath (jmespath 1.1, `parser.py`, `visitor.py`) fields, indexes, projections,
//! filters, and what is selected into lists and hashes. Functions, slices, object projections, the current node and every
//! escape are not understood; a query that is not is `None`, and whoever asks then leaves the matter to the real az.

mod parser;
mod tokens;

use std::borrow::Cow;

use super::output::{Map, Order, Value};

/// A query that is understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    text: String,
    node: Node,
}

/// A part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    /// What it is asked of.
    Identity,
    Field(String),
    Index(i64),
    Text(String),
    Bool(bool),
    Nothing,
    /// The second of what comes of the first.
    Then(Box<Self>, Box<Self>),
    /// The second of each item of the first.
    Projection(Box<Self>, Box<Self>),
    /// The same of the items of which the condition holds.
    Filter {
        list: Box<Self>,
        condition: Box<Self>,
        each: Box<Self>,
    },
    Flatten(Box<Self>),
    List(Vec<Self>),
    Hash(Vec<(String, Self)>),
    Equal(Box<Self>, Box<Self>),
    Different(Box<Self>, Box<Self>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Not(Box<Self>),
}

impl Query {
    /// Reads a query; `None` where it is not understood.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Some(Self { text: text.to_owned(), node: parser::parse(text)? })
    }

    /// As it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What it finds in `value`; `None` where that is not certain.
    #[must_use]
    pub fn search<'a>(&self, value: &Value<'a>) -> Option<Value<'a>> {
        self.node.visit(value)
    }
}

impl Node {
    fn visit<'a>(&self, value: &Value<'a>) -> Option<Value<'a>> {
        Some(match self {
            Self::Identity => value.clone(),
            Self::Field(name) => match value {
                Value::Map(map) => map.get(name).cloned().unwrap_or(Value::Null),
                _ => Value::Null,
            },
            Self::Index(index) => match value {
                Value::List(items) => item(items, *index).cloned().unwrap_or(Value::Null),
                _ => Value::Null,
            },
            Self::Text(text) => Value::Text(Cow::Owned(text.clone())),
            Self::Bool(value) => Value::Bool(*value),
            Self::Nothing => Value::Null,
            Self::Then(first, second) => second.visit(&first.visit(value)?)?,
            Self::Projection(list, each) => match list.visit(value)? {
                Value::List(items) => Value::List(project(&items, each)?),
                _ => Value::Null,
            },
            Self::Filter { list, condition, each } => match list.visit(value)? {
                Value::List(items) => {
                    let mut kept = Vec::new();
                    for item in items {
                        if !is_false(&condition.visit(&item)?) {
                            kept.push(item);
                        }
                    }
                    Value::List(project(&kept, each)?)
                }
                _ => Value::Null,
            },
            Self::Flatten(list) => match list.visit(value)? {
                Value::List(items) => Value::List(items.into_iter().flat_map(flat).collect()),
                _ => Value::Null,
            },
            Self::List(_) | Self::Hash(_) if *value == Value::Null => Value::Null,
            Self::List(nodes) => Value::List(nodes.iter().map(|node| node.visit(value)).collect::<Option<_>>()?),
            Self::Hash(pairs) => {
                let entry = |(key, node): &(String, Self)| Some((Cow::Owned(key.clone()), node.visit(value)?));
                let entries = pairs.iter().map(entry).collect::<Option<_>>()?;
                Value::Map(Map { entries, order: Order::AsTheyCame })
            }
            Self::Equal(left, right) => Value::Bool(are_equal(&left.visit(value)?, &right.visit(value)?)?),
            Self::Different(left, right) => Value::Bool(!are_equal(&left.visit(value)?, &right.visit(value)?)?),
            Self::And(left, right) => match left.visit(value)? {
                left if is_false(&left) => left,
                _ => right.visit(value)?,
            },
            Self::Or(left, right) => match left.visit(value)? {
                left if is_false(&left) => right.visit(value)?,
                left => left,
            },
            Self::Not(node) => Value::Bool(is_false(&node.visit(value)?)),
        })
    }
}

/// What comes of each item, where something does.
fn project<'a>(items: &[Value<'a>], each: &Node) -> Option<Vec<Value<'a>>> {
    let found = items.iter().map(|item| each.visit(item)).collect::<Option<Vec<_>>>()?;
    Some(found.into_iter().filter(|found| *found != Value::Null).collect())
}

fn item<'v, 'a>(items: &'v [Value<'a>], index: i64) -> Option<&'v Value<'a>> {
    let from_end = usize::try_from(index.unsigned_abs()).ok()?;
    items.get(if index < 0 { items.len().checked_sub(from_end)? } else { from_end })
}

fn flat(item: Value<'_>) -> Vec<Value<'_>> {
    match item {
        Value::List(items) => items,
        other => vec![other],
    }
}

fn is_false(value: &Value<'_>) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Text(text) => text.is_empty(),
        Value::List(items) => items.is_empty(),
        Value::Map(map) => map.entries.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    }
}

/// `None` for what is compound: dictionaries of two kinds are compared in two ways.
fn are_equal(one: &Value<'_>, other: &Value<'_>) -> Option<bool> {
    let is_compound = |value: &Value<'_>| matches!(value, Value::List(_) | Value::Map(_));
    (!is_compound(one) && !is_compound(other)).then(|| one == other)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNTS: &str =
        "[{\"id\": \"1\", \"isDefault\": false, \"user\": {\"name\": \"ann\"}, \"tags\": [\"a\", [\"b\"]]},
        {\"id\": \"2\", \"isDefault\": true, \"user\": {\"name\": \"bob\"}, \"tags\": []}]";

    fn search(query: &str) -> String {
        let value = serde_json::from_str(ACCOUNTS).unwrap();
        let found = Query::parse(query).unwrap_or_else(|| panic!("{query}")).search(&value).unwrap();
        let text = super::super::output::print(
            &found,
            super::super::output::Format::Json,
            super::super::output::Selection::Query,
        );
        text.unwrap().split_whitespace().collect::<Vec<_>>().join("")
    }

    #[test]
    fn the_queries_of_callers_find_what_they_find_with_az() {
        for (query, found) in [
            ("[0].id", "\"1\""),
            ("[-1].user.name", "\"bob\""),
            ("[7]", ""),
            ("id", ""),
            ("[].id", "[\"1\",\"2\"]"),
            ("[*].user.name | [0]", "\"ann\""),
            ("[?isDefault].id", "[\"2\"]"),
            ("[?isDefault].id | [0]", "\"2\""),
            ("[?id=='1' || id != '2'] | [0].user", "{\"name\":\"ann\"}"),
            ("[?!isDefault && user.name == 'ann'].[id, nothing]", "[[\"1\",null]]"),
            ("[?isDefault == `true`].{b: id, a: user.name}", "[{\"a\":\"bob\",\"b\":\"2\"}]"),
            ("[].tags[]", "[\"a\",[\"b\"]]"),
            ("[].tags[] | []", "[\"a\",\"b\"]"),
            ("[].nothing", "[]"),
            ("[0].tags[0]", "\"a\""),
            ("[?(id=='2')].\"id\"", "[\"2\"]"),
        ] {
            assert_eq!(search(query), found, "{query}");
        }
    }

    #[test]
    fn what_is_compound_is_compared_by_az() {
        let value = serde_json::from_str(ACCOUNTS).unwrap();
        assert_eq!(Query::parse("[?user == user]").unwrap().search(&value), None);
    }
}
