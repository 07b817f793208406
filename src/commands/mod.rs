//! The `azward` command, one file for each subcommand. What one has to say it says through [`Ui`](crate::ui::Ui): facts on
//! stdout, a failure's two lines on stderr. A subcommand ends in an [`anyhow::Error`], which tells what it was about; shown is
//! the [`Failure`] that this comes to ([`failure_of`]).

pub mod aids;
pub mod callers;
mod clear;
pub mod completions;
pub mod config;
mod containers;
pub mod doctor;
pub mod exec;
pub mod forget;
pub mod install;
pub mod leapp;
pub mod list;
pub mod lock;
pub mod log;
pub mod login;
pub mod logout;
pub mod man;
pub mod overview;
pub mod refresh;
#[cfg(windows)]
mod registry_path;
pub mod scrub;
pub mod seal_certificate;
pub mod serve;
pub mod session;
mod start_up_files;
pub mod status;
pub mod system;
pub mod token;
pub mod uninstall;
pub mod unlock;
pub mod vault_list;
pub mod vault_move;
pub mod version;
pub mod view;
pub mod within;

use crate::failure::Failure;
use crate::sys;

/// A time, in seconds since the epoch, as people here tell it.
#[must_use]
pub fn time(seconds: i64) -> String {
    let time = sys::local_time(seconds);
    time.map_or_else(|| "at an unknown time".to_owned(), |time| time.format("%Y-%m-%d %H:%M").to_string())
}

/// The failure that a subcommand's error comes to: what it was about, then what happened; kind and hint are those of the
/// failure in it, or of what the operating system refused.
#[must_use]
pub fn failure_of(error: &anyhow::Error) -> Failure {
    let what = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<Failure>().map_or_else(|| cause.to_string(), |failure| failure.what.clone())
    };
    let what = error.chain().map(what).collect::<Vec<_>>().join(": ");
    match error.downcast_ref::<Failure>() {
        Some(failure) => Failure { what, ..failure.clone() },
        None => {
            let refused = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
            Failure::refused(what, refused.unwrap_or(std::io::ErrorKind::Other))
        }
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;
    use crate::failure::{Kind, Result};

    #[test]
    fn an_error_tells_what_it_was_about_and_keeps_the_failure_s_kind_and_hint() {
        let busy: Result<()> = Err(Failure::new(Kind::Busy, "an az is running", "run this again"));
        let failure = failure_of(&busy.context("the login stays").unwrap_err());
        assert_eq!(failure.to_string(), "azward: the login stays: an az is running\nhint: run this again");
        assert_eq!(failure.kind, Kind::Busy);
        let refused = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let failure = failure_of(&Err::<(), _>(refused).context("cannot write `/x`").unwrap_err());
        assert!(failure.what.starts_with("cannot write `/x`: "), "{failure}");
        assert_eq!((failure.kind, failure.hint.as_str()), (Kind::Storage, "free some space on that disk"));
    }
}
