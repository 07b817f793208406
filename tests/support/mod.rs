//! What the end-to-end tests share: the real Azure CLI, a fake one, a box for every test to run in, and the surroundings
//! that a box can have (a keyring, a terminal, an empty environment).
//!
//! | module | subject |
//! | --- | --- |
//! | [`sandbox`] | a home, a config directory, a PATH with the shim in front; searched for canaries when it is dropped |
//! | [`invocation`], [`outcome`] | one command in a box: how it is started, what came out of it |
//! | [`config_dir`] | the Azure config directory as tests read and age it |
//! | [`sessions`] | logins with names, and sessions |
//! | [`vaults`] | what each file of the vaults opens to |
//! | [`chance`] | what is random, and the same again with the same seed |
//! | [`canary`] | finds secrets in the clear |
//! | [`certificates`] | certificates with their keys |
//! | [`proc`] | processes as `/proc` shows them: the guardians of a box, anybody's status, descriptors and memory |
//! | [`native`] | a login, and what tells an answer from a run |
//! | [`provision`], [`releases`], [`fake_az`] | the real az, older ones and a fake one, made once |
//! | [`adal_az`] | the last release with ADAL, and the Python that it needs |
//! | [`identities`] | tokens of managed identities, made older |
//! | [`encrypting`] | an az that keeps its tokens in a keyring |
//! | [`earned`] | what azward has found out about the real az before a test begins |
//! | [`libraries`] | the Azure libraries that get their tokens from az, made once |
//! | [`opentofu`], [`stack`] | OpenTofu and a provider for it, made once; a whole plan and apply with them |
//! | [`keyring`], [`pty`], [`isolated`] | a Secret Service, a terminal, an environment of PATH alone |
//! | [`programs`] | which build of azward is tried |
//! | [`installed`] | what `install.sh` puts into a box, and what `uninstall.sh` must leave of it |
//! | [`surroundings`] | what the developer's shell hands down, taken back |
//! | [`schema`] | what `--json` says is what `docs/json.md` tells |

// Every test binary compiles these modules for itself and needs its own part of them only.
#![allow(dead_code, unused_imports)]

pub(crate) mod adal_az;
pub(crate) mod canary;
pub(crate) mod certificates;
pub(crate) mod chance;
pub(crate) mod config_dir;
pub(crate) mod earned;
pub(crate) mod encrypting;
pub(crate) mod fake_az;
pub(crate) mod identities;
pub(crate) mod installed;
pub(crate) mod invocation;
pub(crate) mod isolated;
pub(crate) mod keyring;
pub(crate) mod libraries;
pub(crate) mod native;
pub(crate) mod opentofu;
pub(crate) mod outcome;
#[cfg(target_os = "linux")]
pub(crate) mod proc;
pub(crate) mod programs;
pub(crate) mod provision;
pub(crate) mod pty;
pub(crate) mod releases;
pub(crate) mod sandbox;
pub(crate) mod schema;
pub(crate) mod sessions;
pub(crate) mod stack;
pub(crate) mod surroundings;
pub(crate) mod vaults;

pub(crate) use certificates::make_certificate;
pub(crate) use config_dir::ConfigDir;
pub(crate) use invocation::{Invocation, Running, in_shell, wait_until};
pub(crate) use keyring::{SecretService, State};
pub(crate) use native::{BY_AZ, BY_AZWARD, LOUD};
pub(crate) use outcome::{End, Outcome};
pub(crate) use pty::Terminal;
pub(crate) use rustix::process::Signal;
pub(crate) use sandbox::Sandbox;
