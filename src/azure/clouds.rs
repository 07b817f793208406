//! Which cloud is active, and where its authority and Resource Manager are. What is not understood is `None`, and whoever
//! asks then leaves the matter to the real az.

use crate::azure::ini::Ini;
use crate::azure::{ConfigDir, HttpsUrl};
use crate::context::Context;

/// One cloud, as far as azward needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cloud {
    /// The name that subscriptions are filed under.
    pub name: String,
    /// The authority: `https://login.microsoftonline.com`.
    pub active_directory: HttpsUrl,
    /// In the order of [`RESOURCES`].
    resources: [Option<String>; 7],
}

/// A cloud that az knows by itself.
struct Known {
    name: &'static str,
    active_directory: &'static str,
    /// In the order of [`RESOURCES`].
    resources: [Option<&'static str>; 7],
}

/// What the options begin with that are endpoints.
const ENDPOINT: &[u8; 9] = b"endpoint_";

/// The names that `--resource-type` takes, and the options of the endpoints that they stand for, Resource Manager first
/// (azure-cli 2.91.0, `command_modules/profile/custom.py`, `cloud_resource_type_mappings`).
const RESOURCES: [(&str, &str); 7] = [
    ("arm", "endpoint_active_directory_resource_id"),
    ("oss-rdbms", "endpoint_ossrdbms_resource_id"),
    ("aad-graph", "endpoint_active_directory_graph_resource_id"),
    ("ms-graph", "endpoint_microsoft_graph_resource_id"),
    ("batch", "endpoint_batch_resource_id"),
    ("media", "endpoint_media_resource_id"),
    ("data-lake", "endpoint_active_directory_data_lake_resource_id"),
];

/// azure-cli-core 2.91.0, `cloud.py`, `HARD_CODED_CLOUD_LIST`.
const KNOWN: [Known; 4] = [
    Known {
        name: "AzureCloud",
        active_directory: "https://login.microsoftonline.com",
        resources: [
            Some("https://management.core.windows.net/"),
            Some("https://ossrdbms-aad.database.windows.net"),
            Some("https://graph.windows.net/"),
            Some("https://graph.microsoft.com/"),
            Some("https://batch.core.windows.net/"),
            Some("https://rest.media.azure.net"),
            Some("https://datalake.azure.net/"),
        ],
    },
    Known {
        name: "AzureChinaCloud",
        active_directory: "https://login.chinacloudapi.cn",
        resources: [
            Some("https://management.core.chinacloudapi.cn/"),
            Some("https://ossrdbms-aad.database.chinacloudapi.cn"),
            Some("https://graph.chinacloudapi.cn/"),
            Some("https://microsoftgraph.chinacloudapi.cn"),
            Some("https://batch.chinacloudapi.cn/"),
            Some("https://rest.media.chinacloudapi.cn"),
            None,
        ],
    },
    Known {
        name: "AzureUSGovernment",
        active_directory: "https://login.microsoftonline.us",
        resources: [
            Some("https://management.core.usgovcloudapi.net/"),
            Some("https://ossrdbms-aad.database.usgovcloudapi.net"),
            Some("https://graph.microsoftazure.us/"),
            Some("https://graph.microsoft.us/"),
            Some("https://batch.core.usgovcloudapi.net/"),
            Some("https://rest.media.usgovcloudapi.net"),
            None,
        ],
    },
    Known {
        name: "AzureBleuCloud",
        active_directory: "https://login.sovcloud-identity.fr",
        resources: [
            Some("https://management.sovcloud-api.fr/"),
            Some("https://ossrdbms-aad.database.sovcloud-api.fr"),
            Some("https://graph.svc.sovcloud.fr/"),
            Some("https://graph.svc.sovcloud.fr"),
            Some("https://batch.sovcloud-api.fr/"),
            Some("https://rest.media.sovcloud-api.fr"),
            None,
        ],
    },
];

impl Cloud {
    /// The active cloud: `AZURE_CLOUD_NAME`, else `[cloud] name` in `config`, else `AzureCloud`; its endpoints as
    /// registered in `clouds.config`, else as az knows them (azure-cli-core 2.91.0, `cloud.py`, `get_active_cloud`).
    #[must_use]
    pub fn active(context: &Context, config_dir: &ConfigDir) -> Option<Self> {
        Self::active_by(context, config_dir, &Ini::read(&config_dir.path().join("config"))?)
    }

    /// The same, for whoever has read `config` already.
    #[must_use]
    pub fn active_by(context: &Context, config_dir: &ConfigDir, config: &Ini) -> Option<Self> {
        // Clouds from a metadata server, and config files found along the working directory, are az's own business.
        if context.has_variable("ARM_CLOUD_METADATA_URL") {
            return None;
        }
        // To az a name that is empty is one that nobody has registered.
        let name = match context.variable("AZURE_CLOUD_NAME") {
            None if context.has_variable("AZURE_CLOUD_NAME") => return None,
            Some(name) => name.to_str()?.to_owned(),
            None => config.get("cloud", "name").unwrap_or("AzureCloud").to_owned(),
        };
        let registered = Ini::read(&config_dir.path().join("clouds.config"))?;
        // az warns of every other API profile, on stderr.
        if registered.values_of("profile").any(|profile| profile != "latest") {
            return None;
        }
        let known = KNOWN.iter().find(|known| known.name == name);
        if known.is_none() && !registered.has_section(&name) {
            return None;
        }
        // az takes every `endpoint_` out of an option's name, so that two names can stand for one endpoint.
        let count = |option: &str| option.as_bytes().windows(ENDPOINT.len()).filter(|part| part == ENDPOINT).count();
        if registered.options(&name).any(|option| count(option) > 1) {
            return None;
        }
        let endpoint =
            |option: &str, default: Option<&str>| registered.get(&name, option).or(default).map(str::to_owned);
        // Refresh tokens are sent there: what two parsers could read differently is az's own business, too.
        let active_directory = endpoint("endpoint_active_directory", known.map(|known| known.active_directory))?;
        let active_directory = HttpsUrl::parse(&active_directory)?;
        let resources =
            std::array::from_fn(|place| endpoint(RESOURCES[place].1, known.and_then(|k| k.resources[place])));
        Some(Self { name, active_directory, resources })
    }

    /// The scope of Resource Manager, slash for slash; `None` where the cloud is registered without one.
    #[must_use]
    pub fn resource_manager_scope(&self) -> Option<String> {
        self.resource("arm").map(scope_of)
    }

    /// What `--resource-type` stands for here; `None` where az itself would complain.
    #[must_use]
    pub fn resource(&self, resource_type: &str) -> Option<&str> {
        let place = RESOURCES.iter().position(|(name, _)| *name == resource_type)?;
        self.resources[place].as_deref()
    }
}

/// The scope of a resource, slash for slash (azure-cli-core 2.91.0, `auth/util.py`, `resource_to_scopes`).
#[must_use]
pub fn scope_of(resource: &str) -> String {
    format!("{resource}/.default")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn active(variables: &[(&str, &str)], config: &str, clouds: &str) -> Option<Cloud> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("config"), config).unwrap();
        std::fs::write(dir.path().join("clouds.config"), clouds).unwrap();
        let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        Cloud::active(&Context::new(variables.collect::<Vec<_>>(), None), &ConfigDir::at(dir.path()))
    }

    #[test]
    fn the_public_cloud_is_the_default_and_its_scope_keeps_both_slashes() {
        let cloud = active(&[], "", "").unwrap();
        assert_eq!(cloud.resource_manager_scope().unwrap(), "https://management.core.windows.net//.default");
        assert_eq!(cloud.active_directory.host(), "login.microsoftonline.com");
    }

    #[test]
    fn a_registered_cloud_has_its_own_endpoints_and_the_variable_wins() {
        let clouds = "[fake]\nendpoint_active_directory = https://localhost:1\nendpoint_active_directory_resource_id = https://m/\n";
        let cloud = active(&[("AZURE_CLOUD_NAME", "fake")], "[cloud]\nname = AzureChinaCloud\n", clouds).unwrap();
        assert_eq!(
            (cloud.active_directory.host(), cloud.resource_manager_scope().unwrap().as_str()),
            ("localhost", "https://m//.default")
        );
        assert_eq!(active(&[], "[cloud]\nname = AzureChinaCloud\n", "").unwrap().name, "AzureChinaCloud");
    }

    #[test]
    fn an_unknown_cloud_is_left_to_az() {
        assert!(active(&[("AZURE_CLOUD_NAME", "nowhere")], "", "").is_none());
        assert!(active(&[("AZURE_CLOUD_NAME", "")], "", "").is_none());
        assert!(active(&[("ARM_CLOUD_METADATA_URL", "https://x")], "", "").is_none());
    }

    #[test]
    fn an_authority_that_can_be_read_in_two_ways_is_left_to_az() {
        let with = |authority: &str| {
            let clouds = format!("[fake]\nendpoint_active_directory = {authority}\n");
            active(&[("AZURE_CLOUD_NAME", "fake")], "", &clouds)
        };
        assert_eq!(with("https://Login.Example:443/").unwrap().active_directory.host(), "login.example");
        for authority in ["https://login.example:443@other.example:9446", "https://login.example\\@other.example", "x"]
        {
            assert_eq!(with(authority), None, "{authority}");
        }
    }
}
