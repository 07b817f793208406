//! Which cloud is active, and where its authority and Resource Manager are. What is not understood is `None`, and whoever
//! asks then leaves the matter to the real az.

use crate::azure::ConfigDir;
use crate::azure::ini::Ini;
use crate::context::Context;

/// One cloud, as far as azward needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cloud {
    /// The name that subscriptions are filed under.
    pub name: String,
    /// The authority: `https://login.microsoftonline.com`.
    pub active_directory: String,
    /// The audience of Resource Manager's tokens: `https://management.core.windows.net/`.
    pub active_directory_resource_id: String,
}

/// The clouds that az knows by itself: name, authority, Resource Manager's audience
/// (azure-cli-core 2.91.0, `cloud.py`, `HARD_CODED_CLOUD_LIST`).
const KNOWN: [(&str, &str, &str); 4] = [
    ("AzureCloud", "https://login.microsoftonline.com", "https://management.core.windows.net/"),
    ("AzureChinaCloud", "https://login.chinacloudapi.cn", "https://management.core.chinacloudapi.cn/"),
    ("AzureUSGovernment", "https://login.microsoftonline.us", "https://management.core.usgovcloudapi.net/"),
    ("AzureBleuCloud", "https://login.sovcloud-identity.fr", "https://management.sovcloud-api.fr/"),
];

impl Cloud {
    /// The active cloud: `AZURE_CLOUD_NAME`, else `[cloud] name` in `config`, else `AzureCloud`; its endpoints as
    /// registered in `clouds.config`, else as az knows them (azure-cli-core 2.91.0, `cloud.py`, `get_active_cloud`).
    #[must_use]
    pub fn active(context: &Context, config_dir: &ConfigDir) -> Option<Self> {
        // Clouds from a metadata server, and config files found along the working directory, are az's own business.
        if context.has_variable("ARM_CLOUD_METADATA_URL") {
            return None;
        }
        let config = Ini::read(&config_dir.path().join("config"))?;
        let name = match context.variable("AZURE_CLOUD_NAME") {
            Some(name) => name.to_str()?.to_owned(),
            None => config.get("cloud", "name").unwrap_or("AzureCloud").to_owned(),
        };
        let registered = Ini::read(&config_dir.path().join("clouds.config"))?;
        let known = KNOWN.iter().find(|(known, _, _)| *known == name);
        if known.is_none() && !registered.has_section(&name) {
            return None;
        }
        let endpoint = |option: &str, default: Option<&str>| {
            registered.get(&name, &format!("endpoint_{option}")).or(default).map(str::to_owned)
        };
        Some(Self {
            active_directory: endpoint("active_directory", known.map(|(_, authority, _)| *authority))?,
            active_directory_resource_id: endpoint("active_directory_resource_id", known.map(|(_, _, arm)| *arm))?,
            name,
        })
    }

    /// The scope of Resource Manager, slash for slash (azure-cli-core 2.91.0, `auth/util.py`, `resource_to_scopes`).
    #[must_use]
    pub fn resource_manager_scope(&self) -> String {
        format!("{}/.default", self.active_directory_resource_id)
    }

    /// The authority's host without its port, as MSAL names it in the cache's `environment`
    /// (msal 1.39.0, `authority.py`, `canonicalize`).
    #[must_use]
    pub fn environment(&self) -> Option<String> {
        let host = self.active_directory.strip_prefix("https://")?.split(['/', ':']).next()?;
        Some(host.to_lowercase()).filter(|host| !host.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn active(variables: &[(&str, &str)], config: &str, clouds: &str) -> Option<Cloud> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("config"), config).unwrap();
        std::fs::write(dir.path().join("clouds.config"), clouds).unwrap();
        let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        Cloud::active(&Context::new(variables.collect::<Vec<_>>(), None, false), &ConfigDir::at(dir.path()))
    }

    #[test]
    fn the_public_cloud_is_the_default_and_its_scope_keeps_both_slashes() {
        let cloud = active(&[], "", "").unwrap();
        assert_eq!(cloud.resource_manager_scope(), "https://management.core.windows.net//.default");
        assert_eq!(cloud.environment(), Some("login.microsoftonline.com".to_owned()));
    }

    #[test]
    fn a_registered_cloud_has_its_own_endpoints_and_the_variable_wins() {
        let clouds = "[fake]\nendpoint_active_directory = https://localhost:1\nendpoint_active_directory_resource_id = https://m/\n";
        let cloud = active(&[("AZURE_CLOUD_NAME", "fake")], "[cloud]\nname = AzureChinaCloud\n", clouds).unwrap();
        assert_eq!(
            (cloud.environment(), cloud.resource_manager_scope().as_str()),
            (Some("localhost".to_owned()), "https://m//.default")
        );
        assert_eq!(active(&[], "[cloud]\nname = AzureChinaCloud\n", "").unwrap().name, "AzureChinaCloud");
    }

    #[test]
    fn an_unknown_cloud_is_left_to_az() {
        assert!(active(&[("AZURE_CLOUD_NAME", "nowhere")], "", "").is_none());
        assert!(active(&[("ARM_CLOUD_METADATA_URL", "https://x")], "", "").is_none());
    }
}
