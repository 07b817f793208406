//! How output may look: whether it goes to a terminal, how wide that is, and whether it may be moved about in and coloured.
//! Colour is left out where the user (NO_COLOR), the terminal (TERM=dumb) or the lack of one says so, and it is never the
//! only sign: a word stands beside it.

use crate::context::Context;
use crate::sys::{self, Stream};

/// How what goes to one stream may look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    /// Whether it is a person's terminal.
    pub(super) is_terminal: bool,
    /// How many columns the terminal has, where there is one that tells.
    pub(super) width: Option<usize>,
    /// Whether the cursor may be moved.
    pub(super) takes_escapes: bool,
    is_coloured: bool,
}

/// What colour is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// A name of ours, before what it has.
    Name,
    /// The user should know.
    Warning,
    /// It went wrong.
    Failure,
}

impl Look {
    /// That of a stream of this process.
    pub(super) fn of(stream: Stream, context: &Context) -> Self {
        if !sys::is_terminal(stream) {
            return Self::default();
        }
        let term = context.variable("TERM");
        // On Windows nobody sets it.
        let is_dumb = if cfg!(windows) { false } else { term.is_none() } || term.is_some_and(|term| term == "dumb");
        let takes_escapes = !is_dumb && sys::takes_escapes(stream);
        Self {
            is_terminal: true,
            width: sys::terminal_width(stream),
            takes_escapes,
            is_coloured: takes_escapes && context.variable("NO_COLOR").is_none(),
        }
    }

    /// Whichever of two forms of a text goes with it.
    pub(super) fn choose<'a>(self, plain: &'a str, coloured: &'a str) -> &'a str {
        if self.is_coloured { coloured } else { plain }
    }

    /// `text` with the first `length` bytes of it in colour.
    pub(super) fn paint(self, text: &str, length: usize, tone: Tone) -> String {
        let (front, back) = text.split_at(length);
        if !self.is_coloured || front.is_empty() {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Name => "1",
            Tone::Warning => "1;33",
            Tone::Failure => "1;31",
        };
        format!("\x1b[{code}m{front}\x1b[0m{back}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_terminal_gets_the_bytes_and_nothing_else() {
        let plain = Look::default();
        assert_eq!(plain.paint("warning: x", 8, Tone::Warning), "warning: x");
        assert_eq!(plain.choose("plain", "coloured"), "plain");
        let coloured = Look { is_coloured: true, ..plain };
        assert_eq!(coloured.paint("hint: x", 5, Tone::Name), "\u{1b}[1mhint:\u{1b}[0m x");
        assert_eq!(coloured.paint("x", 0, Tone::Name), "x");
    }
}
