//! `config.toml` as it stands in the azward home: one line for each setting that somebody set, and comments. What is no TOML, has
//! a name that is no setting's or a value that the setting cannot be, is a failure that names the line. An edit keeps every
//! other line as it is, and is not made where the file would not be understood after it.

use std::path::Path;

use toml_edit::{Document, DocumentMut, Item};

use super::Settings;
use super::choice::Choice as _;
use super::first_version::FirstVersion;
use super::key::{Key, Value};
use super::plain_lines;
use crate::failure::{Failure, Kind, Result};

/// The file's name under an azward home.
pub(crate) const NAME: &str = "config.toml";

/// How a file begins that azward makes.
const HEAD: &str = "# azward's settings: `azward config` shows them all, and changes them.\n";

/// Reads the text of a file.
///
/// # Errors
/// [`Kind::Usage`], with the line.
pub(super) fn read(text: &[u8]) -> Result<Settings> {
    let text = std::str::from_utf8(text).map_err(|_| Failure::new(Kind::Usage, "it is no text", HINT))?;
    let on_line = |place: Option<usize>| {
        let above = text.get(..place.unwrap_or(0)).unwrap_or(text);
        format!("line {}: ", above.matches('\n').count() + 1)
    };
    let mut settings = Settings::default();
    let mut put = |name: &str, value: &Value, place| {
        let put = Key::named(name).and_then(|key| key.put(value, &mut settings));
        put.map_err(|failure| Failure { what: on_line(place) + &failure.what, ..failure })
    };
    if let Some(lines) = plain_lines::read(text) {
        lines.iter().try_for_each(|line| put(line.name, &line.value, Some(line.place)))?;
        return Ok(settings);
    }
    let document = Document::parse(text).map_err(|error| {
        let line = on_line(error.span().map(|span| span.start));
        Failure::new(Kind::Usage, format!("{line}{}", error.message().replace('\n', ", ")), HINT)
    })?;
    for (name, item) in document.iter() {
        let place = document.key(name).and_then(toml_edit::Key::span).map(|span| span.start);
        put(name, &value_of(item), place)?;
    }
    Ok(settings)
}

/// What helps where a file is not even TOML.
const HINT: &str = "a setting is a line like `exposure = \"auto\"`";

/// What is neither a text nor a number no setting can be, and so it may be told as a text.
pub(super) fn value_of(item: &Item) -> Value {
    match (item.as_str(), item.as_integer()) {
        (Some(text), _) => Value::Text(text.to_owned()),
        (_, Some(number)) => Value::Number(number),
        _ => Value::Text(item.to_string().trim().to_owned()),
    }
}

/// A file that is being edited.
#[derive(Debug)]
pub(super) struct Draft(DocumentMut);

impl Draft {
    /// A file of that text.
    ///
    /// # Errors
    /// [`Kind::Usage`] where it is no TOML.
    pub(super) fn of(text: &[u8]) -> Result<Self> {
        let document = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
        // Reading it says what is wrong, and where.
        document
            .map(Self)
            .ok_or_else(|| read(text).err().unwrap_or_else(|| Failure::new(Kind::Usage, "it is no TOML", HINT)))
    }

    /// A new file, with what the first version's had.
    pub(super) fn new(had: FirstVersion) -> Self {
        let mut document = DocumentMut::new();
        document.set_trailing(HEAD);
        let mut draft = Self(document);
        let text = |word: &str| Value::Text(word.to_owned());
        let had = [
            (Key::Exposure, had.exposure.map(|choice| text(choice.word()))),
            (Key::KeyStore, had.key_store.map(|choice| text(choice.word()))),
            (Key::KeyCacheMinutes, had.key_cache_minutes.map(|minutes| Value::Number(minutes.into()))),
            (Key::RealAz, had.real_az.as_deref().and_then(Path::to_str).map(text)),
        ];
        for (key, value) in had {
            if let Some(value) = value {
                draft.set(key, &value);
            }
        }
        draft
    }

    /// Has a setting be `value`. What stands behind the old one stays there.
    pub(super) fn set(&mut self, key: Key, value: &Value) {
        let mut value: toml_edit::Value = match value {
            Value::Text(text) => text.into(),
            Value::Number(number) => (*number).into(),
        };
        let document = &mut self.0;
        match document.get_mut(key.name()) {
            Some(old) => {
                if let Some(old) = old.as_value() {
                    *value.decor_mut() = old.decor().clone();
                }
                *old = Item::Value(value);
            }
            None => {
                // What stands at the end of the file stands above a line that is added.
                let above = document.trailing().as_str().unwrap_or_default().to_owned();
                let above = if above.is_empty() || above.ends_with('\n') { above } else { above + "\n" };
                document.insert(key.name(), Item::Value(value));
                document.set_trailing("");
                if let Some(mut key) = document.key_mut(key.name()) {
                    key.leaf_decor_mut().set_prefix(above);
                }
            }
        }
    }

    /// Has a setting, or what stands there without being one, not be set. The comments above it stay.
    pub(super) fn unset(&mut self, name: &str) -> bool {
        let document = &mut self.0;
        let names: Vec<String> = document.iter().map(|(name, _)| name.to_owned()).collect();
        let Some(place) = names.iter().position(|other| other == name) else { return false };
        let prefix = |document: &DocumentMut, name: &str| {
            let decor = document.key(name).and_then(|key| key.leaf_decor().prefix());
            decor.and_then(|prefix| prefix.as_str()).unwrap_or_default().to_owned()
        };
        let above = prefix(document, name);
        match names.get(place + 1) {
            Some(next) => {
                let all = above + &prefix(document, next);
                if let Some(mut key) = document.key_mut(next) {
                    key.leaf_decor_mut().set_prefix(all);
                }
            }
            None => {
                let all = above + document.trailing().as_str().unwrap_or_default();
                document.set_trailing(all);
            }
        }
        document.remove(name);
        true
    }

    /// The text of the file.
    ///
    /// # Errors
    /// [`Kind::Usage`] where it would not be understood.
    pub(super) fn text(&self) -> Result<String> {
        let text = self.0.to_string();
        read(text.as_bytes()).map(|_| text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{ExposureChoice, KeyStoreChoice, Setting};

    fn failure(text: &str) -> Failure {
        read(text.as_bytes()).unwrap_err()
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        assert_eq!(read(b"").unwrap(), Settings::default());
        assert_eq!(failure("# all\n\nexposre = \"auto\"\n").what, "line 3: there is no setting `exposre`");
        assert_eq!(failure("journal = true").what, "line 1: `journal` cannot be `true`");
        assert_eq!(failure("journal = \"on\"\n[exposure]\na = 1\n").what, "line 2: `exposure` cannot be `a = 1`");
        assert!(failure("\nexposure = auto\n").what.starts_with("line 2: "), "{}", failure("\nexposure = auto\n"));
        assert!(failure("journal = \"on\"\njournal = \"off\"\n").what.starts_with("line 2: "));
        assert_eq!(read(b"\xff").unwrap_err().what, "it is no text");
    }

    #[test]
    fn an_edit_keeps_every_other_line_and_every_comment() {
        let text = "# mine\r\n\nexposure   = 'auto'  # for now\n\n# hours\nkey_cache_minutes = 6_0\n# the end";
        let mut draft = Draft::of(text.as_bytes()).unwrap();
        draft.set(Key::Exposure, &Value::Text("memory".into()));
        let changed = text.replace("'auto'", "\"memory\"");
        assert_eq!(draft.text().unwrap().replace('\r', ""), changed.replace('\r', ""));
        draft.set(Key::Journal, &Value::Text("off".into()));
        assert_eq!(draft.text().unwrap().replace('\r', ""), changed.replace('\r', "") + "\njournal = \"off\"\n");
        assert!(draft.unset("exposure") && draft.unset("journal") && !draft.unset("journal"));
        let left = "# mine\n\n\n# hours\nkey_cache_minutes = 6_0\n# the end\n";
        assert_eq!(draft.text().unwrap().replace('\r', ""), left);
    }

    #[test]
    fn what_would_not_be_understood_is_not_written_and_can_be_mended() {
        let mut draft = Draft::of(b"exposre = \"auto\"\nkey_store = 3\n").unwrap();
        draft.set(Key::Exposure, &Value::Text("auto".into()));
        assert_eq!(draft.text().unwrap_err().what, "line 1: there is no setting `exposre`");
        assert!(draft.unset("exposre"));
        assert_eq!(draft.text().unwrap_err().what, "line 1: `key_store` cannot be `3`");
        draft.set(Key::KeyStore, &Value::Text("keyring".into()));
        draft.text().unwrap();
        Draft::of(b"exposure =").unwrap_err();
    }

    #[test]
    fn what_the_first_version_had_is_in_the_new_file() {
        let az = if cfg!(windows) { "C:/az/az.cmd" } else { "/usr/bin/az" };
        let had = serde_json::from_value(serde_json::json!(
            {"real_az": az, "key_store": "key-file", "exposure": "auto", "key_cache_minutes": 5}
        ));
        let text = Draft::new(had.unwrap()).text().unwrap();
        let lines =
            format!("exposure = \"auto\"\nkey_store = \"key-file\"\nkey_cache_minutes = 5\nreal_az = \"{az}\"\n");
        assert_eq!(text, HEAD.to_owned() + &lines);
        let settings = read(text.as_bytes()).unwrap();
        assert_eq!(settings.exposure, Setting::in_file(ExposureChoice::Auto));
        assert_eq!(settings.key_store, Setting::in_file(KeyStoreChoice::KeyFile));
        assert_eq!(Draft::new(FirstVersion::default()).text().unwrap(), HEAD);
    }
}
