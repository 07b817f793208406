//! The names of sessions: a subscription's name as a word that can be typed and completed, one of its kind among all. Pure
//! functions.

/// The longest slug, in bytes.
const LONGEST: usize = 48;

/// What can be a name, for whoever chose one that cannot.
pub(super) const NAME_HINT: &str = "use letters, digits, `-`, `_` and `.`, and begin with a letter or a digit";

/// The slug of a name: its letters and digits in lower case, everything else a hyphen between them. One that would be empty is
/// `subscription`.
#[must_use]
pub(super) fn slug_of(name: &str) -> String {
    let mut slug = String::new();
    for letter in name.chars().flat_map(char::to_lowercase) {
        match letter.is_ascii_alphanumeric() {
            true => slug.push(letter),
            false if !slug.is_empty() && !slug.ends_with('-') => slug.push('-'),
            false => {}
        }
    }
    slug.truncate(LONGEST);
    let slug = slug.trim_matches('-');
    if slug.is_empty() { "subscription".to_owned() } else { slug.to_owned() }
}

/// `slug`, or the first of `slug-2`, `slug-3`, … that is not taken.
#[must_use]
pub(super) fn unique(slug: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let numbered = |number: u32| if number < 2 { slug.to_owned() } else { format!("{slug}-{number}") };
    (1..).map(numbered).find(|name| !is_taken(name)).unwrap_or_else(|| slug.to_owned())
}

/// Whether a name can be a session's or a login's: of one word, no option, and no other file than the one that it names.
#[must_use]
pub(super) fn is_name(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    name.len() <= LONGEST
        && name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
        && name.bytes().all(is_letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_is_one_word_whatever_the_name() {
        for (name, slug) in [
            ("Contoso Prod (EU)", "contoso-prod-eu"),
            ("  --x--  ", "x"),
            ("N/A(tenant level account)", "n-a-tenant-level-account"),
            ("東京", "subscription"),
            ("Zürich", "z-rich"),
            ("", "subscription"),
            ("../../etc/passwd", "etc-passwd"),
        ] {
            assert_eq!(slug_of(name), slug, "{name}");
            assert!(is_name(&slug_of(name)), "{name}");
        }
        let long = slug_of(&"word ".repeat(40));
        assert!(long.len() <= LONGEST && is_name(&long) && !long.ends_with('-'), "{long}");
    }

    #[test]
    fn the_second_of_a_name_has_a_number() {
        let taken = ["prod", "prod-2"];
        assert_eq!(unique("prod", |name| taken.contains(&name)), "prod-3");
        assert_eq!(unique("dev", |name| taken.contains(&name)), "dev");
    }

    #[test]
    fn a_name_is_no_option_and_no_path() {
        for name in ["", "-x", ".", "..", "a/b", "a b", "a\n", "\u{1b}[2J", "a\\b"] {
            assert!(!is_name(name), "{name:?}");
        }
        assert!(is_name("work_2.eu"));
    }
}
