//! A query taken apart into its tokens.

/// One token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Dot,
    Star,
    OpenBracket,
    CloseBracket,
    OpenBrace,
    CloseBrace,
    OpenParenthesis,
    CloseParenthesis,
    Comma,
    Colon,
    /// `[]`.
    Flatten,
    /// `[?`.
    Filter,
    Pipe,
    Or,
    And,
    Not,
    Equal,
    Different,
    Name(String),
    /// The same in quotes: no function can be called so.
    QuotedName(String),
    Number(i64),
    Text(String),
    Bool(bool),
    Nothing,
}

/// The tokens of `text`; `None` where one is not understood.
pub(super) fn of(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            ' ' | '\t' | '\n' | '\r' => {
                rest = &rest[1..];
                continue;
            }
            '.' => (Token::Dot, 1),
            '*' => (Token::Star, 1),
            ']' => (Token::CloseBracket, 1),
            '{' => (Token::OpenBrace, 1),
            '}' => (Token::CloseBrace, 1),
            '(' => (Token::OpenParenthesis, 1),
            ')' => (Token::CloseParenthesis, 1),
            ',' => (Token::Comma, 1),
            ':' => (Token::Colon, 1),
            '[' if rest.starts_with("[]") => (Token::Flatten, 2),
            '[' if rest.starts_with("[?") => (Token::Filter, 2),
            '[' => (Token::OpenBracket, 1),
            '|' if rest.starts_with("||") => (Token::Or, 2),
            '|' => (Token::Pipe, 1),
            '&' if rest.starts_with("&&") => (Token::And, 2),
            '=' if rest.starts_with("==") => (Token::Equal, 2),
            '!' if rest.starts_with("!=") => (Token::Different, 2),
            '!' => (Token::Not, 1),
            '\'' => quoted(rest, '\'').map(|(text, length)| (Token::Text(text.to_owned()), length))?,
            '"' => {
                let (name, length) = quoted(rest, '"')?;
                // It is JSON.
                if name.chars().any(|c| c < ' ') {
                    return None;
                }
                (Token::QuotedName(name.to_owned()), length)
            }
            '`' => {
                let (literal, length) = quoted(rest, '`')?;
                (self::literal(literal)?, length)
            }
            '-' | '0'..='9' => {
                let digits = rest[1..].bytes().take_while(u8::is_ascii_digit).count();
                (Token::Number(rest[..=digits].parse().ok()?), digits + 1)
            }
            'a'..='z' | 'A'..='Z' | '_' => {
                let length = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
                (Token::Name(rest[..length].to_owned()), length)
            }
            _ => return None,
        };
        tokens.push(token);
        rest = &rest[length..];
    }
    Some(tokens)
}

/// What stands between two marks, and how long that is with them.
fn quoted(text: &str, mark: char) -> Option<(&str, usize)> {
    let inner = text[1..].split_once(mark)?.0;
    (!inner.contains('\\')).then_some((inner, inner.len() + 2))
}

/// A literal of JSON, of the kinds that az's own values are compared with.
fn literal(text: &str) -> Option<Token> {
    match text {
        "true" => Some(Token::Bool(true)),
        "false" => Some(Token::Bool(false)),
        "null" => Some(Token::Nothing),
        _ => {
            let inner = text.strip_prefix('"')?.strip_suffix('"')?;
            (!inner.contains(['"', '`']) && inner.chars().all(|c| c >= ' ')).then(|| Token::Text(inner.to_owned()))
        }
    }
}
