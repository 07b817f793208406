//! Rows of a name and what it has, fitted to the terminal: what is too long goes on under itself, and where the terminal is
//! too narrow for two columns, under its name. Where there is no terminal a row is one line, however long. Pure functions.

use unicode_width::UnicodeWidthChar;

use crate::text;

/// The width of the names' column.
const NAME: usize = 17;

/// How many columns what is beside a name must have at least.
const VALUE: usize = 24;

/// How far what stands under a name is indented.
const INDENT: usize = 2;

/// A row, without its last newline; it begins with the name as it is.
pub(super) fn row(name: &str, value: &str, width: Option<usize>) -> String {
    let line = text::line(&format!("{name:<NAME$} {value}"));
    let Some(width) = width.filter(|&width| columns(&line) > width) else { return line };
    let start = name.len().max(NAME) + 1;
    let value = line.get(start..).unwrap_or_default();
    if width >= start + VALUE {
        return line[..start].to_owned() + &wrap(value, width - start).join(&format!("\n{:start$}", ""));
    }
    let below = wrap(value, width.saturating_sub(INDENT).max(1));
    let names = if name.is_empty() { None } else { Some(name.to_owned()) };
    let values = below.into_iter().map(|line| format!("{:INDENT$}{line}", ""));
    names.into_iter().chain(values).collect::<Vec<_>>().join("\n")
}

/// The lines of a table: the names of its columns in capitals, then its rows, each column as wide as the widest in it. Of a row
/// that has fewer columns the others are empty.
pub(super) fn columns_of_rows(names: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let head: Vec<String> = names.iter().map(|name| name.to_uppercase()).collect();
    let lines: Vec<&Vec<String>> = std::iter::once(&head).chain(rows).collect();
    let width = |place: usize| lines.iter().filter_map(|line| line.get(place)).map(|cell| columns(cell)).max();
    let widths: Vec<usize> = (0..names.len()).map(|place| width(place).unwrap_or_default()).collect();
    let shown = |line: &&Vec<String>| {
        let mut shown = String::with_capacity(line.iter().map(String::len).sum::<usize>() + 2 * line.len() + 64);
        for (cell, width) in line.iter().zip(&widths) {
            shown.push_str(cell);
            shown.extend(std::iter::repeat_n(' ', width.saturating_sub(columns(cell)) + 2));
        }
        shown.truncate(shown.trim_end().len());
        shown
    };
    lines.iter().map(shown).collect()
}

/// As much of one line as fits, and a sign where there was more.
pub(super) fn cut(line: &str, width: Option<usize>) -> String {
    match width {
        Some(width) if columns(line) > width => {
            let end = end_of_columns(line, width.saturating_sub(1));
            format!("{}…", &line[..end])
        }
        _ => line.to_owned(),
    }
}

/// The lines of a text that is broken at blanks, within a longer word behind a separator of paths, else anywhere.
fn wrap(text: &str, width: usize) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    while columns(rest) > width {
        let (line, others) = rest.split_at(end_of_line(rest, width));
        lines.push(line.trim_end_matches(' '));
        rest = others.trim_start_matches(' ');
    }
    lines.push(rest);
    lines
}

/// Where the first line ends of a text that does not fit into one. It is never empty.
fn end_of_line(text: &str, width: usize) -> usize {
    let end = end_of_columns(text, width);
    let fitting = &text[..end];
    // One that comes right behind what fits is none to be shown.
    let blank = if text[end..].starts_with(' ') { Some(end) } else { fitting.rfind(' ') };
    let separator = || fitting.rfind(['/', '\\']).map(|place| place + 1);
    let first = text.chars().next().map_or(0, char::len_utf8);
    blank.filter(|&place| place > 0).or_else(separator).unwrap_or(end).max(first)
}

/// How much of a text fits into so many columns, in bytes.
fn end_of_columns(text: &str, width: usize) -> usize {
    let mut used = 0;
    let place = text.char_indices().find(|(_, character)| {
        used += columns_of(*character);
        used > width
    });
    place.map_or(text.len(), |(place, _)| place)
}

fn columns(text: &str) -> usize {
    // Most text is, and need not be looked up.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.len();
    }
    text.chars().map(columns_of).sum()
}

fn columns_of(character: char) -> usize {
    character.width().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_terminal_gets_one_line() {
        let value = "x".repeat(300);
        assert_eq!(row("vault", &value, None), format!("vault             {value}"));
        assert_eq!(cut(&value, None), value);
    }

    #[test]
    fn what_is_too_long_goes_on_under_itself() {
        let shown = row("key", "in the OS keyring of this user, for good", Some(44));
        assert_eq!(shown, "key               in the OS keyring of this\n                  user, for good");
        let shown = row("vault", "/home/alice/.azward/vaults/0123456789abcdef.vault", Some(45));
        assert_eq!(shown, "vault             /home/alice/.azward/vaults/\n                  0123456789abcdef.vault");
        assert_eq!(row("login", "東京".repeat(9).as_str(), Some(42)).lines().count(), 2);
    }

    #[test]
    fn where_there_is_no_room_beside_the_name_it_goes_under_it() {
        assert_eq!(
            row("which is", "there, and in use by a run", Some(20)),
            "which is\n  there, and in use\n  by a run"
        );
        assert_eq!(row("", "hint: wait until it has ended", Some(20)), "  hint: wait until\n  it has ended");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_and_nothing_is_lost() {
        let values = [
            "",
            "a",
            "a b  c",
            "/a/b c/d/e/f",
            "東京 支店/東京 支店",
            "e\u{301}e\u{301}",
            "xxxxxxxxxxxxxxxxxxxxxxxx y",
        ];
        for value in values {
            for width in 4..60 {
                let shown = row("name", value, Some(width));
                assert!(shown.lines().all(|line| columns(line) <= width), "{width}: {shown:?}");
                let without_blanks = |text: &str| text.replace([' ', '\n'], "");
                assert_eq!(without_blanks(&shown), format!("name{}", without_blanks(value)));
            }
        }
    }

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let rows = [vec!["東京".to_owned(), String::new(), "x".to_owned()], vec!["a".to_owned()]];
        assert_eq!(columns_of_rows(&["name", "b", "c"], &rows), ["NAME  B  C", "東京     x", "a"]);
    }

    #[test]
    fn one_line_is_cut_where_it_ends() {
        assert_eq!(cut("waiting", Some(7)), "waiting");
        assert_eq!(cut("waiting", Some(6)), "waiti…");
        assert_eq!(cut("東京東京", Some(6)), "東京…");
    }
}
