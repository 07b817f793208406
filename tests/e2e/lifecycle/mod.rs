//! The life of an installation: uninstalled beside everything else that goes on, killed in the middle and run again, its
//! logins listed, viewed elsewhere, forgotten, and gone when told. Afterwards a refresh token is in its cache or in a vault
//! that its key opens, never in neither.

#![cfg(target_os = "linux")]

mod checked;
mod claims;
mod directories;
mod killed;
mod log;
mod logged_out;
mod output;
mod views;

use crate::support::fake_az::ALICE;
use crate::support::installed::{assert_given_back, logged_in, script, walk};
