//! The reference reading of JSON: Python's `json.loads`, character by character. It keeps what azward must not lose: the
//! order of members, members that stand twice, numbers as they were written, halves of surrogate pairs.

/// How deep a document may be. Python gives up at about a thousand.
const DEPTH: usize = 200;

/// A JSON value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Json {
    /// `null`, `true`, `false` or a number, as it was written.
    Word(String),
    /// A string, in UTF-16 because `"\ud800"` is one to Python.
    Text(Vec<u16>),
    List(Vec<Self>),
    Object(Vec<(Vec<u16>, Self)>),
}

/// Why a text was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotRead {
    /// It is not one JSON value.
    Malformed,
    /// It may be one, deeper than anything that is read here.
    TooDeep,
}

impl Json {
    pub(crate) fn read(text: &str) -> Result<Self, NotRead> {
        let characters: Vec<char> = text.chars().collect();
        let mut reader = Reader { characters: &characters, at: 0, depth: 0 };
        let value = reader.value()?;
        reader.space();
        if reader.at == characters.len() { Ok(value) } else { Err(NotRead::Malformed) }
    }

    pub(crate) fn text(text: &str) -> Self {
        Self::Text(text.encode_utf16().collect())
    }

    pub(crate) fn empty() -> Self {
        Self::Object(Vec::new())
    }

    /// The member of this name; the last one, as Python's dictionaries have it.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        let name: Vec<u16> = name.encode_utf16().collect();
        self.members().iter().rev().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// The member's text; `None` when it is not there, no text, or no Unicode.
    pub(crate) fn get_text(&self, name: &str) -> Option<String> {
        self.get(name)?.as_text()
    }

    pub(crate) fn as_text(&self) -> Option<String> {
        let Self::Text(units) = self else { return None };
        String::from_utf16(units).ok()
    }

    /// An object's members; none for any other value.
    pub(crate) fn members(&self) -> &[(Vec<u16>, Self)] {
        if let Self::Object(members) = self { members } else { &[] }
    }

    /// A list's values; none for any other value.
    pub(crate) fn values(&self) -> &[Self] {
        if let Self::List(values) = self { values } else { &[] }
    }

    /// The same object with a member set, in its place or at the end.
    pub(crate) fn with(mut self, name: &str, value: Self) -> Self {
        let name: Vec<u16> = name.encode_utf16().collect();
        let Self::Object(members) = &mut self else { panic!("{self:?} is no object") };
        match members.iter_mut().find(|(key, _)| *key == name) {
            Some((_, old)) => *old = value,
            None => members.push((name, value)),
        }
        self
    }

    /// The value as Python has it once it is read: of members that stand twice, the last in the first one's place.
    pub(crate) fn in_python(&self) -> Self {
        match self {
            Self::List(values) => Self::List(values.iter().map(Self::in_python).collect()),
            Self::Object(members) => {
                let mut kept: Vec<(Vec<u16>, Self)> = Vec::new();
                for (key, value) in members {
                    let value = value.in_python();
                    match kept.iter_mut().find(|(other, _)| other == key) {
                        Some((_, old)) => *old = value,
                        None => kept.push((key.clone(), value)),
                    }
                }
                Self::Object(kept)
            }
            other => other.clone(),
        }
    }
}

struct Reader<'a> {
    characters: &'a [char],
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.characters.get(self.at).copied()
    }

    fn next(&mut self) -> Result<char, NotRead> {
        let character = self.peek().ok_or(NotRead::Malformed)?;
        self.at += 1;
        Ok(character)
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t' | '\n' | '\r')) {
            self.at += 1;
        }
    }

    /// Takes `wanted` if it is next, after white space.
    fn takes(&mut self, wanted: char) -> bool {
        self.space();
        let is_next = self.peek() == Some(wanted);
        self.at += usize::from(is_next);
        is_next
    }

    fn value(&mut self) -> Result<Json, NotRead> {
        self.space();
        if self.depth > DEPTH {
            return Err(NotRead::TooDeep);
        }
        match self.next()? {
            '{' => self.items('}', Self::member).map(Json::Object),
            '[' => self.items(']', Self::value).map(Json::List),
            '"' => self.string().map(Json::Text),
            _ => {
                self.at -= 1;
                self.word()
            }
        }
    }

    fn items<T>(&mut self, end: char, item: fn(&mut Self) -> Result<T, NotRead>) -> Result<Vec<T>, NotRead> {
        let mut items = Vec::new();
        if self.takes(end) {
            return Ok(items);
        }
        self.depth += 1;
        loop {
            items.push(item(self)?);
            if self.takes(end) {
                self.depth -= 1;
                return Ok(items);
            }
            if !self.takes(',') {
                return Err(NotRead::Malformed);
            }
        }
    }

    fn member(&mut self) -> Result<(Vec<u16>, Json), NotRead> {
        if !self.takes('"') {
            return Err(NotRead::Malformed);
        }
        let key = self.string()?;
        if !self.takes(':') {
            return Err(NotRead::Malformed);
        }
        Ok((key, self.value()?))
    }

    fn string(&mut self) -> Result<Vec<u16>, NotRead> {
        let mut units = Vec::new();
        loop {
            let plain = match self.next()? {
                '"' => return Ok(units),
                '\\' => match self.next()? {
                    'b' => '\u{8}',
                    'f' => '\u{c}',
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    same @ ('"' | '\\' | '/') => same,
                    'u' => {
                        let mut unit = 0;
                        for _ in 0..4 {
                            let digit = self.next()?.to_digit(16).ok_or(NotRead::Malformed)?;
                            unit = unit * 16 + digit;
                        }
                        units.push(u16::try_from(unit).expect("four digits"));
                        continue;
                    }
                    _ => return Err(NotRead::Malformed),
                },
                control if control < ' ' => return Err(NotRead::Malformed),
                other => other,
            };
            units.extend_from_slice(plain.encode_utf16(&mut [0; 2]));
        }
    }

    fn word(&mut self) -> Result<Json, NotRead> {
        let mut word = String::new();
        while let Some(character @ ('a'..='z' | 'A'..='Z' | '0'..='9' | '+' | '-' | '.')) = self.peek() {
            word.push(character);
            self.at += 1;
        }
        let is_one = matches!(word.as_str(), "null" | "true" | "false") || is_number(&word);
        if is_one { Ok(Json::Word(word)) } else { Err(NotRead::Malformed) }
    }
}

/// `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`
fn is_number(word: &str) -> bool {
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = word.strip_prefix('-').unwrap_or(word);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.strip_prefix(['+', '-']).unwrap_or(exponent)),
        None => (unsigned, "0"),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    is_digits(whole) && is_digits(fraction) && is_digits(exponent) && (whole == "0" || !whole.starts_with('0'))
}
