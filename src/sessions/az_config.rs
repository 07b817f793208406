//! az's `config` and `clouds.config` as a session's directory has them: an option set, some sections kept, and every line of those as
//! it was (knack 0.14, `config.py`; Python's configparser reads them). Pure functions.

/// The text with `option` of `section` set to `value`, in the place of what it was.
#[must_use]
pub(super) fn with_option(text: &str, section: &str, option: &str, value: &str) -> String {
    let line = format!("{option} = {value}");
    let mut lines: Vec<&str> = text.lines().collect();
    let Some(start) = lines.iter().position(|line| is_header(line, section)) else {
        let mut text = text.to_owned();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        return format!("{text}[{section}]\n{line}\n");
    };
    let end = lines[start + 1..].iter().position(|line| line.starts_with('[')).map_or(lines.len(), |at| start + 1 + at);
    let name = |line: &str| line.split(['=', ':']).next().unwrap_or_default().trim().to_lowercase();
    match lines[start + 1..end].iter().position(|line| name(line) == option) {
        Some(place) => lines[start + 1 + place] = &line,
        None => lines.insert(start + 1, &line),
    }
    lines.join("\n") + "\n"
}

/// The text with these sections and no other.
#[must_use]
pub(super) fn with_sections(text: &str, sections: &[&str]) -> String {
    let mut is_kept = false;
    let mut left = String::new();
    for line in text.lines() {
        if line.starts_with('[') {
            is_kept = sections.iter().any(|section| is_header(line, section));
        }
        if is_kept {
            left.push_str(line);
            left.push('\n');
        }
    }
    left
}

fn is_header(line: &str, section: &str) -> bool {
    line.trim_end().strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) == Some(section)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::ini::Ini;

    #[test]
    fn an_option_is_set_in_its_place_and_nothing_else_changes() {
        let text = "# mine\n[core]\noutput = table\n\n[defaults]\nLocation=westus\ngroup = g\n";
        let set = with_option(text, "defaults", "location", "northeurope");
        assert_eq!(set, "# mine\n[core]\noutput = table\n\n[defaults]\nlocation = northeurope\ngroup = g\n");
        assert_eq!(with_option(&set, "defaults", "location", "northeurope"), set);
        let set = with_option(&set, "cloud", "name", "AzureCloud");
        assert_eq!(Ini::parse(&set).unwrap().get("cloud", "name"), Some("AzureCloud"));
        assert_eq!(with_option("", "cloud", "name", "x"), "[cloud]\nname = x\n");
        assert_eq!(with_option("[a]\nb = c", "cloud", "name", "x"), "[a]\nb = c\n[cloud]\nname = x\n");
    }

    #[test]
    fn a_section_stays_or_goes_with_all_its_options() {
        let text = "[core]\na = b\n[storage]\nkey = s\n[cloud]\nname = y\n";
        assert_eq!(with_sections(text, &["core", "cloud"]), "[core]\na = b\n[cloud]\nname = y\n");
        assert_eq!(with_sections(text, &["nothing"]), "");
    }
}
