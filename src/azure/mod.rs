//! What the Azure CLI keeps on disk and how it finds itself. Formats, paths and protocols are az's and MSAL's; azward adds
//! nothing to them.

pub mod config_dir;

pub use config_dir::ConfigDir;
