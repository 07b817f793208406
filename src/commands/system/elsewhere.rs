//! Where azward knows no place for all users: it says so.

use anyhow::{Result, bail};

use crate::commands::aids::Aids;
use crate::commands::version::Downgrade;
use crate::context::Context;
use crate::failure::{Failure, Kind};
use crate::ui::Ui;

/// There is no such place here.
///
/// # Errors
/// `Usage`, always.
pub fn install(_context: &Context, _ui: &Ui, _aids: &Aids, _downgrade: Downgrade) -> Result<()> {
    bail!(not_here())
}

/// There is nothing to take away here.
///
/// # Errors
/// `Usage`, always.
pub fn uninstall(_context: &Context, _ui: &Ui) -> Result<()> {
    bail!(not_here())
}

fn not_here() -> Failure {
    let what = "azward knows no place for all users of a system like this";
    Failure::new(Kind::Usage, what, "install it for each user, without --system")
}
