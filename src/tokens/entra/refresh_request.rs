//! The refresh request, field by field as MSAL sends it (msal 1.39.0, `oauth2cli/oauth2.py`, `_obtain_token`;
//! `application.py`, `_acquire_token_silent_by_finding_specific_refresh_token`). The body holds the refresh token, so it is
//! built in a buffer of its final size that is zeroed on drop.

use zeroize::Zeroizing;

use crate::azure::AZURE_CLI_CLIENT_ID;
use crate::secret::Secret;
use crate::tokens::access_token::TokenKey;

/// What tells Entra that the caller understands claims challenges; the answer is then a CAE token.
const CP1: &str = r#"{"access_token": {"xms_cc": {"values": ["CP1"]}}}"#;

/// One request for an access token.
#[derive(Debug)]
pub struct RefreshRequest<'a> {
    /// What is asked for.
    pub wanted: &'a TokenKey,
    /// Whose it is: `{oid}.{tid}`.
    pub home_account_id: &'a str,
    /// The host that issued what is redeemed, as the refresh token's own entry names it: it goes nowhere else.
    pub environment: &'a str,
    /// What is redeemed for it.
    pub refresh_token: &'a Secret,
    /// Whether to declare the capability CP1: unless `AZURE_IDENTITY_DISABLE_CP1` is set.
    pub declares_cp1: bool,
}

impl RefreshRequest<'_> {
    /// Where it goes.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}/{}/oauth2/v2.0/token", self.wanted.authority, self.wanted.tenant)
    }

    /// The header by which Entra routes it to the account's region.
    #[must_use]
    pub fn anchor_mailbox(&self) -> String {
        format!("Oid:{}", self.home_account_id.replace('.', "@"))
    }

    /// The body, form-encoded.
    #[must_use]
    pub fn body(&self) -> Zeroizing<Vec<u8>> {
        let scope = format!("{} offline_access openid profile", self.wanted.scope);
        let mut fields: Vec<(&str, &[u8])> = vec![
            ("client_id", AZURE_CLI_CLIENT_ID.as_bytes()),
            ("grant_type", b"refresh_token"),
            ("client_info", b"1"),
        ];
        if self.declares_cp1 {
            fields.push(("claims", CP1.as_bytes()));
        }
        fields.push(("refresh_token", self.refresh_token.expose()));
        fields.push(("scope", scope.as_bytes()));
        let size = fields.iter().map(|(name, value)| name.len() + 3 * value.len() + 2).sum();
        let mut body = Zeroizing::new(Vec::with_capacity(size));
        for (place, (name, value)) in fields.into_iter().enumerate() {
            if place > 0 {
                body.push(b'&');
            }
            body.extend_from_slice(name.as_bytes());
            body.push(b'=');
            encode(value, &mut body);
        }
        body
    }
}

/// `application/x-www-form-urlencoded`, as Python's `urllib.parse.quote_plus` does it.
fn encode(value: &[u8], body: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in value {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'-' | b'~' => body.push(byte),
            b' ' => body.push(b'+'),
            _ => body.extend([b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::HttpsUrl;

    #[test]
    fn the_body_has_msal_s_fields_in_msal_s_order() {
        let wanted = TokenKey {
            username: "u".into(),
            tenant: "t".into(),
            authority: HttpsUrl::parse("https://h:1").unwrap(),
            environment: "h".into(),
            scope: "https://m//.default".into(),
        };
        let refresh_token = Secret::from_text("1.A~b/c".into());
        let mut request = RefreshRequest {
            wanted: &wanted,
            home_account_id: "o.t",
            environment: "h",
            refresh_token: &refresh_token,
            declares_cp1: true,
        };
        assert_eq!(request.url(), "https://h:1/t/oauth2/v2.0/token");
        assert_eq!(request.anchor_mailbox(), "Oid:o@t");
        let with = String::from_utf8(request.body().to_vec()).unwrap();
        assert_eq!(
            with,
            "client_id=04b07795-8ddb-461a-bbee-02f9e1bf7b46&grant_type=refresh_token&client_info=1\
             &claims=%7B%22access_token%22%3A+%7B%22xms_cc%22%3A+%7B%22values%22%3A+%5B%22CP1%22%5D%7D%7D%7D\
             &refresh_token=1.A~b%2Fc&scope=https%3A%2F%2Fm%2F%2F.default+offline_access+openid+profile"
        );
        request.declares_cp1 = false;
        assert!(!request.body().windows(6).any(|window| window == b"claims"));
    }
}
