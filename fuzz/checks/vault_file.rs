//! The vault file. The bytes are taken for a whole file, which opens only if it was sealed with the key; then for what is
//! sealed in one, which opens as exactly what it is; then a bit of that one is changed, and it opens no more. Whatever
//! does not open is not changed by reading it, and is set aside whole, not overwritten, when a new vault is committed.
//!
//! Files are sealed and opened here by a second implementation of the format that `src/vault/sealed.rs` describes.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use azward::azure::ConfigDir;
use azward::context::Context;
use azward::failure::Kind;
use azward::secret::Secret;
use azward::settings::{KeyStoreChoice, Setting, Settings};
use azward::vault::{Contents, CredentialKind, KeptEntry, Owner, Record, Rival, Vault};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use hkdf::Hkdf;
use sha2::{Digest, Sha256};

use super::Scratch;
use super::json::{Json, NotRead};

/// The config directory that the vault belongs to. It need not be there.
const DIRECTORY: &str = "/nonexistent/.azure";

/// The formats that are read.
const VERSIONS: [u8; 2] = [1, 2];

/// An azward home with a key file whose key is known.
struct Home {
    scratch: Scratch,
    context: Context,
    settings: Settings,
    key: [u8; 32],
    key_id: [u8; 8],
}

thread_local! {
    static HOME: Home = Home::new();
}

/// Checks one vault file; says whether it opened, as the file or as what is in one.
pub(crate) fn check(bytes: &[u8]) -> bool {
    HOME.with(|home| {
        let mut opened = home.file(bytes);
        for version in VERSIONS {
            let sealed = home.seal(bytes, version);
            opened |= home.file(&sealed);
            let mut changed = sealed;
            let number: usize = bytes.iter().map(|byte| usize::from(*byte)).sum::<usize>() + bytes.len();
            let at = number % changed.len();
            changed[at] ^= 1 << (number % 8);
            assert!(!home.file(&changed), "byte {at} was changed, and it opened");
        }
        opened
    })
}

impl Home {
    fn new() -> Self {
        let scratch = Scratch::new();
        let user = scratch.path().metadata().unwrap().uid();
        let random = [7; 32];
        let mut key = [0; 32];
        let salt = format!("user={user}\n");
        Hkdf::<Sha256>::new(Some(salt.as_bytes()), &random).expand(b"azward key file v1", &mut key).unwrap();
        let digest = Sha256::new().chain_update(b"azward master key id\0").chain_update(key).finalize();
        let key_id: [u8; 8] = std::array::from_fn(|place| digest[place]);
        let check: String = key_id.iter().map(|byte| format!("{byte:02x}")).collect();
        let random = STANDARD.encode(random);
        let text = format!("{{\"version\":1,\"bound_to\":[\"user\"],\"random\":\"{random}\",\"check\":\"{check}\"}}");
        scratch.write("key", text.as_bytes());
        std::fs::create_dir(scratch.path().join("vaults")).unwrap();
        let variables = [("HOME".into(), scratch.path().into()), ("AZWARD_HOME".into(), scratch.path().into())];
        let context = Context::new(variables, None);
        let settings = Settings { key_store: Setting::in_file(KeyStoreChoice::KeyFile), ..Settings::default() };
        Self { scratch, context, settings, key, key_id }
    }

    /// Checks `bytes` as the current generation, with none before it; says whether it opened.
    fn file(&self, bytes: &[u8]) -> bool {
        let directory = self.scratch.path().join("vaults");
        let config_dir = ConfigDir::at(DIRECTORY.as_ref());
        let vault = Vault::of(&self.context, &self.settings, &config_dir);
        let key_id: String = self.key_id.iter().map(|byte| format!("{byte:02x}")).collect();
        let path = directory.join(format!("{}.{key_id}.vault", config_dir.id()));
        std::fs::write(&path, bytes).unwrap();
        let plain = self.open(bytes);
        let loaded = vault.load();
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "it was changed by reading it");
        let is_open = match loaded {
            Ok(contents) => {
                let plain = plain.expect("it was not sealed with this key");
                let text = std::str::from_utf8(&plain).expect("JSON is UTF-8");
                match Json::read(text) {
                    Ok(document) => assert_eq!(Some(&contents), read(&document, bytes[13]).as_ref()),
                    Err(flaw) => assert_eq!(flaw, NotRead::TooDeep),
                }
                self.commit(&vault, &contents);
                true
            }
            Err(failure) => {
                let clear = [Kind::VaultDamaged, Kind::KeyLost, Kind::KeyUnavailable];
                assert!(clear.contains(&failure.kind) && !failure.what.is_empty(), "{failure}");
                let is_newer = failure.what.contains("newer azward");
                if failure.kind == Kind::VaultDamaged && !is_newer {
                    self.commit(&vault, &Contents::default());
                    let kept = files(&directory).into_iter().any(|path| std::fs::read(path).unwrap() == bytes);
                    assert!(kept, "what did not open is gone: {failure}");
                }
                false
            }
        };
        files(&directory).into_iter().for_each(|path| std::fs::remove_file(path).unwrap());
        is_open
    }

    /// Commits `contents`, and reads them again as another process would.
    fn commit(&self, vault: &Vault, contents: &Contents) {
        let lock = vault.lock(Duration::from_secs(60)).unwrap();
        vault.commit(&lock, contents).unwrap();
        drop(lock);
        let again = Vault::of(&self.context, &self.settings, &ConfigDir::at(DIRECTORY.as_ref()));
        assert_eq!(&again.load().unwrap(), contents);
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&self.key.into())
    }

    /// A vault file whose contents are `body`.
    fn seal(&self, body: &[u8], version: u8) -> Vec<u8> {
        let nonce = [9; 24];
        let mut file = start(version);
        file.extend(self.key_id);
        file.extend(1_u64.to_le_bytes());
        file.extend(nonce);
        file.extend(u16::try_from(DIRECTORY.len()).unwrap().to_le_bytes());
        file.extend(DIRECTORY.as_bytes());
        let sealed = self.cipher().encrypt(&nonce.into(), Payload { msg: body, aad: &file }).unwrap();
        file.extend(sealed);
        file
    }

    /// What is sealed in a file of this directory and this key.
    fn open(&self, file: &[u8]) -> Option<Vec<u8>> {
        let length = u16::from_le_bytes(file.get(56..58)?.try_into().ok()?);
        let end = 58 + usize::from(length);
        let (header, sealed) = (file.get(..end)?, file.get(end..)?);
        let is_ours = VERSIONS.iter().any(|version| header.starts_with(&start(*version)))
            && header[16..24] == self.key_id
            && header[58..] == *DIRECTORY.as_bytes();
        let nonce: [u8; 24] = header[32..56].try_into().ok()?;
        let opened = self.cipher().decrypt(&nonce.into(), Payload { msg: sealed, aad: header }).ok()?;
        is_ours.then_some(opened)
    }
}

/// How a file begins whose key is in a key file.
fn start(version: u8) -> Vec<u8> {
    [&b"azward vault\n"[..], &[version, 0, 2]].concat()
}

fn files(directory: &std::path::Path) -> Vec<PathBuf> {
    std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// What is in a vault, read from its JSON.
fn read(document: &Json, version: u8) -> Option<Contents> {
    let mut contents = Contents::default();
    let is_first = version == 1;
    let (records, id) = if is_first { ("refresh_tokens", "key") } else { ("records", "id") };
    for record in field(document, 0, records)?.values() {
        // Format 2 has two fields more: the kind before the id, and the owner after it.
        let place = |place: usize| if is_first { place } else { [1, 3, 4, 5, 6, 7, 8][place] };
        let text = |at, name| field(record, place(at), name)?.as_text();
        let time = |record: &Json| if let Json::Word(time) = record { time.parse().ok() } else { None };
        if !is_first && field(record, 0, "kind")?.as_text()? != "refresh_token" {
            return None;
        }
        let entry = Secret::new(STANDARD.decode(text(1, "entry")?).ok()?);
        contents.records.push(Record {
            kind: CredentialKind::RefreshToken,
            id: text(0, id)?,
            owner: match is_first {
                true => Json::read(entry.expose_text()).ok().and_then(|entry| owner(&entry)).unwrap_or_default(),
                false => owner(field(record, 2, "owner")?)?,
            },
            entry,
            predecessors: field(record, place(2), "predecessors")?
                .values()
                .iter()
                .map(Json::as_text)
                .collect::<Option<_>>()?,
            stored_at: time(field(record, place(3), "stored_at")?)?,
            stored_by: text(4, "stored_by")?,
            brought_at: field(record, place(5), "brought_at").map_or(is_first.then_some(0), time)?,
            rivals: field(record, place(6), "rivals")
                .map_or(Some(Vec::new()), |rivals| rivals.values().iter().map(rival).collect())?,
        });
    }
    for (place, name, kept) in
        [(1, "accounts", &mut contents.accounts), (2, "app_metadata", &mut contents.app_metadata)]
    {
        for record in field(document, place, name)?.values() {
            let text = |place, name| field(record, place, name)?.as_text();
            kept.push(KeptEntry { key: text(0, "key")?, entry: text(1, "entry")? });
        }
    }
    Some(contents)
}

/// Whose something is: in the first version its entry says so itself.
fn owner(entry: &Json) -> Option<Owner> {
    let once = |name: &str| {
        let name: Vec<u16> = name.encode_utf16().collect();
        let values: Vec<_> = entry.members().iter().filter(|(key, _)| *key == name).collect();
        if let [(_, value)] = values[..] { value.as_text() } else { None }
    };
    if let [id, environment] = entry.values() {
        return Some(Owner { home_account_id: id.as_text()?, environment: environment.as_text()? });
    }
    Some(Owner { home_account_id: once("home_account_id")?, environment: once("environment")? })
}

fn rival(record: &Json) -> Option<Rival> {
    let text = |place, name| field(record, place, name)?.as_text();
    let Json::Word(stored_at) = field(record, 1, "stored_at")? else { return None };
    Some(Rival {
        entry: Secret::new(STANDARD.decode(text(0, "entry")?).ok()?),
        stored_at: stored_at.parse().ok()?,
        stored_by: text(2, "stored_by")?,
    })
}

/// A record's field by its name; or by its place, because serde takes a list for a record. Nobody but azward can seal one.
fn field<'a>(record: &'a Json, place: usize, name: &str) -> Option<&'a Json> {
    record.get(name).or_else(|| record.values().get(place))
}
