//! Whose an entry of az's is: the two fields by which MSAL tells one account from another.

use serde::{Deserialize, Serialize};

/// The account that something belongs to.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Hash, Serialize)]
pub struct Owner {
    /// `{oid}.{tid}` of the account's home.
    pub home_account_id: String,
    /// The authority's host.
    pub environment: String,
}
