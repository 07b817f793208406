//! The command line of `azward config`, and what completes in it.

use azward::settings::Key;
use clap::Subcommand;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};

/// What `azward config` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Show every setting (so does `azward config` alone)
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one
    Get {
        /// Its name
        #[arg(value_name = "KEY", add = ArgValueCandidates::new(keys))]
        name: String,
        /// Its value alone, for scripts
        #[arg(long)]
        value: bool,
    },
    /// Set one in the file
    Set {
        /// Its name
        #[arg(value_name = "KEY", add = ArgValueCandidates::new(keys))]
        name: String,
        /// What it is to be
        #[arg(add = ArgValueCandidates::new(values))]
        value: String,
    },
    /// Take one out of the file: the default holds again
    Unset {
        /// Its name
        #[arg(value_name = "KEY", add = ArgValueCandidates::new(keys))]
        name: String,
    },
}

fn keys() -> Vec<CompletionCandidate> {
    Key::ALL.iter().map(|(name, _)| CompletionCandidate::new(name)).collect()
}

/// A shell that asks does not say of which setting.
fn values() -> Vec<CompletionCandidate> {
    let mut words: Vec<&str> = Key::ALL.iter().flat_map(|(_, key)| key.words()).collect();
    words.sort_unstable();
    words.dedup();
    words.into_iter().map(CompletionCandidate::new).collect()
}
