//! The files in which az keeps credentials: how each is read, edited, locked and written, and what azward does to any of
//! them: inject, harvest, scrub, merge. Those are pure functions; what is not understood is left as it is.

pub mod edit;
pub mod file;
pub mod merge;
pub mod msal;
pub mod msal_lock;
pub mod origin;
#[cfg(test)]
mod property_tests;
pub mod rivals;
