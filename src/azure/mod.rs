//! What the Azure CLI is told, what it keeps on disk and how it finds itself. Grammar, formats, paths and protocols are
//! az's and MSAL's; azward adds nothing to them.

#[cfg(target_os = "linux")]
pub(crate) mod cache_writer;
pub(crate) mod clear_text;
pub mod clouds;
pub mod command;
mod config_dir;
pub mod credential_marks;
pub mod encryption_setting;
pub(crate) mod https_url;
pub mod ini;
pub(crate) mod installation;
pub mod known_az;
pub mod managed_identity;
pub mod output;
mod owner;
pub mod profile;
pub mod python_json;
pub mod query;
pub mod real_az;
pub mod shown;
pub mod token_storage;
pub mod version;
pub(crate) mod whereabouts;

pub use command::Command;
pub use config_dir::ConfigDir;
pub use https_url::HttpsUrl;
pub use owner::Owner;
pub use token_storage::TokenStorage;

/// The client id of the Azure CLI (azure-cli-core 2.91.0, `auth/constants.py`).
pub const AZURE_CLI_CLIENT_ID: &str = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";
