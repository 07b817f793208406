//! The sealed file's bytes: a header in clear, then XChaCha20-Poly1305 over the contents. The header says which version,
//! which key store, which key, which generation and which config directory, and all of it is associated data: a vault
//! moved to another directory or changed by one bit does not open. Nothing here touches a file or a key store.
//!
//! ```text
//! "azward vault\n"  version u16  kind u8  key id [8]  generation u64  nonce [24]  length u16  directory [length]
//! ciphertext  tag [16]                                                                 (integers little-endian)
//! ```
//! What is sealed beside a vault (`beside`) has a magic of its own and a text in the place of the contents, and is otherwise the
//! same; its generation is 0.
//!
//! The magic and the version never move, so that every later azward, and every earlier one, can tell them. Version 1 had the
//! same header, and its contents were of the first [`Format`]: it is opened, and what is sealed is version 2; or 3, which is
//! the same for a key store that came later, so that an azward that does not know that store leaves the vault as it is.

use std::io;
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use zeroize::Zeroizing;

use super::contents::Contents;
use super::json::{Format, NotContents};
use super::keys::{KeyId, KeyStoreKind, MasterKey};
use crate::sys;

const MAGIC: &[u8] = b"azward vault\n";
const MAGIC_BESIDE: &[u8] = b"azward short\n";
const VERSION: u16 = 2;
const LATER_STORE_VERSION: u16 = 3;
const FIRST_VERSION: u16 = 1;
const TAG: usize = 16;

/// What bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Vault,
    Beside,
}

impl What {
    fn magic(self) -> &'static [u8] {
        match self {
            Self::Vault => MAGIC,
            Self::Beside => MAGIC_BESIDE,
        }
    }
}

/// What a vault says of itself in clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The key store that has its key.
    pub(super) kind: KeyStoreKind,
    /// Which key.
    pub(super) key_id: KeyId,
    /// How many times the vault has been committed.
    pub(super) generation: u64,
    /// The canonical config directory that it belongs to.
    pub(super) directory: PathBuf,
    what: What,
    /// How its contents are written.
    format: Format,
    nonce: [u8; 24],
}

/// Why bytes are no vault that can be opened.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// They are torn, changed, or never were a vault; in words.
    Damaged(&'static str),
    /// A version that this azward does not know.
    Newer(u16),
}

/// Takes bytes from the front of a slice.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Flaw> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Flaw::Damaged("is cut short"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Flaw> {
        self.take(N)?.try_into().map_err(|_| Flaw::Damaged("is cut short"))
    }
}

impl Header {
    /// Reads the header of a vault, and how long it is.
    pub(super) fn parse(bytes: &[u8]) -> Result<(Self, usize), Flaw> {
        Self::parse_as(What::Vault, bytes)
    }

    /// The same of what is sealed beside one.
    pub(super) fn parse_beside(bytes: &[u8]) -> Result<(Self, usize), Flaw> {
        Self::parse_as(What::Beside, bytes)
    }

    fn parse_as(what: What, bytes: &[u8]) -> Result<(Self, usize), Flaw> {
        let mut reader = Reader(bytes);
        if reader.take(what.magic().len()) != Ok(what.magic()) {
            return Err(Flaw::Damaged("does not begin as a vault does"));
        }
        let version = u16::from_le_bytes(reader.array()?);
        let format = match version {
            VERSION | LATER_STORE_VERSION => Format::Second,
            FIRST_VERSION => Format::First,
            0 => return Err(Flaw::Damaged("has no version")),
            version => return Err(Flaw::Newer(version)),
        };
        let [kind] = reader.array()?;
        let kind = KeyStoreKind::from_byte(kind).ok_or(Flaw::Damaged("names no key store"))?;
        let key_id = reader.array()?;
        let generation = u64::from_le_bytes(reader.array()?);
        let nonce = reader.array()?;
        let length = u16::from_le_bytes(reader.array()?);
        let directory = sys::path_from_bytes(reader.take(usize::from(length))?);
        let header = Self { kind, key_id, generation, directory, what, format, nonce };
        if header.version() != version {
            return Err(Flaw::Damaged("names a key store that its version does not have"));
        }
        Ok((header, bytes.len() - reader.0.len()))
    }

    fn new(what: What, kind: KeyStoreKind, key: &MasterKey, generation: u64, directory: &Path) -> io::Result<Self> {
        let mut nonce = [0; 24];
        getrandom::fill(&mut nonce).map_err(io::Error::other)?;
        let (key_id, directory) = (key.id(), directory.to_owned());
        Ok(Self { kind, key_id, generation, directory, what, format: Format::Second, nonce })
    }

    fn version(&self) -> u16 {
        match (self.format, self.kind) {
            (Format::First, _) => FIRST_VERSION,
            (Format::Second, KeyStoreKind::Keyring | KeyStoreKind::KeyFile) => VERSION,
            (Format::Second, KeyStoreKind::SystemdCreds | KeyStoreKind::Passphrase) => LATER_STORE_VERSION,
        }
    }

    fn to_bytes(&self) -> io::Result<Vec<u8>> {
        let directory = sys::path_to_bytes(&self.directory);
        let length = u16::try_from(directory.len()).map_err(|_| io::ErrorKind::InvalidFilename)?;
        let mut bytes = self.what.magic().to_vec();
        bytes.extend(self.version().to_le_bytes());
        bytes.push(self.kind.to_byte());
        bytes.extend(self.key_id);
        bytes.extend(self.generation.to_le_bytes());
        bytes.extend(self.nonce);
        bytes.extend(length.to_le_bytes());
        bytes.extend(directory);
        Ok(bytes)
    }
}

/// Seals `contents` for `directory` with a fresh nonce.
pub(super) fn seal(
    contents: &Contents,
    kind: KeyStoreKind,
    key: &MasterKey,
    generation: u64,
    directory: &Path,
) -> io::Result<Vec<u8>> {
    seal_body(&Header::new(What::Vault, kind, key, generation, directory)?, contents.to_json()?, key)
}

/// Seals a text that belongs beside a vault of `directory`.
pub(super) fn seal_beside(text: &str, kind: KeyStoreKind, key: &MasterKey, directory: &Path) -> io::Result<Vec<u8>> {
    let header = Header::new(What::Beside, kind, key, 0, directory)?;
    seal_body(&header, Zeroizing::new(text.as_bytes().to_vec()), key)
}

fn seal_body(header: &Header, mut body: Zeroizing<Vec<u8>>, key: &MasterKey) -> io::Result<Vec<u8>> {
    let mut bytes = header.to_bytes()?;
    let tag = cipher(key)?
        .encrypt_inout_detached(&header.nonce.into(), &bytes, body.as_mut_slice().into())
        .map_err(|_| io::ErrorKind::FileTooLarge)?;
    bytes.extend_from_slice(&body);
    bytes.extend_from_slice(&tag);
    Ok(bytes)
}

/// Opens what [`seal`] made. `key` is the one that the header asks for.
pub(super) fn open(bytes: &[u8], key: &MasterKey) -> Result<Contents, Flaw> {
    let (header, start) = Header::parse(bytes)?;
    let body = open_body(&header, bytes, start, key)?;
    Contents::from_json(header.format, &body).map_err(|flaw| match flaw {
        NotContents::Nonsense => Flaw::Damaged("opens, and its contents make no sense"),
        NotContents::Newer => Flaw::Newer(header.version()),
    })
}

/// Opens what [`seal_beside`] made.
pub(super) fn open_beside(bytes: &[u8], key: &MasterKey) -> Result<Zeroizing<String>, Flaw> {
    let (header, start) = Header::parse_beside(bytes)?;
    let mut body = open_body(&header, bytes, start, key)?;
    let text = String::from_utf8(std::mem::take(&mut *body));
    text.map(Zeroizing::new).map_err(|_| Flaw::Damaged("opens, and is no text"))
}

fn open_body(header: &Header, bytes: &[u8], start: usize, key: &MasterKey) -> Result<Zeroizing<Vec<u8>>, Flaw> {
    let (associated, sealed) = bytes.split_at(start);
    let middle = sealed.len().checked_sub(TAG).ok_or(Flaw::Damaged("is cut short"))?;
    let (ciphertext, tag) = sealed.split_at(middle);
    let mut body = Zeroizing::new(ciphertext.to_vec());
    let tag = tag.try_into().map_err(|_| Flaw::Damaged("is cut short"))?;
    cipher(key)
        .map_err(|_| Flaw::Damaged("has a key of the wrong length"))?
        .decrypt_inout_detached(&header.nonce.into(), associated, body.as_mut_slice().into(), &tag)
        .map_err(|_| Flaw::Damaged("does not open with its own key"))?;
    Ok(body)
}

fn cipher(key: &MasterKey) -> io::Result<XChaCha20Poly1305> {
    XChaCha20Poly1305::new_from_slice(key.expose()).map_err(|_| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::contents::tests::sample;
    use super::super::json::tests::first_version;
    use super::*;

    /// The bytes of a generation as the first version would have written them in the place of `bytes`.
    pub(crate) fn as_first_version(bytes: &[u8], key: &MasterKey) -> Vec<u8> {
        let (mut header, _) = Header::parse(bytes).unwrap();
        header.format = Format::First;
        seal_body(&header, first_version(&open(bytes, key).unwrap()).into(), key).unwrap()
    }

    fn sealed() -> (Vec<u8>, MasterKey) {
        let key = MasterKey::generate().unwrap();
        let bytes = seal(&sample("canary"), KeyStoreKind::KeyFile, &key, 7, Path::new("/home/u/.azure")).unwrap();
        (bytes, key)
    }

    #[test]
    fn it_opens_again_and_shows_nothing() {
        let (bytes, key) = sealed();
        assert_eq!(open(&bytes, &key).unwrap(), sample("canary"));
        let (header, _) = Header::parse(&bytes).unwrap();
        assert_eq!((header.generation, header.directory.as_path()), (7, Path::new("/home/u/.azure")));
        assert_eq!(header.key_id, key.id());
        assert!(!bytes.windows(6).any(|window| window == b"canary"));
    }

    #[test]
    fn one_of_a_later_key_store_is_of_a_later_version() {
        let key = MasterKey::generate().unwrap();
        for kind in [KeyStoreKind::SystemdCreds, KeyStoreKind::Passphrase] {
            let bytes = seal(&sample("canary"), kind, &key, 1, Path::new("/a")).unwrap();
            assert_eq!((bytes[MAGIC.len()], Header::parse(&bytes).unwrap().0.kind), (3, kind));
            assert_eq!(open(&bytes, &key).unwrap(), sample("canary"));
        }
    }

    #[test]
    fn the_same_contents_are_never_the_same_bytes() {
        let key = MasterKey::generate().unwrap();
        let seal = || seal(&Contents::default(), KeyStoreKind::Keyring, &key, 1, Path::new("/a")).unwrap();
        assert_ne!(seal(), seal());
    }

    #[test]
    fn no_bit_can_be_changed_and_no_byte_left_out() {
        let (bytes, key) = sealed();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                assert!(open(&changed, &key).is_err(), "bit {bit} of byte {at}");
            }
            assert!(open(&bytes[..at], &key).is_err(), "cut at {at}");
        }
        let mut longer = bytes;
        longer.push(0);
        assert!(open(&longer, &key).is_err());
    }

    #[test]
    fn another_version_is_told_from_damage() {
        let (mut bytes, key) = sealed();
        for newer in [4, 5, 255] {
            bytes[MAGIC.len()] = newer;
            assert_eq!(open(&bytes, &key), Err(Flaw::Newer(newer.into())));
        }
        for (version, kind) in [(3, 2), (2, 3), (2, 4), (3, 5)] {
            (bytes[MAGIC.len()], bytes[MAGIC.len() + 2]) = (version, kind);
            assert!(matches!(open(&bytes, &key), Err(Flaw::Damaged(_))), "{version} {kind}");
        }
        bytes[MAGIC.len()] = 0;
        assert_eq!(open(&bytes, &key), Err(Flaw::Damaged("has no version")));
        assert_eq!(open(b"", &key), Err(Flaw::Damaged("does not begin as a vault does")));
    }

    #[test]
    fn a_version_is_not_changed_without_the_key() {
        let (bytes, key) = sealed();
        let first = as_first_version(&bytes, &key);
        assert_eq!(open(&first, &key).unwrap(), sample("canary"));
        for (mut relabelled, version) in [(bytes, 1), (first, 2)] {
            relabelled[MAGIC.len()] = version;
            assert_eq!(open(&relabelled, &key), Err(Flaw::Damaged("does not open with its own key")));
        }
    }

    #[test]
    fn contents_of_a_kind_that_nobody_knows_yet_are_a_newer_azward_s() {
        let (bytes, key) = sealed();
        let (header, _) = Header::parse(&bytes).unwrap();
        let json = String::from_utf8(sample("canary").to_json().unwrap().to_vec()).unwrap();
        let body = json.replacen("refresh_token", "moon_stone", 1).into_bytes();
        assert_eq!(open(&seal_body(&header, body.into(), &key).unwrap(), &key), Err(Flaw::Newer(VERSION)));
    }

    #[test]
    fn what_is_sealed_beside_a_vault_is_none_and_no_vault_is_that() {
        let (vault, key) = sealed();
        let beside = seal_beside("canary é", KeyStoreKind::KeyFile, &key, Path::new("/home/u/.azure")).unwrap();
        assert_eq!(*open_beside(&beside, &key).unwrap(), "canary é");
        assert!(!beside.windows(6).any(|window| window == b"canary"));
        assert_eq!(open(&beside, &key), Err(Flaw::Damaged("does not begin as a vault does")));
        assert!(open_beside(&vault, &key).is_err());
        for (mut bytes, magic) in [(vault, MAGIC_BESIDE), (beside, MAGIC)] {
            bytes[..MAGIC.len()].copy_from_slice(magic);
            assert!(open(&bytes, &key).is_err() && open_beside(&bytes, &key).is_err());
        }
    }

    #[test]
    fn another_key_does_not_open_it() {
        let (bytes, _) = sealed();
        assert!(open(&bytes, &MasterKey::generate().unwrap()).is_err());
    }
}
