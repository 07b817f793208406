//! What a real `az` needs to use the stand-in: environment, `az cloud register`, or the files that command writes.
//!
//! The first login adds a line `subscription = …` to `clouds.config`; that is az's affair. `az login
//! --username --password` asks for the user realm without the port, so that it works with port 443 only.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

/// The name tests register the stand-in's cloud under.
pub const CLOUD_NAME: &str = "entra";

pub(crate) fn environment(config_dir: &Path, ca_file: &Path) -> Vec<(String, String)> {
    let (config_dir, ca_file) = (config_dir.to_string_lossy(), ca_file.to_string_lossy());
    [
        ("AZURE_CONFIG_DIR", config_dir.as_ref()),
        ("REQUESTS_CA_BUNDLE", ca_file.as_ref()),
        ("AZURE_CORE_COLLECT_TELEMETRY", "false"),
        ("AZURE_CORE_INSTANCE_DISCOVERY", "false"),
        ("AZURE_CORE_LOGIN_EXPERIENCE_V2", "off"),
        ("NO_PROXY", "localhost,127.0.0.1,::1"),
        ("no_proxy", "localhost,127.0.0.1,::1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

pub(crate) fn cloud_register_args(name: &str, origin: &str) -> Vec<String> {
    let slashed = format!("{origin}/");
    [
        "cloud",
        "register",
        "--name",
        name,
        "--endpoint-active-directory",
        origin,
        "--endpoint-resource-manager",
        &slashed,
        "--endpoint-active-directory-resource-id",
        "https://management.core.windows.net/",
        "--endpoint-active-directory-graph-resource-id",
        "https://graph.windows.net/",
        "--endpoint-microsoft-graph-resource-id",
        &slashed,
    ]
    .map(str::to_owned)
    .into()
}

/// Writes `clouds.config` and `config` as `az cloud register` and `az cloud set` leave them.
pub(crate) fn write(config_dir: &Path, name: &str, origin: &str) -> io::Result<()> {
    fs::create_dir_all(config_dir)?;
    fs::write(config_dir.join("clouds.config"), clouds_config(name, origin))?;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(config_dir.join("config"))?.write_all(format!("[cloud]\nname = {name}\n\n").as_bytes())
}

/// In the order and the words of `az cloud register`, which adds what the endpoints document of the server names.
fn clouds_config(name: &str, origin: &str) -> String {
    format!(
        "\
[{name}]
endpoint_active_directory = {origin}
endpoint_active_directory_data_lake_resource_id = https://datalake.azure.net/
endpoint_active_directory_graph_resource_id = https://graph.windows.net/
endpoint_active_directory_resource_id = https://management.core.windows.net/
endpoint_app_insights_resource_id = https://api.applicationinsights.io
endpoint_app_service_resource_id = https://appservice.azure.com
endpoint_attestation_resource_id = https://attest.azure.net
endpoint_batch_resource_id = https://batch.core.windows.net/
endpoint_log_analytics_resource_id = https://api.loganalytics.io
endpoint_management = https://management.core.windows.net/
endpoint_media_resource_id = https://rest.media.azure.net
endpoint_microsoft_graph_resource_id = {origin}/
endpoint_ossrdbms_resource_id = https://ossrdbms-aad.database.windows.net
endpoint_portal = https://portal.azure.com
endpoint_resource_manager = {origin}/
endpoint_sql_management = https://management.core.windows.net:8443/
endpoint_synapse_analytics_resource_id = https://dev.azuresynapse.net
suffix_acr_login_server_endpoint = .azurecr.io
suffix_keyvault_dns = .vault.azure.net
suffix_mariadb_server_endpoint = .mariadb.database.windows.net
suffix_mysql_server_endpoint = .mysql.database.windows.net
suffix_postgresql_server_endpoint = .postgres.database.windows.net
suffix_sql_server_hostname = .database.windows.net
suffix_storage_endpoint = core.windows.net

"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_those_of_az_cloud_register() {
        let clouds = clouds_config("fake", "https://localhost:1");
        assert!(clouds.starts_with("[fake]\nendpoint_active_directory = https://localhost:1\n"));
        assert!(clouds.contains("\nendpoint_resource_manager = https://localhost:1/\n"));
        assert!(clouds.ends_with("\nsuffix_storage_endpoint = core.windows.net\n\n"));
        assert!(!clouds.contains("{origin}"));
    }
}
