//! MSAL's token cache. Format and keys are MSAL's; azward adds nothing to them.

mod cache_entry;
mod token_cache;

pub use cache_entry::{AccountFields, AccountId, Entry, RefreshTokenFields, Section};
pub use token_cache::TokenCache;
