//! The version of an installed Azure CLI, and what follows from it. Each line that is drawn here was read off the sources of
//! the versions on either side of it.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A version of azure-cli.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Version(u32, u32, u32);

/// The first that keeps its tokens in MSAL's cache; those before it have `accessTokens.json`.
const MSAL: Version = Version(2, 30, 0);

/// The first that `core.encrypt_token_cache` tells whether to encrypt its tokens; `core.token_encryption` told 2.30
/// (azure-cli-core, `_profile.py`, `_create_identity_instance`).
const ENCRYPT_TOKEN_CACHE: Version = Version(2, 31, 0);

/// The first whose `account` commands take `--name` and `-n`.
const NAME_OPTION: Version = Version(2, 32, 0);

/// The first that declares capability CP1 (azure-cli-core, `auth/identity.py`, `client_capabilities`).
const CP1: Version = Version(2, 41, 0);

/// The first whose answer has `expires_on` (azure-cli, `command_modules/profile/custom.py`, `get_access_token`).
const EXPIRES_ON: Version = Version(2, 54, 0);

/// From here on its MSAL keeps of an answer what it needs and no more; some before it do too.
const KEEPS_NO_REQUESTS: Version = Version(2, 75, 0);

impl Version {
    /// Whether its MSAL may keep the requests that were refused, with what was redeemed in them.
    #[must_use]
    pub(crate) fn may_keep_requests(self) -> bool {
        self < KEEPS_NO_REQUESTS
    }

    /// Whether its tokens are in MSAL's token cache.
    #[must_use]
    pub fn keeps_an_msal_cache(self) -> bool {
        self >= MSAL
    }

    /// Whether it is told to encrypt its tokens by the name that this has now, and not by the first one.
    #[must_use]
    pub(crate) fn reads_encrypt_token_cache(self) -> bool {
        self >= ENCRYPT_TOKEN_CACHE
    }

    /// Whether `az account` takes `--name` for `--subscription`.
    #[must_use]
    pub fn takes_name(self) -> bool {
        self >= NAME_OPTION
    }

    /// Whether its requests for tokens declare that it understands claims challenges.
    #[must_use]
    pub fn declares_cp1(self) -> bool {
        self >= CP1
    }

    /// Whether what it says of a token has `expires_on`.
    #[must_use]
    pub fn says_expires_on(self) -> bool {
        self >= EXPIRES_ON
    }
}

impl FromStr for Version {
    type Err = ();

    /// Reads three numbers with points between them, and no more: what is not a release is none that is known.
    fn from_str(text: &str) -> Result<Self, ()> {
        let number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok()).flatten();
        let parts: Option<Vec<u32>> = text.split('.').map(number).collect();
        match parts.as_deref() {
            Some([major, minor, patch]) => Ok(Self(*major, *minor, *patch)),
            _ => Err(()),
        }
    }
}

impl Display for Version {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.0, self.1, self.2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_release_is_read() {
        assert_eq!("2.91.0".parse(), Ok(Version(2, 91, 0)));
        for text in ["", "2.91", "2.91.0.1", "2.91.0b1", "2..0", "+2.1.0", "v2.91.0", "2.91.0 "] {
            assert_eq!(text.parse::<Version>(), Err(()), "{text}");
        }
    }

    #[test]
    fn what_a_version_does() {
        let does = |text: &str| {
            let version: Version = text.parse().unwrap();
            [
                version.keeps_an_msal_cache(),
                version.reads_encrypt_token_cache(),
                version.takes_name(),
                version.declares_cp1(),
                version.says_expires_on(),
            ]
        };
        assert_eq!(does("2.29.2"), [false; 5]);
        assert_eq!(does("2.30.0"), [true, false, false, false, false]);
        assert_eq!(does("2.31.0"), [true, true, false, false, false]);
        assert_eq!(does("2.40.0"), [true, true, true, false, false]);
        assert_eq!(does("2.53.1"), [true, true, true, true, false]);
        assert_eq!(does("2.54.0"), [true; 5]);
        assert_eq!(does("3.0.0"), [true; 5]);
    }
}
