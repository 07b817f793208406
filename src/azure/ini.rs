//! The INI files of the Azure CLI (`config`, `clouds.config`), as much of Python's configparser as az writes itself: sections,
//! `option = value`, comments. A file with anything more (interpolation, values over several lines, a section twice) is
//! not understood, and then whoever asks leaves the matter to the real az.

use std::path::Path;

/// An INI file's sections and options.
#[derive(Debug, Default)]
pub struct Ini {
    sections: Vec<(String, Vec<(String, String)>)>,
}

impl Ini {
    /// Reads a file; a missing one is empty. `None` when it cannot be read or is not understood.
    #[must_use]
    pub fn read(path: &Path) -> Option<Self> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some(Self::default()),
            Err(_) => None,
        }
    }

    /// Reads a text. `None` when it is not understood.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut ini = Self::default();
        // Python ends a line at a lone carriage return too, and takes four control characters for white space.
        let is_odd = |byte: &&u8| (0x1c..=0x1f).contains(*byte);
        let has_lone_return = || text.contains('\r') && text.replace("\r\n", "\n").contains('\r');
        if text.as_bytes().iter().filter(is_odd).count() > 0 || has_lone_return() {
            return None;
        }
        for line in text.lines() {
            let trimmed = line.trim();
            if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
                continue;
            }
            if line.starts_with(char::is_whitespace) {
                return None;
            }
            if let Some(rest) = trimmed.strip_prefix('[') {
                let name = rest.strip_suffix(']').filter(|name| !name.is_empty() && !name.contains(']'))?;
                // `DEFAULT` lends its options to every section.
                if name == "DEFAULT" || ini.section(name).is_some() {
                    return None;
                }
                ini.sections.push((name.to_owned(), Vec::new()));
                continue;
            }
            let separator = trimmed.bytes().position(|byte| matches!(byte, b'=' | b':'))?;
            let (option, value) = (trimmed[..separator].trim().to_lowercase(), trimmed[separator + 1..].trim());
            let options = &mut ini.sections.last_mut()?.1;
            if option.is_empty() || value.contains('%') || options.iter().any(|(name, _)| *name == option) {
                return None;
            }
            options.push((option, value.to_owned()));
        }
        Some(ini)
    }

    /// An option's value.
    #[must_use]
    pub fn get(&self, section: &str, option: &str) -> Option<&str> {
        self.section(section)?.iter().find(|(name, _)| name == option).map(|(_, value)| value.as_str())
    }

    /// The options of a section, by their names in lower case.
    pub fn options(&self, section: &str) -> impl Iterator<Item = &str> {
        self.section(section).into_iter().flatten().map(|(name, _)| name.as_str())
    }

    /// The values of an option in every section that has it.
    pub fn values_of(&self, option: &str) -> impl Iterator<Item = &str> {
        let options = self.sections.iter().flat_map(|(_, options)| options);
        options.filter(move |(name, _)| name == option).map(|(_, value)| value.as_str())
    }

    /// Whether there is such a section.
    #[must_use]
    pub fn has_section(&self, section: &str) -> bool {
        self.section(section).is_some()
    }

    fn section(&self, section: &str) -> Option<&Vec<(String, String)>> {
        self.sections.iter().find(|(name, _)| name == section).map(|(_, options)| options)
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
    }

    #[test]
    fn what_needs_configparser_s_finer_points_is_not_understood() {
        for text in ["[a]\nx = 1\n  more\n", "[a]\n[a]\n", "x = 1\n", "[a]\nx = %(y)s\n", "[DEFAULT]\nx = 1\n", "[a\n"]
            .into_iter()
            .chain(["[]\nx = 1\n", "[a]\n= 1\n", "[a]\nx = 1\u{1f}\n", "[a]\rx = 1\r"])
        {
            assert!(Ini::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_missing_file_is_empty() {
        assert!(!Ini::read(Path::new("/nonexistent/config")).unwrap().has_section("cloud"));
    }
}
