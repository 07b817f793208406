//! MSAL's cache of answers as Python pickles it: a dictionary of answers, and under `_index_` a list and a dictionary of when
//! each came and goes. A pickle is a program for a machine with a stack, so that something is added by letting it go on:
//! what is there is neither moved nor understood, but for the places of those two in the machine's memo.

/// One answer of the endpoint.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    /// The request.
    pub key: &'a str,
    /// The answer's body.
    pub text: &'a str,
    /// When it came, in seconds since the epoch.
    pub created: i64,
    /// When it goes.
    pub expires: i64,
}

/// The cache, as far as it is read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cache<'a> {
    /// There is none yet.
    Empty,
    /// It has an index, whose list and dictionary are in these places of the memo.
    Indexed {
        /// All of the program but its end.
        program: &'a [u8],
        /// The list.
        list: u32,
        /// The dictionary.
        times: u32,
    },
}

/// What begins a pickle, and ends it.
const PROTOCOL: u8 = 0x80;
const STOP: u8 = b'.';

/// The key of the index.
const INDEX: &[u8] = b"_index_";

impl<'a> Cache<'a> {
    /// Reads one; `None` for what is none, or is written in a way that MSAL's is not.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self::Empty);
        }
        let program = bytes.strip_suffix(&[STOP])?;
        if program.first() != Some(&PROTOCOL) {
            return None;
        }
        let (mut rest, mut memo, mut last) = (program, 0_u32, 0_u8);
        let (mut is_index, mut list, mut times) = (false, None, None);
        while let Some(&opcode) = rest.first() {
            let (argument, after) = argument(opcode, &rest[1..])?;
            match opcode {
                MEMOIZE => {
                    if is_index && last == EMPTY_LIST && list.is_none() {
                        list = Some(memo);
                    } else if is_index && last == EMPTY_DICT && times.is_none() {
                        times = Some(memo);
                    }
                    memo += 1;
                }
                SHORT_BINUNICODE if argument == INDEX => is_index = true,
                _ => {}
            }
            (last, rest) = (opcode, after);
        }
        Some(Self::Indexed { program, list: list?, times: times? })
    }

    /// The same with one answer more.
    pub(super) fn with(&self, entry: &Entry<'_>) -> Vec<u8> {
        let mut pickle = Pickle(Vec::new());
        match self {
            Self::Empty => {
                pickle.0.extend([PROTOCOL, 4, EMPTY_DICT, MARK]);
                pickle.text(entry.key).answer(entry).text("_index_");
                pickle.0.extend([EMPTY_LIST, EMPTY_LIST, MARK]);
                pickle.number(entry.expires).number(entry.created).text(entry.key);
                pickle.0.extend([APPENDS, APPEND, EMPTY_DICT]);
                pickle.text(entry.key).times(entry).0.extend([SETITEM, TUPLE2, SETITEMS]);
            }
            Self::Indexed { program, list, times } => {
                pickle.0.extend_from_slice(program);
                pickle.text(entry.key).answer(entry).0.push(SETITEM);
                pickle.recall(*list).0.extend([EMPTY_LIST, MARK]);
                pickle.number(entry.expires).number(entry.created).text(entry.key).0.extend([APPENDS, APPEND, POP]);
                pickle.recall(*times).text(entry.key).times(entry).0.extend([SETITEM, POP]);
            }
        }
        pickle.0.push(STOP);
        pickle.0
    }
}

// The instructions that are written, and two more that are looked for (Python's `pickletools.py`).
const EMPTY_DICT: u8 = b'}';
const EMPTY_LIST: u8 = b']';
const EMPTY_TUPLE: u8 = b')';
const MARK: u8 = b'(';
const SETITEM: u8 = b's';
const SETITEMS: u8 = b'u';
const APPEND: u8 = b'a';
const APPENDS: u8 = b'e';
const BUILD: u8 = b'b';
const POP: u8 = b'0';
const LONG_BINGET: u8 = b'j';
const BINUNICODE: u8 = b'X';
const SHORT_BINUNICODE: u8 = 0x8c;
const TUPLE2: u8 = 0x86;
const LONG1: u8 = 0x8a;
const NEWOBJ: u8 = 0x81;
const STACK_GLOBAL: u8 = 0x93;
const MEMOIZE: u8 = 0x94;

/// An instruction's argument, and what comes after it; `None` for an instruction that is in none of MSAL's pickles.
fn argument(opcode: u8, rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let sized = |bytes: usize| {
        let (length, rest) = rest.split_at_checked(bytes)?;
        let length = length.iter().rev().fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
        rest.split_at_checked(length)
    };
    match opcode {
        EMPTY_DICT | EMPTY_LIST | EMPTY_TUPLE | MARK | SETITEM | SETITEMS | APPEND | APPENDS | BUILD | POP | NEWOBJ
        | STACK_GLOBAL | MEMOIZE => Some((&[], rest)),
        // None, true and false; tuples of one to three, and of any number.
        b'N' | 0x88 | 0x89 | 0x85 | TUPLE2 | 0x87 | b't' => Some((&[], rest)),
        // The protocol; numbers and places of the memo of one byte, of two, of four; of eight, and a frame.
        PROTOCOL | b'K' | b'h' => rest.split_at_checked(1),
        b'M' => rest.split_at_checked(2),
        b'J' | LONG_BINGET => rest.split_at_checked(4),
        b'G' | 0x95 => rest.split_at_checked(8),
        SHORT_BINUNICODE | LONG1 | b'C' => sized(1),
        BINUNICODE | b'B' => sized(4),
        _ => None,
    }
}

/// A program that is being written.
struct Pickle(Vec<u8>);

impl Pickle {
    fn text(&mut self, text: &str) -> &mut Self {
        self.0.push(BINUNICODE);
        // No answer is so long: the client reads less.
        self.0.extend_from_slice(&u32::try_from(text.len()).unwrap_or_default().to_le_bytes());
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    fn number(&mut self, number: i64) -> &mut Self {
        self.0.extend_from_slice(&[LONG1, 8]);
        self.0.extend_from_slice(&number.to_le_bytes());
        self
    }

    fn recall(&mut self, place: u32) -> &mut Self {
        self.0.push(LONG_BINGET);
        self.0.extend_from_slice(&place.to_le_bytes());
        self
    }

    /// The answer as MSAL keeps it.
    fn answer(&mut self, entry: &Entry<'_>) -> &mut Self {
        self.text("msal.throttled_http_client").text("NormalizedResponse");
        self.0.extend([STACK_GLOBAL, EMPTY_TUPLE, NEWOBJ, EMPTY_DICT, MARK]);
        self.text("status_code").number(400).text("text").text(entry.text).text("headers").0.push(EMPTY_DICT);
        self.0.extend([SETITEMS, BUILD]);
        self
    }

    fn times(&mut self, entry: &Entry<'_>) -> &mut Self {
        self.0.extend([EMPTY_LIST, MARK]);
        self.number(entry.expires).number(entry.created).0.push(APPENDS);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: Entry<'_> = Entry { key: "POST u hash=1 400", text: "{}", created: 1, expires: 61 };

    #[test]
    fn what_is_added_is_found_and_what_was_there_stays() {
        let first = Cache::Empty.with(&ENTRY);
        // That one keeps nothing in the memo; Python's own do.
        assert_eq!(Cache::read(&first), None);
        let mut python = vec![PROTOCOL, 4, 0x95, 60, 0, 0, 0, 0, 0, 0, 0, EMPTY_DICT, MEMOIZE, SHORT_BINUNICODE, 7];
        python.extend_from_slice(INDEX);
        python.extend([MEMOIZE, EMPTY_LIST, MEMOIZE, EMPTY_DICT, MEMOIZE, TUPLE2, MEMOIZE, SETITEM, STOP]);
        let cache = Cache::read(&python).unwrap();
        assert!(matches!(cache, Cache::Indexed { list: 2, times: 3, .. }), "{cache:?}");
        let more = cache.with(&ENTRY);
        assert!(more.starts_with(&python[..python.len() - 1]));
        assert!(matches!(Cache::read(&more), Some(Cache::Indexed { list: 2, times: 3, .. })));
    }

    #[test]
    fn what_is_not_msal_s_is_left_alone() {
        for bytes in [
            &b"."[..],
            b"\x80\x04}.",
            b"\x80\x04}",
            b"no pickle",
            b"\x80\x04cos\nsystem\n.",
            b"\x80\x04\x8c\xff.",
            b"\x80\x04X\xff\xff\xff\xff.",
        ] {
            assert_eq!(Cache::read(bytes), None, "{bytes:?}");
        }
        assert_eq!(Cache::read(b""), Some(Cache::Empty));
    }
}
