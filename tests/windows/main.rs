//! azward on Windows, tested under wine: the programs built for Windows, the real Azure CLI for Windows in a real Windows
//! Python, and the stand-in for Entra ID on this system's loopback. What wine is not is not tested: its data protection
//! seals nothing that others could not open, its locks keep nobody from reading, it has no broker and no PowerShell.
//!
//! `.ci/windows` builds and prepares what they need, and runs them: `cargo test --test windows -- --ignored`.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "clippy only knows the functions marked as tests")]

mod callers;
mod ends;
mod installed;
mod login;
mod machine;
mod principals;
#[path = "../support/mod.rs"]
mod support;
mod windows_az;
