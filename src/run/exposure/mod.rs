//! How the credentials of a run are at hand for its az, and which of the ways it gets.

pub mod in_place;
pub mod policy;
pub mod private;
pub mod temp_cache;
