//! A master key, and the id that tells it from others.

use sha2::{Digest, Sha256};

use crate::failure::{Failure, Kind, Result};
use crate::secret::Secret;
use crate::text;

/// Tells one master key from another: eight bytes of SHA-256, and no way back.
pub(in crate::vault) type KeyId = [u8; 8];

/// The 32 random bytes that seal the vaults.
#[derive(Debug)]
pub(in crate::vault) struct MasterKey(Secret);

impl MasterKey {
    /// How many bytes a key has.
    pub(in crate::vault) const LENGTH: usize = 32;

    /// A new one from the operating system's randomness.
    pub(in crate::vault) fn generate() -> Result<Self> {
        let mut bytes = vec![0; Self::LENGTH];
        getrandom::fill(&mut bytes).map_err(|_| {
            Failure::new(
                Kind::KeyUnavailable,
                "the operating system gives no random bytes for a new key",
                "run the command again; `azward status` says where the key is kept",
            )
        })?;
        Ok(Self(Secret::new(bytes)))
    }

    /// The key that a store had, if it has a key's length.
    pub(in crate::vault) fn from_secret(secret: Secret) -> Option<Self> {
        (secret.expose().len() == Self::LENGTH).then_some(Self(secret))
    }

    /// A second copy, for who hands one out and keeps one.
    pub(super) fn duplicate(&self) -> Self {
        Self(self.0.duplicate())
    }

    pub(in crate::vault) fn expose(&self) -> &[u8] {
        self.0.expose()
    }

    /// What it is made of.
    pub(super) fn secret(&self) -> &Secret {
        &self.0
    }

    pub(in crate::vault) fn id(&self) -> KeyId {
        let digest = Sha256::new().chain_update(b"azward master key id\0").chain_update(self.expose()).finalize();
        let mut id = KeyId::default();
        id.copy_from_slice(&digest[..size_of::<KeyId>()]);
        id
    }
}

/// A key's id as it stands in names.
pub(in crate::vault) fn hex(id: KeyId) -> String {
    text::hexadecimal(&id)
}

/// What [`hex`] wrote.
pub(in crate::vault) fn id_from_hex(text: &str) -> Option<KeyId> {
    let id = u64::from_str_radix(text, 16).ok()?.to_be_bytes();
    (hex(id) == text).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_belongs_to_one_key() {
        let (one, two) = (MasterKey::generate().unwrap(), MasterKey::generate().unwrap());
        assert_eq!(one.id(), one.id());
        assert_ne!(one.id(), two.id());
        assert!(MasterKey::from_secret(Secret::new(vec![0; 31])).is_none());
    }

    #[test]
    fn an_id_is_read_back_from_a_name_and_nothing_else_is() {
        for id in [[0; 8], [0xff; 8], [0, 1, 2, 3, 0xab, 0xcd, 0xef, 9]] {
            assert_eq!(id_from_hex(&hex(id)), Some(id));
        }
        for text in ["", "0", "+000000000000000", "000000000000000G", "00000000000000AB", "00000000000000000"] {
            assert_eq!(id_from_hex(text), None, "{text}");
        }
    }
}
