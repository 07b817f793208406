//! The programs from end to end, each test in a box of its own (`tests/support`), all of them in one binary: a change of the
//! library links it once. Where a test lies says when `.ci/run` has it once more: what is below a module `runs` with the
//! secrets in place, what is below a module `signals`, and the harness, with signals ignored.
//!
//! - `runs`: az runs, however it is handed the secrets.
//!   - `adfs`: an AD FS in the place of Entra ID.
//!   - `adoption`: a login that azward did not put there itself is taken into the vault.
//!   - `adversity`: keyrings, disks, vaults, locks, modes and clocks in disorder.
//!   - `all_tokens`: access tokens are sealed, too.
//!   - `copied`: a copy of a config directory says whose login it lacks, and adopts it.
//!   - `denials`: the endpoint refuses, is slow, broken or not there.
//!   - `encryption`: an az that would keep its tokens in a keyring of its own.
//!   - `exec`: any program gets what az gets.
//!   - `journal`: who asked for what is written down, and no secret.
//!   - `keep_alive`: a long run's token is renewed beside it.
//!   - `login`: logging in and out.
//!   - `native_rotation`, `rotation`: a token that is due is new before it is used.
//!   - `patience`: how long a caller waits, and that nothing is asked twice.
//!   - `principals`: service principals, whose secrets are sealed like refresh tokens.
//!   - `real_az`: finding the real az, whatever is on PATH.
//!   - `refresh`: a new token now.
//!   - `sdks`: the SDKs for Python and JavaScript.
//!   - `sessions`: logins with names, a session for each subscription, and what runs in one.
//!   - `signals`: whoever signals the shim meets az, and its end is az's.
//!   - `single_flight`: many callers, one request.
//!   - `trials`: an az is answered for once it was found to say the same.
//!   - `transparency`: az has what the caller gave, and nothing else.
//!   - `views`: config directories that share a login.
//! - `answers`: what azward answers without an az, which is the same in either exposure.
//!   - `environment`, `facts`, `forms`, `parity`, `printed`: the bytes are the real az's.
//!   - `destination`, `grants`, `trust`: whom a refresh token is sent to, and what is taken from there.
//! - `consent`: a program is asked about before it gets its first token.
//! - `doctor`: each fault is made, found, mended and gone.
//! - `exposure`: the private exposure and what it falls back to; each test says which it is about.
//! - `identities`: managed identities, whose tokens azward keeps where az keeps none; nothing is exposed to their az.
//! - `install`, `lifecycle`: installed, interrupted, logged out, uninstalled.
//! - `releases`: older az, each against itself.
//! - `serve`: tokens for containers and other hosts, over an endpoint.
//! - `settings`: what is set, and by whom.
//! - `vaults`: every key store, moves from each to each, and what becomes of a vault whose key is locked, lost or replaced.
//! - `versions`: this build after another, and before; `.ci/versions` builds those.
//! - `surroundings`: an environment of PATH alone, a home that nobody knows, a real keyring, files of other owners.
//! - `transcripts`: what the README shows is what is said.
//! - `fuzz_corpus`: what fuzzing found is replayed.
//! - `harness`: what the tests themselves stand on.
//!
//! A test that has to be the only one at a time belongs into `tests/alone`.

#![allow(clippy::unwrap_used, reason = "clippy only knows the functions marked as tests")]

#[path = "../support/mod.rs"]
mod support;

mod consent;
mod doctor;
mod exposure;
mod fuzz_corpus;
mod harness;
mod identities;
mod install;
mod lifecycle;
mod releases;
mod serve;
mod settings;
mod transcripts;
mod vaults;
mod versions;

mod answers {
    mod destination;
    mod environment;
    mod facts;
    mod forms;
    mod grants;
    mod parity;
    mod printed;
    mod trust;
}

mod runs {
    mod adal;
    mod adfs;
    mod adoption;
    mod adversity;
    mod all_tokens;
    mod broker;
    mod copied;
    mod denials;
    mod encryption;
    mod exec;
    mod helper;
    mod journal;
    mod keep_alive;
    mod login;
    mod native_rotation;
    mod patience;
    mod principals;
    mod real_az;
    mod refresh;
    mod rotation;
    mod sdks;
    mod sessions;
    mod signals;
    mod single_flight;
    mod transparency;
    mod trials;
    mod views;
}

mod surroundings {
    mod bare_root;
    mod keyring;
    mod minimal_environment;
    mod owners;
    mod unknown_home;
}
