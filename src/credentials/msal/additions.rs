//! What a grant of tokens adds to MSAL's token cache.

use zeroize::Zeroizing;

/// What MSAL would add to the cache: key and entry, both raw.
#[derive(Debug)]
pub struct Additions {
    /// The access token's entry.
    pub access_token: (String, Zeroizing<String>),
    /// The id token's, if there is one.
    pub id_token: Option<(String, Zeroizing<String>)>,
    /// The client's.
    pub app_metadata: (String, Zeroizing<String>),
}
