//! The reference reading of INI files: Python's `configparser.ConfigParser` with its defaults, rule by rule (CPython 3.11,
//! `configparser.py`, `RawConfigParser._read`), as knack and the Azure CLI read `config` and `clouds.config`.

/// Sections in their order, each with its options in theirs.
pub(crate) type Sections = Vec<(String, Vec<(String, String)>)>;

/// What configparser reads out of a text; `None` where it raises, or lends options of `[DEFAULT]` to other sections.
pub(crate) fn read(text: &str) -> Option<Sections> {
    let mut sections = Sections::new();
    // Where an indented line would be more of a value.
    let mut has_option = false;
    let mut indent = 0;
    // Text mode: a line ends at any of the three.
    for line in text.replace("\r\n", "\n").replace('\r', "\n").split('\n') {
        let value = strip(line);
        if value.is_empty() || value.starts_with('#') || value.starts_with(';') {
            continue;
        }
        let own_indent = line.chars().take_while(|character| is_space(*character)).count();
        let last = sections.last_mut();
        if has_option && own_indent > indent {
            let (_, more) = last?.1.last_mut()?;
            more.push('\n');
            more.push_str(value);
            continue;
        }
        indent = own_indent;
        if let Some(name) = header(value) {
            if name == "DEFAULT" || sections.iter().any(|(other, _)| *other == name) {
                return None;
            }
            sections.push((name, Vec::new()));
            has_option = false;
            continue;
        }
        let options = &mut last?.1;
        let delimiter = value.find(['=', ':'])?;
        let option = strip(&value[..delimiter]).to_lowercase();
        if option.is_empty() || options.iter().any(|(other, _)| *other == option) {
            return None;
        }
        options.push((option, strip(&value[delimiter + 1..]).to_owned()));
        has_option = true;
    }
    Some(sections)
}

/// The name in `[name]`: all up to the last bracket, and at least one character.
fn header(value: &str) -> Option<String> {
    let end = value.rfind(']')?;
    let name = value.strip_prefix('[').and_then(|_| value.get(1..end))?;
    (!name.is_empty()).then(|| name.to_owned())
}

fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// What `str.isspace` says yes to: more than Unicode's white space.
fn is_space(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\u{1c}'..='\u{1f}')
}
