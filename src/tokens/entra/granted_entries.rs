//! The entries that a grant makes in the token cache, field by field and in the order that MSAL writes them (msal 1.39.0,
//! `token_cache.py`, `TokenCache.__add`).

use zeroize::Zeroizing;

use crate::azure::python_json::{Escape, quote};
use crate::credentials::msal::Additions;
use crate::tokens::TokenKey;
use crate::tokens::entra::GrantedFields;

impl GrantedFields<'_> {
    /// The entries that MSAL would add to the cache for what was `wanted` of the account `home_account_id`, which is empty for an
    /// application.
    #[must_use]
    pub fn additions(&self, wanted: &TokenKey, home_account_id: &str, now: i64) -> Additions {
        let mut scopes: Vec<&str> = self.scope.as_deref().unwrap_or(&wanted.scope).split_whitespace().collect();
        scopes.sort_unstable();
        let target = scopes.join(" ");
        let home_account_id = self.home_account_id().unwrap_or_else(|| home_account_id.to_owned());
        let TokenKey { environment, tenant, .. } = wanted;
        let owner = format!("{home_account_id}-{environment}");
        let client = wanted.client_id();
        // An application's is null.
        let home = Some(home_account_id.as_str()).filter(|id| !id.is_empty());
        let times = [
            ("cached_at", Some(now)),
            ("expires_on", Some(now + self.expires_in)),
            ("extended_expires_on", Some(now + self.ext_expires_in.unwrap_or(self.expires_in))),
            ("refresh_on", self.refresh_in.map(|seconds| now + seconds)),
        ]
        .map(|(name, time)| (name, time.map(|time| time.to_string())));
        let mut access_token = vec![
            ("credential_type", Some("AccessToken")),
            ("secret", Some(self.access_token)),
            ("home_account_id", home),
            ("environment", Some(environment)),
            ("client_id", Some(client)),
            ("target", Some(&target)),
            ("realm", Some(tenant)),
            ("token_type", Some(self.token_type.as_deref().unwrap_or("Bearer"))),
        ];
        access_token
            .extend(times.iter().filter(|(_, time)| time.is_some()).map(|(name, time)| (*name, time.as_deref())));
        let id_token = self.id_token.filter(|token| !token.is_empty()).map(|secret| {
            let fields = [
                ("credential_type", Some("IdToken")),
                ("secret", Some(secret)),
                ("home_account_id", home),
                ("environment", Some(environment.as_str())),
                ("realm", Some(tenant)),
                ("client_id", Some(client)),
            ];
            (key(&format!("{owner}-idtoken-{client}-{tenant}-")), object(&fields))
        });
        let mut app_metadata = vec![("client_id", Some(client)), ("environment", Some(environment.as_str()))];
        app_metadata.extend(self.foci.as_deref().map(|family| ("family_id", Some(family))));
        Additions {
            access_token: (key(&format!("{owner}-accesstoken-{client}-{tenant}-{target}")), object(&access_token)),
            id_token,
            app_metadata: (key(&format!("appmetadata-{environment}-{client}")), object(&app_metadata)),
        }
    }
}

fn key(text: &str) -> String {
    quote(&text.to_lowercase(), Escape::NonAscii).to_string()
}

/// An entry's object as it stands at depth two of an indented document; what there is not is null.
fn object(fields: &[(&str, Option<&str>)]) -> Zeroizing<String> {
    let length = |value: Option<&str>| value.map_or(4, str::len);
    let size = fields.iter().map(|(name, value)| name.len() + 2 * length(*value) + 24).sum::<usize>() + 16;
    let mut object = Zeroizing::new(String::with_capacity(size));
    object.push('{');
    for (place, (name, value)) in fields.iter().enumerate() {
        object.push_str(if place > 0 { ",\n            \"" } else { "\n            \"" });
        object.push_str(name);
        object.push_str("\": ");
        match value {
            Some(value) => object.push_str(&quote(value, Escape::NonAscii)),
            None => object.push_str("null"),
        }
    }
    object.push_str("\n        }");
    object
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use crate::azure::AZURE_CLI_CLIENT_ID;
    use crate::secret::Secret;
    use crate::tokens::TokenKey;
    use crate::tokens::entra::Granted;
    use crate::tokens::token_key::Who;
    use crate::tokens::token_key::tests::sample;

    #[test]
    fn a_grant_to_an_application_makes_msal_s_entries() {
        let body = "{\"access_token\": \"at\", \"expires_in\": 60, \"ext_expires_in\": 60, \"token_type\": \"Bearer\"}";
        let granted = Granted::read(200, None, Secret::from_text(body.into())).unwrap();
        let wanted = TokenKey { who: Who::Application, username: "c".into(), ..sample() };
        let additions = granted.fields().unwrap().additions(&wanted, "", 100);
        assert_eq!(additions.access_token.0, "\"-e-accesstoken-c-t-s\"");
        assert_eq!(
            additions.access_token.1.as_str(),
            "{\n            \"credential_type\": \"AccessToken\",\n            \"secret\": \"at\",\n            \
             \"home_account_id\": null,\n            \"environment\": \"e\",\n            \"client_id\": \"c\",\n            \
             \"target\": \"s\",\n            \"realm\": \"t\",\n            \"token_type\": \"Bearer\",\n            \
             \"cached_at\": \"100\",\n            \"expires_on\": \"160\",\n            \"extended_expires_on\": \
             \"160\"\n        }"
        );
        assert!(additions.id_token.is_none());
        let metadata = "{\n            \"client_id\": \"c\",\n            \"environment\": \"e\"\n        }";
        assert_eq!(
            (additions.app_metadata.0.as_str(), additions.app_metadata.1.as_str()),
            ("\"appmetadata-e-c\"", metadata)
        );
    }

    #[test]
    fn a_grant_makes_msal_s_entries() {
        let info = URL_SAFE_NO_PAD.encode(r#"{"uid": "O", "utid": "T"}"#);
        let body = format!(
            r#"{{"access_token": "at", "refresh_token": "rt", "id_token": "it", "client_info": "{info}", "foci": "1",
                    "scope": "z a", "expires_in": "3600", "refresh_in": 1800, "token_type": "Bearer"}}"#
        );
        let granted = Granted::read(200, None, Secret::from_text(body)).unwrap();
        let wanted = sample();
        let fields = granted.fields().unwrap();
        assert_eq!(fields.refresh_token, Some("rt"));
        let additions = fields.additions(&wanted, "other", 100);
        assert_eq!(additions.access_token.0, format!("\"o.t-e-accesstoken-{AZURE_CLI_CLIENT_ID}-t-a z\""));
        let entry = additions.access_token.1.as_str();
        assert!(
            entry
                .starts_with("{\n            \"credential_type\": \"AccessToken\",\n            \"secret\": \"at\",\n")
        );
        assert!(
            entry.ends_with("\"extended_expires_on\": \"3700\",\n            \"refresh_on\": \"1900\"\n        }"),
            "{entry}"
        );
        assert_eq!(additions.id_token.unwrap().0, format!("\"o.t-e-idtoken-{AZURE_CLI_CLIENT_ID}-t-\""));
        assert_eq!(additions.app_metadata.0, format!("\"appmetadata-e-{AZURE_CLI_CLIENT_ID}\""));
    }
}
