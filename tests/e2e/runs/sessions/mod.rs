//! Sessions: what a login, a start, a rotation and a stop leave in the files, step by step; what one does
//! beside another; and what runs in one. Several at the same moment, in each exposure: `exposure/sessions.rs`.

mod leapp;
mod steps;
mod together;
mod within;

use entra::Entra;

use crate::support::Sandbox;
use crate::support::sessions::{directory, login, names, session};

/// A box with a stand-in and no login yet.
fn signed_out() -> (Sandbox, Entra) {
    let sandbox = Sandbox::new().with_real_az();
    let entra = sandbox.start_entra(|_| {});
    (sandbox, entra)
}
