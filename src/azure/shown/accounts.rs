//! The accounts in `azureProfile.json` as `az account show` and `az account list` have them (azure-cli-core 2.91.0,
//! `_profile.py`, `load_cached_subscriptions`, `get_subscription`; azure-cli 2.91.0, `command_modules/profile/custom.py`).
//! Every key stays as it is, known or not.

use std::borrow::Cow;

use crate::azure::clouds::Cloud;
use crate::azure::command::Extent;
use crate::azure::output::{Map, Order, Value};

/// The columns of `az account list` as a table, and the keys that they show (`command_modules/profile/_format.py`).
const COLUMNS: [(&str, &str); 6] = [
    ("Name", "name"),
    ("CloudName", "cloudName"),
    ("SubscriptionId", "id"),
    ("TenantId", "tenantId"),
    ("State", "state"),
    ("IsDefault", "isDefault"),
];

/// The account with this id or name, or the default one, in a profile's `text`.
#[must_use]
pub fn account<'a>(text: &'a str, cloud: &Cloud, named: Option<&str>) -> Option<Value<'a>> {
    let named = named.filter(|name| !name.is_empty()).map(str::to_lowercase);
    let mut found = None;
    for account in in_profile(text, cloud)? {
        if account.get("environmentName") != Some(&Value::text(cloud.name.as_str())) {
            continue;
        }
        let is_it = match &named {
            Some(named) => {
                let own = |key: &str| Some(text_of(&account, key)?.to_lowercase() == *named);
                own("id")? | own("name")?
            }
            None => match account.get("isDefault") {
                Some(Value::Bool(is_default)) => *is_default,
                None => false,
                Some(_) => return None,
            },
        };
        // Of two az says that there are two.
        if is_it && found.replace(account).is_some() {
            return None;
        }
    }
    found.map(Value::Map)
}

/// The accounts of the active cloud, all of them enabled, or all there are.
#[must_use]
pub fn accounts<'a>(text: &'a str, cloud: &Cloud, extent: Extent) -> Option<Value<'a>> {
    let mut accounts = Vec::new();
    for mut account in in_profile(text, cloud)? {
        let place = account.entries.iter().position(|(key, _)| key == "environmentName")?;
        let (_, name) = account.entries.remove(place);
        if extent == Extent::All || name == Value::text(cloud.name.as_str()) {
            // az warns of those that it leaves out.
            if extent == Extent::Enabled && text_of(&account, "state")? != "Enabled" {
                return None;
            }
            account.entries.push(("cloudName".into(), name));
            accounts.push(Value::Map(account));
        }
    }
    (!accounts.is_empty()).then_some(Value::List(accounts))
}

/// The same in the columns of its table.
#[must_use]
pub fn account_columns<'a>(accounts: &Value<'a>) -> Option<Value<'a>> {
    let Value::List(accounts) = accounts else { return None };
    let row = |account: &Value<'a>| {
        let Value::Map(account) = account else { return None };
        let column = |(heading, key): &(&'static str, &str)| match account.get(key) {
            Some(value) => Some((Cow::Borrowed(*heading), value.clone())),
            None if *key == "state" => Some((Cow::Borrowed(*heading), Value::Null)),
            None => None,
        };
        let entries = COLUMNS.iter().map(column).collect::<Option<_>>()?;
        Some(Value::Map(Map { entries, order: Order::AsTheyCame }))
    };
    accounts.iter().map(row).collect::<Option<_>>().map(Value::List)
}

/// Every account, of whatever cloud.
fn in_profile<'a>(text: &'a str, cloud: &Cloud) -> Option<Vec<Map<'a>>> {
    // az looks for Resource Manager before it looks for an account.
    cloud.resource_manager_scope()?;
    // It is written as utf-8-sig.
    let profile: Value<'a> = serde_json::from_str(text.strip_prefix('\u{feff}').unwrap_or(text)).ok()?;
    let Value::Map(profile) = profile else { return None };
    let (_, Value::List(accounts)) = profile.entries.into_iter().find(|(key, _)| key == "subscriptions")? else {
        return None;
    };
    let account = |account: Value<'a>| match account {
        Value::Map(map) if stays_as_it_is(&map) => Some(map),
        _ => None,
    };
    let accounts = accounts.into_iter().map(account).collect::<Option<Vec<_>>>()?;
    accounts.iter().all(|account| text_of(account, "environmentName").is_some()).then_some(accounts)
}

/// Whether az adds nothing to a result on its way out (azure-cli-core 2.91.0, `commands/transform.py`), nor finds two keys
/// where it makes one of them.
fn stays_as_it_is(map: &Map<'_>) -> bool {
    map.entries.iter().all(|(key, value)| {
        let is_plain = match key.as_ref() {
            "id" => matches!(value, Value::Text(id) if !id.contains('/')),
            "x509Thumbprint" | "cloudName" => false,
            _ => true,
        };
        is_plain && holds_no_more(value)
    })
}

fn holds_no_more(value: &Value<'_>) -> bool {
    match value {
        Value::Map(map) => stays_as_it_is(map),
        Value::List(items) => items.iter().all(holds_no_more),
        _ => true,
    }
}

fn text_of<'v>(map: &'v Map<'_>, key: &str) -> Option<&'v str> {
    match map.get(key)? {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::ConfigDir;
    use crate::azure::output::{Format, Selection, print};
    use crate::context::Context;

    const PROFILE: &str = "\u{feff}{\"installationId\": \"i\", \"subscriptions\": [
        {\"id\": \"s1\", \"name\": \"Zoë\", \"state\": \"Enabled\", \"isDefault\": true, \"tenantId\": \"t\",
         \"environmentName\": \"AzureCloud\", \"user\": {\"name\": \"ann\"}, \"tomorrow\": null},
        {\"id\": \"s2\", \"name\": \"Two\", \"state\": \"Enabled\", \"tenantId\": \"t\", \"environmentName\": \"AzureCloud\",
         \"isDefault\": false},
        {\"id\": \"s3\", \"name\": \"Two\", \"state\": \"Disabled\", \"tenantId\": \"t\", \"environmentName\": \"Other\",
         \"isDefault\": true}]}";

    fn cloud() -> Cloud {
        Cloud::active(&Context::new([], None), &ConfigDir::at(std::path::Path::new("/nonexistent"))).unwrap()
    }

    fn tsv(value: &Value<'_>) -> String {
        print(value, Format::Tsv, Selection::Whole).unwrap().to_string()
    }

    #[test]
    fn one_account_is_shown_with_all_that_is_known_of_it() {
        for named in [None, Some(""), Some("S1"), Some("ZOË")] {
            let shown = account(PROFILE, &cloud(), named).unwrap();
            assert_eq!(tsv(&shown), "AzureCloud\ts1\tTrue\tZoë\tEnabled\tt\tNone\t\n", "{named:?}");
        }
        assert!(account(PROFILE, &cloud(), Some("s3")).is_none(), "it is of another cloud");
        let both = PROFILE.replace("\"isDefault\": false", "\"isDefault\": true");
        assert!(account(&both, &cloud(), None).is_none());
    }

    #[test]
    fn those_of_the_cloud_are_listed_and_of_one_that_is_not_enabled_az_warns() {
        let listed = accounts(PROFILE, &cloud(), Extent::Enabled).unwrap();
        assert_eq!(tsv(&listed).lines().count(), 2);
        assert_eq!(
            tsv(&account_columns(&listed).unwrap()).lines().last().unwrap(),
            "Two\tAzureCloud\ts2\tt\tEnabled\tFalse"
        );
        assert_eq!(tsv(&accounts(PROFILE, &cloud(), Extent::All).unwrap()).lines().count(), 3);
        let disabled = PROFILE.replacen("Enabled", "Warned", 1);
        assert!(accounts(&disabled, &cloud(), Extent::Enabled).is_none());
    }

    #[test]
    fn what_az_would_stumble_over_is_left_to_it() {
        for (old, new) in [
            ("\"environmentName\": \"Other\"", "\"more\": 1"),
            ("\"s1\"", "7"),
            ("\"s1\"", "\"/subscriptions/s1/resourceGroups/g/x/y/z/n\""),
            ("\"tomorrow\": null", "\"tomorrow\": 1.5"),
            ("\"tomorrow\": null", "\"x509Thumbprint\": \"x\""),
            ("\"isDefault\": true", "\"isDefault\": \"yes\""),
            ("\"subscriptions\"", "\"none\""),
            ("]}", "]"),
        ] {
            let text = PROFILE.replacen(old, new, 1);
            assert!(text != PROFILE && account(&text, &cloud(), None).is_none(), "{new}");
        }
        for text in ["", "[]", "{}", "{\"subscriptions\": []}", "{\"subscriptions\": [[]]}"] {
            assert!(accounts(text, &cloud(), Extent::All).is_none(), "{text}");
        }
    }
}
