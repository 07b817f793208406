//! `azureProfile.json`: a subscription that azward finds is the one that az finds, and no other has the name.

use azward::azure::profile::Profile;

use super::Scratch;
use super::json::{Json, NotRead};

thread_local! {
    static SCRATCH: Scratch = Scratch::new();
}

/// Checks one profile; says whether it was understood.
pub(crate) fn check(bytes: &[u8]) -> bool {
    let profile = SCRATCH.with(|scratch| Profile::read(&scratch.write("azureProfile.json", bytes)));
    if profile.subscriptions.is_empty() {
        assert!(profile.default_subscription("AzureCloud").is_none() && !profile.has_user(""));
        return false;
    }
    // `utf-8-sig`: one byte order mark is passed over.
    let text = std::str::from_utf8(bytes).expect("az raises on what is not UTF-8");
    let document = match Json::read(text.strip_prefix('\u{feff}').unwrap_or(text)) {
        Ok(document) => document.in_python(),
        Err(NotRead::TooDeep) => return false,
        Err(NotRead::Malformed) => panic!("no JSON, and read all the same: {profile:?}"),
    };
    assert!(matches!(document, Json::Object(_)), "az would want a dictionary");
    let subscriptions = document.get("subscriptions").map(Json::values).unwrap_or_default();
    assert_eq!(profile.subscriptions.len(), subscriptions.len());
    let texts = |name: &str| subscriptions.iter().filter_map(|one| one.get_text(name)).collect::<Vec<_>>();
    let mut clouds = texts("environmentName");
    // A cloud has a name; where one is missing az raises.
    clouds.retain(|name| !name.is_empty());
    clouds.sort();
    clouds.dedup();
    for cloud in clouds.iter().take(4) {
        compare(&profile, subscriptions, cloud, None);
        for wanted in texts("id").into_iter().chain(texts("name")).filter(|wanted| !wanted.is_empty()).take(8) {
            compare(&profile, subscriptions, cloud, Some(&wanted));
            compare(&profile, subscriptions, cloud, Some(&wanted.to_uppercase()));
        }
    }
    for user in subscriptions.iter().filter_map(|one| one.get("user")?.get_text("name")).take(8) {
        let is_it = |one: &Json| {
            let Some(other) = one.get("user") else { return false };
            let name = other.get_text("name").unwrap_or_default();
            other.get_text("type").as_deref() == Some("user") && name.to_lowercase() == user.to_lowercase()
        };
        assert!(!profile.has_user(&user) || subscriptions.iter().any(is_it), "{user:?}");
    }
    true
}

/// azure-cli-core 2.91.0, `_profile.py`, `load_cached_subscriptions` and `get_subscription`.
fn compare(profile: &Profile, subscriptions: &[Json], cloud: &str, wanted: Option<&str>) {
    let mut expected: Vec<&Json> = Vec::new();
    for one in subscriptions {
        let is = |name: &str, wanted: &str| one.get_text(name).is_some_and(|own| own.to_lowercase() == wanted);
        let is_wanted = match wanted.map(str::to_lowercase) {
            Some(wanted) => is("id", &wanted) || is("name", &wanted),
            None => one.get("isDefault") == Some(&Json::Word("true".into())),
        };
        if is_wanted && one.get_text("environmentName").as_deref() == Some(cloud) {
            expected.push(one);
        }
    }
    let found = profile.subscription(cloud, wanted);
    assert_eq!(found.is_some(), expected.len() == 1, "{cloud:?} {wanted:?}: {found:?}");
    let (Some(found), [expected]) = (found, &expected[..]) else { return };
    assert_eq!(expected.get_text("id").as_ref(), Some(&found.id));
    for (name, own) in [("name", &found.name), ("tenantId", &found.tenant_id)] {
        assert_eq!(expected.get_text(name).unwrap_or_default(), *own, "{name}");
    }
    let user = expected.get("user").expect("az would look for it");
    assert!(matches!(user, Json::Object(_)), "az would want a dictionary");
    assert_eq!(user.get_text("name").unwrap_or_default(), found.user.name);
    let is_set = |name: &str| user.get(name).is_some_and(|value| *value != Json::Word("null".into()));
    let is_person =
        user.get_text("type").as_deref() == Some("user") && !is_set("assignedIdentityInfo") && !is_set("cloudShellID");
    assert_eq!(found.user.is_person(), is_person, "{user:?}");
}
