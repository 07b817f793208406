//! The resources whose tokens an endpoint gives: those that were named, each with or without a slash at its end, as a resource or as
//! a scope of all that was granted for it. Where none is named that is Resource Manager, under every name that the session's cloud has for it;
//! `*` is every one.

use crate::azure::clouds::Cloud;

/// What stands for every resource.
const ANY: &str = "*";

/// The part of a scope that asks for all that was granted.
const DEFAULT: &str = "/.default";

/// What Resource Manager is called by az, which takes the older name for it, and by everybody else (azure-cli-core 2.91.0, `cloud.py`,
/// `active_directory_resource_id` and `resource_manager` of each cloud).
const RESOURCE_MANAGER: [(&str, &str); 3] = [
    ("https://management.core.windows.net", "https://management.azure.com"),
    ("https://management.core.usgovcloudapi.net", "https://management.usgovcloudapi.net"),
    ("https://management.core.chinacloudapi.cn", "https://management.chinacloudapi.cn"),
];

/// The resources that are allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// Every one.
    Any,
    /// These, as [`plain`] has them.
    Only(Vec<String>),
}

impl Allowed {
    /// Those that are named; Resource Manager where none is.
    #[must_use]
    pub fn named(names: &[String], cloud: &Cloud) -> Self {
        if names.iter().any(|name| name == ANY) {
            return Self::Any;
        }
        if !names.is_empty() {
            return Self::Only(names.iter().map(|name| plain(name)).collect());
        }
        let Some(scope) = cloud.resource_manager_scope() else { return Self::Only(Vec::new()) };
        let name = plain(&scope);
        let names = RESOURCE_MANAGER.iter().find(|(old, new)| [*old, *new].contains(&&*name));
        Self::Only(names.map_or(vec![name.clone()], |(old, new)| vec![(*old).to_owned(), (*new).to_owned()]))
    }

    /// Whether tokens for `asked`, a resource or a scope, are given.
    #[must_use]
    pub fn has(&self, asked: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Only(only) => {
                let asked = plain(asked);
                only.iter().any(|one| one.eq_ignore_ascii_case(&asked))
            }
        }
    }
}

/// A resource, or the resource of a scope, without the slashes at its end.
fn plain(name: &str) -> String {
    name.strip_suffix(DEFAULT).unwrap_or(name).trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_the_same_by_each_of_its_names_and_no_other_is() {
        let allowed = Allowed::Only(vec![plain("https://vault.azure.net/"), plain("api://x/.default")]);
        for asked in
            ["https://vault.azure.net", "https://vault.azure.net//.default", "https://Vault.azure.net/", "api://x"]
        {
            assert!(allowed.has(asked), "{asked}");
        }
        for asked in ["", "https://vault.azure.net.evil", "https://vault.azure.net/x", "api://x/read", "*", "api://x y"]
        {
            assert!(!allowed.has(asked), "{asked}");
        }
        assert!(Allowed::Any.has("anything"));
    }
}
