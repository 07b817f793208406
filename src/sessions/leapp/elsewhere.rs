//! Where a keyring cannot be searched by the program that an entry belongs to, nobody can say which integrations there are.

use crate::failure::{Failure, Kind, Result};
use crate::secret::Secret;

/// Nothing.
///
/// # Errors
/// `Usage`.
pub(super) fn entries(service: &'static str) -> Result<Vec<(String, Secret)>> {
    Err(Failure::new(
        Kind::Usage,
        format!("what {service} keeps can be found on Linux only"),
        "sign in with `azward login NAME` instead",
    ))
}
