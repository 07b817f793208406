//! `azureProfile.json`: the subscriptions, and which user sees them in which tenant. Only read here; a file that is missing
//! or not understood has no subscriptions.

use std::fmt;
use std::marker::PhantomData;
use std::path::Path;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// The profile, as far as azward needs it.
#[derive(Debug, Default, Deserialize)]
pub struct Profile {
    /// Every subscription of every cloud, in the file's order.
    #[serde(default, deserialize_with = "objects")]
    pub subscriptions: Vec<Subscription>,
}

/// One subscription, or a tenant without any that a user logged in to.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    /// Its id.
    pub id: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Whether commands use it when they are not told otherwise.
    #[serde(default)]
    pub is_default: bool,
    /// The tenant whose token lists it.
    #[serde(default)]
    pub tenant_id: String,
    /// The cloud that it is in.
    #[serde(default)]
    pub environment_name: String,
    /// Who sees it.
    #[serde(deserialize_with = "object")]
    pub user: User,
}

/// Who sees a subscription.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// The user's name, or a service principal's client id.
    #[serde(default)]
    pub name: String,
    /// `user` or `servicePrincipal`.
    #[serde(default, rename = "type")]
    pub kind: String,
    /// Set for a managed identity.
    #[serde(default)]
    pub assigned_identity_info: Option<String>,
    /// Set for a login that Cloud Shell made.
    #[serde(default, rename = "cloudShellID")]
    pub cloud_shell_id: Option<bool>,
}

/// What is an object in the file: serde itself takes a list for a record.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = Object<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members)).map(Object)
            }
        }

        deserializer.deserialize_map(Members(PhantomData))
    }
}

fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Object::deserialize(deserializer).map(|Object(record)| record)
}

fn objects<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let records = Vec::<Object<T>>::deserialize(deserializer)?;
    Ok(records.into_iter().map(|Object(record)| record).collect())
}

impl Profile {
    /// Reads the file at `path`.
    #[must_use]
    pub fn read(path: &Path) -> Self {
        std::fs::read_to_string(path).ok().and_then(|text| Self::parse(&text)).unwrap_or_default()
    }

    fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(without_mark(text)).ok().map(|Object(profile)| profile)
    }

    /// The file at `path`, if it is there, is whole, and has a list of subscriptions: what it does not list, it does not know.
    #[must_use]
    pub fn read_whole(path: &Path) -> Option<Self> {
        #[derive(Deserialize)]
        struct Listing {
            // Without a default: it is to be there.
            #[serde(deserialize_with = "objects")]
            subscriptions: Vec<Subscription>,
        }
        let text = std::fs::read_to_string(path).ok()?;
        let Object(Listing { subscriptions }) = serde_json::from_str(without_mark(&text)).ok()?;
        Some(Self { subscriptions })
    }

    /// Whether any subscription, or tenant without one, is listed for something of this name, person or not.
    #[must_use]
    pub fn names(&self, name: &str) -> bool {
        self.subscriptions.iter().any(|s| s.user.name.eq_ignore_ascii_case(name))
    }

    /// The subscription that commands in `cloud` use when they are not told otherwise; `None` also when there are two
    /// (azure-cli-core 2.91.0, `_profile.py`, `get_subscription`).
    #[must_use]
    pub fn default_subscription(&self, cloud: &str) -> Option<&Subscription> {
        self.subscription(cloud, None)
    }

    /// The subscription of `cloud` with this id or name, in any case, or the default one; `None` also when there are two,
    /// which az has its own word for (azure-cli-core 2.91.0, `_profile.py`, `get_subscription`).
    #[must_use]
    pub fn subscription(&self, cloud: &str, id_or_name: Option<&str>) -> Option<&Subscription> {
        let wanted = id_or_name.map(str::to_lowercase);
        let mut found = self.subscriptions.iter().filter(|s| {
            let is_wanted = match &wanted {
                Some(wanted) => [&s.id, &s.name].iter().any(|own| own.to_lowercase() == *wanted),
                None => s.is_default,
            };
            s.environment_name == cloud && is_wanted
        });
        found.next().filter(|_| found.next().is_none())
    }

    /// Whether the profile lists a subscription of the application with this id, which signs in with a credential of its own.
    #[must_use]
    pub fn has_application(&self, client_id: &str) -> bool {
        self.subscriptions.iter().any(|s| s.user.is_application() && s.user.name.eq_ignore_ascii_case(client_id))
    }

    /// Whether the profile lists a subscription of the user `name`.
    #[must_use]
    pub fn has_user(&self, name: &str) -> bool {
        self.subscriptions.iter().any(|s| s.user.is_person() && s.user.name.eq_ignore_ascii_case(name))
    }
}

/// az writes it as utf-8-sig (azure-cli-core 2.91.0, `_session.py`, `Session.save`).
fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

impl User {
    /// Whether the token comes from a refresh token: not a service principal, a managed identity or Cloud Shell.
    #[must_use]
    pub fn is_person(&self) -> bool {
        self.kind == "user" && self.assigned_identity_info.is_none() && self.cloud_shell_id.is_none()
    }

    /// Whether it is an application that signs in with a credential of its own: no managed identity.
    #[must_use]
    pub fn is_application(&self) -> bool {
        self.kind == "servicePrincipal" && self.assigned_identity_info.is_none() && self.cloud_shell_id.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = "\u{feff}{\"installationId\": \"i\", \"subscriptions\": [
        {\"id\": \"s1\", \"name\": \"One\", \"isDefault\": true, \"tenantId\": \"t\", \"environmentName\": \"AzureCloud\",
         \"user\": {\"name\": \"Ann@x\", \"type\": \"user\"}, \"tomorrow\": null},
        {\"id\": \"s2\", \"name\": \"Two\", \"isDefault\": true, \"tenantId\": \"t\", \"environmentName\": \"Other\",
         \"user\": {\"name\": \"app\", \"type\": \"servicePrincipal\"}}]}";

    #[test]
    fn the_default_is_the_one_of_the_cloud() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("azureProfile.json");
        std::fs::write(&path, PROFILE).unwrap();
        let profile = Profile::read(&path);
        assert_eq!(profile.default_subscription("AzureCloud").unwrap().id, "s1");
        assert!(profile.default_subscription("Nowhere").is_none());
        assert!(profile.has_user("ann@X") && !profile.has_user("app"));
        assert!(profile.has_application("App") && !profile.has_application("ann@x"));
    }

    #[test]
    fn what_is_not_a_profile_has_no_subscriptions() {
        let dir = tempfile::tempdir().unwrap();
        let lists = "{\"subscriptions\": [[\"s1\", \"One\", true, \"t\", \"AzureCloud\", [\"ann\", \"user\"]]]}";
        for text in ["{\"subscriptions\": 7}", lists] {
            std::fs::write(dir.path().join("p"), text).unwrap();
            assert!(Profile::read(&dir.path().join("p")).subscriptions.is_empty(), "{text}");
        }
        assert!(Profile::read(&dir.path().join("none")).subscriptions.is_empty());
        for text in ["", "{}", "[]", "{\"subscriptions\": null}", "{\"subscriptions\": [", lists] {
            std::fs::write(dir.path().join("p"), text).unwrap();
            assert!(Profile::read_whole(&dir.path().join("p")).is_none(), "{text}");
        }
        std::fs::write(dir.path().join("p"), "\u{feff}{\"subscriptions\": []}").unwrap();
        assert!(Profile::read_whole(&dir.path().join("p")).is_some_and(|profile| !profile.names("ann")));
    }
}
