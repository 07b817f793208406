//! `clouds.config`: the endpoints of whichever cloud is active are those that az would take out of the same file.

use std::ffi::OsString;

use azward::azure::clouds::Cloud;
use azward::azure::{ConfigDir, HttpsUrl};
use azward::context::Context;

use super::{Scratch, ini};

/// The clouds that az knows by itself (azure-cli-core 2.91.0, `cloud.py`, `KNOWN_CLOUDS`).
const KNOWN: [&str; 4] = ["AzureCloud", "AzureChinaCloud", "AzureUSGovernment", "AzureBleuCloud"];

/// What `--resource-type` stands for (azure-cli 2.91.0, `profile/custom.py`, `cloud_resource_type_mappings`).
const RESOURCES: [(&str, &str); 7] = [
    ("oss-rdbms", "ossrdbms_resource_id"),
    ("arm", "active_directory_resource_id"),
    ("aad-graph", "active_directory_graph_resource_id"),
    ("ms-graph", "microsoft_graph_resource_id"),
    ("batch", "batch_resource_id"),
    ("media", "media_resource_id"),
    ("data-lake", "active_directory_data_lake_resource_id"),
];

thread_local! {
    static DIRECTORY: (Scratch, ConfigDir) = {
        let scratch = Scratch::new();
        let config_dir = ConfigDir::at(scratch.path());
        (scratch, config_dir)
    };
}

/// Checks one `clouds.config`; says whether any cloud of it was understood.
pub(crate) fn check(bytes: &[u8]) -> bool {
    DIRECTORY.with(|(scratch, config_dir)| {
        scratch.write("clouds.config", bytes);
        let expected = std::str::from_utf8(bytes).ok().and_then(ini::read);
        let mut names: Vec<&str> = vec!["AzureCloud", "AzureChinaCloud", "nowhere"];
        names.extend(expected.iter().flatten().map(|(name, _)| name.as_str()).filter(|name| !name.is_empty()).take(4));
        let mut is_understood = false;
        for name in names {
            let variable = (OsString::from("AZURE_CLOUD_NAME"), OsString::from(name));
            let Some(cloud) = Cloud::active(&Context::new([variable], None), config_dir) else { continue };
            let Some(expected) = &expected else { panic!("configparser raises, and there is {cloud:?}") };
            compare(&cloud, name, expected);
            is_understood = true;
        }
        is_understood
    })
}

fn compare(cloud: &Cloud, name: &str, expected: &ini::Sections) {
    assert_eq!(cloud.name, name);
    let section = expected.iter().find(|(section, _)| section == name);
    let is_known = KNOWN.contains(&name);
    assert!(section.is_some() || is_known, "az knows no cloud {name:?}");
    // The last option that stands for an endpoint: az takes every `endpoint_` out of its name.
    let endpoint = |wanted: &str| {
        let options = section.iter().flat_map(|(_, options)| options).rev();
        let mut options = options.filter(|(option, _)| option.starts_with("endpoint_"));
        options.find(|(option, _)| option.replace("endpoint_", "") == wanted).map(|(_, value)| value.as_str())
    };
    match endpoint("active_directory") {
        Some(authority) => assert_same_url(&cloud.active_directory, authority),
        None => assert!(is_known, "{name:?} has no authority"),
    }
    for (resource_type, option) in RESOURCES {
        match endpoint(option) {
            Some(resource) => assert_eq!(cloud.resource(resource_type), Some(resource), "{option}"),
            None => assert!(is_known || cloud.resource(resource_type).is_none(), "{option}"),
        }
    }
    let scope = cloud.resource("arm").map(|resource| format!("{resource}/.default"));
    assert_eq!(cloud.resource_manager_scope(), scope);
    let profiles = expected.iter().flat_map(|(_, options)| options).filter(|(option, _)| option == "profile");
    assert!(profiles.into_iter().all(|(_, profile)| profile == "latest"), "az has a word to say about the profile");
}

/// What azward reads of a URL is all that there is in it: put together again it is the same but for its case and the slashes
/// at its end, and no character of it means anything to another parser.
fn assert_same_url(read: &HttpsUrl, text: &str) {
    let text = text.to_ascii_lowercase();
    let text = text.trim_end_matches('/');
    assert_eq!(read.to_string(), text);
    let rest = text.strip_prefix("https://").expect("only https is read");
    let authority = rest.split('/').next().unwrap_or_default();
    let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
    assert_eq!(read.host(), host);
    assert_eq!(read.written_port().map(|port| port.to_string()).unwrap_or_default(), port);
    assert!(!host.is_empty() && (authority.contains(':') != port.is_empty()), "{text:?}");
    let is_known = |character: char| character.is_ascii_alphanumeric() || ".-".contains(character);
    assert!(host.chars().all(is_known) && !host.contains("..") && !host.ends_with('.'), "{text:?}");
    let is_known = |character: char| character.is_ascii_alphanumeric() || "/.-_~".contains(character);
    assert!(read.path().chars().all(is_known) && !read.path().contains("//"), "{text:?}");
    assert!(read.path().split('/').all(|segment| segment != ".." && segment != "."), "{text:?}");
}
