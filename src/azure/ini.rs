//! The INI files of the Azure CLI (`config`, `clouds.config`), as much of Python's configparser as az writes itself: sections,
//! `option = value`, comments. A file with anything more (interpolation, values over several lines, a section twice) is
//! not understood, and then whoever asks leaves the matter to the real az.

use std::fmt;
use std::ops::Range;
use std::path::Path;

/// An INI file's text, and where its sections and options are in it: an answer needs two or three of them.
#[derive(Default)]
pub struct Ini {
    text: String,
    sections: Vec<Section>,
}

struct Section {
    name: Range<usize>,
    options: Vec<(Range<usize>, Range<usize>)>,
}

impl Ini {
    /// Reads a file; a missing one is empty. `None` when it cannot be read or is not understood.
    #[must_use]
    pub fn read(path: &Path) -> Option<Self> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some(Self::default()),
            Err(_) => None,
        }
    }

    /// Reads a text. `None` when it is not understood.
    #[must_use]
    pub fn parse(text: impl Into<String>) -> Option<Self> {
        let mut ini = Self { text: text.into(), sections: Vec::with_capacity(8) };
        // Python ends a line at a lone carriage return too, and takes four control characters for white space.
        let is_odd = |byte: u8| (0x1c..=0x1f).contains(&byte);
        let has_lone_return = || ini.text.contains('\r') && ini.text.replace("\r\n", "\n").contains('\r');
        if ini.text.bytes().any(is_odd) || has_lone_return() {
            return None;
        }
        let mut next = 0;
        while next < ini.text.len() {
            let rest = &ini.text[next..];
            let end = rest.find('\n').map_or(ini.text.len(), |end| next + end);
            let line = next..end;
            next = end + 1;
            ini.add(line)?;
        }
        Some(ini)
    }

    /// Takes a line in. `None` when it is not understood.
    fn add(&mut self, line: Range<usize>) -> Option<()> {
        let trimmed = self.trimmed(line.clone());
        let text = &self.text[trimmed.clone()];
        if text.is_empty() || text.starts_with(['#', ';']) {
            return Some(());
        }
        if trimmed.start > line.start {
            return None;
        }
        if let Some(rest) = text.strip_prefix('[') {
            let name = rest.strip_suffix(']').filter(|name| !name.is_empty() && !name.contains(']'))?;
            // `DEFAULT` lends its options to every section.
            if name == "DEFAULT" || self.section(name).is_some() {
                return None;
            }
            let name = trimmed.start + 1..trimmed.end - 1;
            self.sections.push(Section { name, options: Vec::with_capacity(16) });
            return Some(());
        }
        let separator = trimmed.start + text.bytes().position(|byte| matches!(byte, b'=' | b':'))?;
        let (option, value) = (self.trimmed(trimmed.start..separator), self.trimmed(separator + 1..trimmed.end));
        // Python knows more capital letters than these, and az none.
        if !self.text[option.clone()].is_ascii() {
            return None;
        }
        self.text.get_mut(option.clone())?.make_ascii_lowercase();
        let name = &self.text[option.clone()];
        let section = self.sections.last()?;
        if name.is_empty() || self.text[value.clone()].contains('%') || self.value_in(section, name).is_some() {
            return None;
        }
        self.sections.last_mut()?.options.push((option, value));
        Some(())
    }

    /// Where what is in `place` without white space around it is.
    fn trimmed(&self, place: Range<usize>) -> Range<usize> {
        let text = self.text[place.clone()].trim_end();
        let end = place.start + text.len();
        end - text.trim_start().len()..end
    }

    /// An option's value.
    #[must_use]
    pub fn get(&self, section: &str, option: &str) -> Option<&str> {
        self.value_in(self.section(section)?, option)
    }

    /// The options of a section, by their names in lower case.
    pub fn options(&self, section: &str) -> impl Iterator<Item = &str> {
        let options = self.section(section).into_iter().flat_map(|section| &section.options);
        options.map(|(name, _)| &self.text[name.clone()])
    }

    /// The values of an option in every section that has it.
    pub fn values_of(&self, option: &str) -> impl Iterator<Item = &str> {
        self.sections.iter().filter_map(move |section| self.value_in(section, option))
    }

    /// Whether there is such a section.
    #[must_use]
    pub fn has_section(&self, section: &str) -> bool {
        self.section(section).is_some()
    }

    fn section(&self, section: &str) -> Option<&Section> {
        self.sections.iter().find(|there| self.text[there.name.clone()] == *section)
    }

    fn value_in(&self, section: &Section, option: &str) -> Option<&str> {
        let (_, value) = section.options.iter().find(|(name, _)| self.text[name.clone()] == *option)?;
        Some(&self.text[value.clone()])
    }
}

impl fmt::Debug for Ini {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |place: &Range<usize>| &self.text[place.clone()];
        let options = |section: &Section| -> Vec<_> {
            section.options.iter().map(|(name, value)| (text(name), text(value))).collect()
        };
        let sections: Vec<_> = self.sections.iter().map(|section| (text(&section.name), options(section))).collect();
        formatter.debug_struct("Ini").field("sections", &sections).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_az_writes_is_read() {
        let ini = Ini::parse("[cloud]\nname = fake\n\n# note\n[Other Cloud]\nEndpoint_X=https://h:1/\n").unwrap();
        assert_eq!(ini.get("cloud", "name"), Some("fake"));
        assert_eq!(ini.get("Other Cloud", "endpoint_x"), Some("https://h:1/"));
        assert_eq!((ini.get("cloud", "none"), ini.get("none", "name")), (None, None));
        let ini = Ini::parse("\r\n[a]\r\nX = 1 : 2 = 3 \r\n; x\r\ny:\r\n[b]\r\nY = ä").unwrap();
        assert_eq!((ini.get("a", "x"), ini.get("a", "y"), ini.get("a", "X")), (Some("1 : 2 = 3"), Some(""), None));
        assert_eq!(ini.options("a").collect::<Vec<_>>(), ["x", "y"]);
        assert_eq!(ini.values_of("y").collect::<Vec<_>>(), ["", "ä"]);
    }

    #[test]
    fn what_needs_configparser_s_finer_points_is_not_understood() {
        for text in ["[a]\nx = 1\n  more\n", "[a]\n[a]\n", "x = 1\n", "[a]\nx = %(y)s\n", "[DEFAULT]\nx = 1\n", "[a\n"]
            .into_iter()
            .chain([
                "[]\nx = 1\n",
                "[a]\n= 1\n",
                "[a]\nx = 1\nX = 2\n",
                "[a]\nÄ = 1\n",
                "[a]\nx = 1\u{1f}\n",
                "[a]\rx = 1\r",
            ])
        {
            assert!(Ini::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_missing_file_is_empty() {
        assert!(!Ini::read(Path::new("/nonexistent/config")).unwrap().has_section("cloud"));
    }
}
