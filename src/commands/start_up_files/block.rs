//! The block in a start-up file: its lines in each shell's language, and the bytes of a file without it. A block is whole
//! lines, from its begin to its end, of exactly the kind that azward writes; everything else (half of one, one that was
//! edited, one in the middle of other text) is the user's. It notes what it changed around itself (a file made, a last
//! line ended), so that removing it leaves every byte as it was.

use std::path::Path;

use crate::commands::aids;

pub(super) const BEGIN: &str = "# >>> azward >>>";
pub(super) const END: &str = "# <<< azward <<<";
/// Notes that the file was made for the block.
pub(super) const MADE: &str = "# (this file was made for it)";
/// Notes that the line above had no end, and was given one.
pub(super) const ENDED: &str = "# (the line above had no end)";

/// What has zsh find its completions in a directory that stands between the two: now, or when it begins to look for them.
const FPATH: &str = "fpath=(";
const COMPDEF: &str = " $fpath); if (( $+functions[compdef] )); then autoload -Uz _azward; compdef _azward azward; fi";

/// The language of a shell's start-up file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    /// Of bash and sh.
    Posix,
    Zsh,
    Fish,
}

/// The lines that put `directory` first on PATH, also where it is on it already and something else stands before it: a
/// terminal's multiplexer, or a login shell's system files, may have built PATH anew.
pub(super) fn block(language: Language, directory: &Path, note: Option<&str>) -> String {
    let directory = directory.to_str().unwrap_or_default();
    let mut lines = vec![BEGIN.to_owned()];
    lines.extend(note.map(str::to_owned));
    match language {
        Language::Posix | Language::Zsh => {
            let quote = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
            let quoted = quote(directory);
            lines.push("case \"$PATH:\" in".to_owned());
            lines.push(format!("    {quoted}:*) ;;"));
            lines.push(format!("    *) export PATH={quoted}\":$PATH\" ;;"));
            lines.push("esac".to_owned());
            if language == Language::Zsh {
                let completions = Path::new(directory).with_file_name(aids::ZSH);
                lines.push(format!("{FPATH}{}{COMPDEF}", quote(completions.to_str().unwrap_or_default())));
            }
        }
        Language::Fish => {
            let quoted = format!("'{}'", directory.replace('\\', r"\\").replace('\'', r"\'"));
            lines.push(format!("if test \"$PATH[1]\" != {quoted}"));
            lines.push(format!("    set -gx PATH {quoted} $PATH"));
            lines.push("end".to_owned());
        }
    }
    lines.push(END.to_owned());
    lines.join("\n") + "\n"
}

/// Whether the lines between a begin and an end are those of a block, whatever its directory. Earlier ones were content with a
/// directory that was somewhere on PATH.
fn is_block(lines: &[&[u8]]) -> bool {
    let lines = match lines {
        [note, rest @ ..] if *note == MADE.as_bytes() || *note == ENDED.as_bytes() => rest,
        lines => lines,
    };
    let is = |line: &[u8], begin: &str, end: &str| line.starts_with(begin.as_bytes()) && line.ends_with(end.as_bytes());
    match lines {
        // zsh's has one line more, which earlier ones had not.
        [case, there, export, esac, rest @ ..] if rest.len() <= 1 => {
            let is_now = *case == b"case \"$PATH:\" in" && is(there, "    '", "':*) ;;");
            let is_earlier = *case == b"case \":$PATH:\" in" && is(there, "    *:'", "':*) ;;");
            (is_now || is_earlier)
                && is(export, "    *) export PATH='", "'\":$PATH\" ;;")
                && *esac == b"esac"
                && rest.iter().all(|line| is(line, FPATH, COMPDEF))
        }
        [test, set, end] => {
            (is(test, "if test \"$PATH[1]\" != '", "'") || is(test, "if not contains -- '", "' $PATH"))
                && is(set, "    set -gx PATH '", "' $PATH")
                && *end == b"end"
        }
        _ => false,
    }
}

/// The bytes as they were before the blocks; `None` when there was no file.
pub(super) fn without_blocks(bytes: &[u8]) -> Option<Vec<u8>> {
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let bare: Vec<&[u8]> = lines.iter().map(|line| without_end(line)).collect();
    let (mut kept, mut at, mut was_made) = (Vec::with_capacity(bytes.len()), 0, false);
    while at < lines.len() {
        let end = (at + 1..lines.len().min(at + 8)).find(|end| bare[*end] == END.as_bytes());
        match end {
            Some(end) if bare[at] == BEGIN.as_bytes() && is_block(&bare[at + 1..end]) => {
                was_made |= bare[at + 1] == MADE.as_bytes();
                // What was written below it since needs the line's end.
                if bare[at + 1] == ENDED.as_bytes() && end + 1 == lines.len() && kept.ends_with(b"\n") {
                    kept.pop();
                }
                at = end + 1;
            }
            _ => {
                kept.extend_from_slice(lines[at]);
                at += 1;
            }
        }
    }
    (!kept.is_empty() || !was_made).then_some(kept)
}

/// A line without its end, be that of Unix or of Windows; blanks before it are the line's own.
fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}
