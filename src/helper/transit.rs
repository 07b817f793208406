//! A secret on its way between a shim and its helper: base64 in JSON, and nowhere else. What it went through is wiped as it is freed
//! (`sys::WipedHeap`). What is no base64 is no answer.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::secret::Secret;

/// A secret that may be written to a pipe.
#[derive(Debug)]
pub(super) struct InTransit(pub(super) Secret);

impl Serialize for InTransit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(STANDARD.encode(self.0.expose())))
    }
}

impl<'de> Deserialize<'de> for InTransit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        STANDARD.decode(text.as_bytes()).map(|bytes| Self(Secret::new(bytes))).map_err(|_| Error::custom("no base64"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_bytes_it_has_it_arrives_whole_and_is_not_shown_on_its_way() {
        for bytes in [vec![], vec![0, 255, b'"', b'\\', 10], b"secret".to_vec()] {
            let text = serde_json::to_string(&InTransit(Secret::new(bytes.clone()))).unwrap();
            assert!(!text.contains("secret"));
            let arrived: InTransit = serde_json::from_str(&text).unwrap();
            assert_eq!(arrived.0.expose(), bytes);
        }
        assert!(serde_json::from_str::<InTransit>(r#""not base64!""#).is_err());
    }
}
