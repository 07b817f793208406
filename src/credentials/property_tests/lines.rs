//! A format that is nobody's: `[section]`, and a line for each entry. A credential's says its owner, its time, its secret, and
//! more. It shows that inject, harvest, scrub and merge are not MSAL's alone.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use proptest::collection::vec;
use proptest::prelude::*;
use zeroize::Zeroizing;

use super::Format;
use crate::credentials::document::{Absence, Change, Credential, Document, Entry};
use crate::failure::Result;
use crate::vault::{CredentialKind, Owner};

/// The format.
pub(super) struct Lines;

/// A text of it, read.
pub(super) struct LineDocument<'t> {
    text: &'t str,
    sections: Vec<(&'t str, Range<usize>)>,
}

impl Format for Lines {
    type Document<'t> = LineDocument<'t>;

    fn parse(text: &str) -> LineDocument<'_> {
        let (mut sections, mut end) = (Vec::<(&str, Range<usize>)>::new(), 0);
        for line in text.split_inclusive('\n') {
            end += line.len();
            match line.trim_end().strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
                Some(name) => sections.push((name, end..end)),
                None => sections.last_mut().into_iter().for_each(|(_, body)| body.end = end),
            }
        }
        LineDocument { text, sections }
    }
}

impl LineDocument<'_> {
    fn body(&self, name: &str) -> Option<Range<usize>> {
        self.sections.iter().find(|(other, _)| *other == name).map(|(_, body)| body.clone())
    }
}

impl Document for LineDocument<'_> {
    fn section_of(_: CredentialKind) -> Option<&'static str> {
        Some("credentials")
    }

    fn credential<'e>(_: &str, entry: Entry<'e>) -> Result<Credential<'e>> {
        let words: Vec<&str> = entry.value.splitn(4, ' ').collect();
        Ok(Credential {
            kind: CredentialKind::RefreshToken,
            id: entry.key,
            owner: Self::owner(entry).unwrap(),
            secret: words[2],
            entry: entry.value,
            changed_at: words[1].parse().ok(),
        })
    }

    fn owner(entry: Entry<'_>) -> Option<Owner> {
        let name = entry.value.split(' ').next()?;
        Some(Owner { home_account_id: name.to_owned(), environment: "e".to_owned() })
    }

    fn renewed_at(_: &str, _: Entry<'_>) -> Option<i64> {
        None
    }

    fn absence(_: &str) -> Absence {
        Absence::Removal
    }

    fn section_names(&self) -> Vec<Cow<'_, str>> {
        self.sections.iter().map(|(name, _)| Cow::Borrowed(*name)).collect()
    }

    fn section(&self, name: &str) -> Result<Vec<Entry<'_>>> {
        let lines = self.text[self.body(name).unwrap_or_default()].lines();
        Ok(lines.map(|line| line.split_once(' ').unwrap()).map(|(key, value)| Entry { key, value }).collect())
    }

    fn owners(&self) -> Result<HashSet<Owner>> {
        Ok(self.section("credentials")?.into_iter().filter_map(Self::owner).collect())
    }

    fn edit(&self, changes: &[Change<'_>]) -> Zeroizing<String> {
        let mut text = self.text.to_owned();
        for change in changes {
            let lines: String = change.entries.iter().map(|entry| format!("{} {}\n", entry.key, entry.value)).collect();
            match <Lines as Format>::parse(&text).body(change.section) {
                Some(body) => text.replace_range(body, &lines),
                None => text.push_str(&format!("[{}]\n{lines}", change.section)),
            }
        }
        Zeroizing::new(text)
    }
}

/// A document of lines, its sections in any order.
pub(super) fn lines() -> impl Strategy<Value = String> {
    let credentials = vec(("[a-z{}\\[]{1,20}", 0..2000_u32, "[ !#-~]{0,10}"), 0..5);
    let others = vec("[ !#-~]{0,20}", 0..4);
    let order = Just(["credentials", "others", "tomorrow"]).prop_shuffle();
    ("(# [a-z]{0,9}\n){0,2}", credentials, others, order).prop_map(|(start, credentials, others, order)| {
        let mut text = start;
        for name in order {
            text.push_str(&format!("[{name}]\n"));
            for (place, (secret, time, more)) in credentials.iter().enumerate().filter(|_| name == "credentials") {
                text.push_str(&format!("k{place} o{place} {time} \"{secret}\" {more}\n"));
            }
            for (place, more) in others.iter().enumerate().filter(|_| name == "others") {
                text.push_str(&format!("k{place} {more}\n"));
            }
        }
        text
    })
}
