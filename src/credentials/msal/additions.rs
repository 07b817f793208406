//! What a grant of tokens adds to MSAL's token cache.

use std::fmt;

use zeroize::Zeroizing;

/// What MSAL would add to the cache: key and entry, both raw.
pub struct Additions {
    /// The access token's entry.
    pub access_token: (String, Zeroizing<String>),
    /// The id token's, if there is one.
    pub id_token: Option<(String, Zeroizing<String>)>,
    /// The client's.
    pub app_metadata: (String, Zeroizing<String>),
}

impl fmt::Debug for Additions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Additions").field("access_token", &self.access_token.0).finish_non_exhaustive()
    }
}
