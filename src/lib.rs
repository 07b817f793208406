//! azward: a drop-in `az` that keeps the refresh token off the disk. This is the map of its modules; `ARCHITECTURE.md`
//! tells how a run goes through them.

pub mod app;
pub mod azure;
pub mod client;
pub mod commands;
pub mod consent;
pub mod context;
pub mod credentials;
pub mod failure;
pub mod helper;
pub mod home;
mod home_lock;
pub mod in_use;
pub mod journal;
mod lock;
mod marker;
mod memo;
mod private;
pub mod run;
pub mod secret;
pub mod serve;
pub mod sessions;
pub mod settings;
pub mod store;
pub mod sys;
mod text;
pub mod tokens;
pub mod ui;
mod user_file;
pub mod vault;
mod wait;
