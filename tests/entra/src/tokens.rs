//! What tokens look like: JWTs of Entra's shape and size, and opaque refresh tokens, all with the canary of their kind in them.
//!
//! Signatures are random but for that: neither MSAL nor azward verifies them, and the stand-in knows its tokens by heart.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use crate::directory::{ServicePrincipal, Tenant, User};
use crate::instance::{SYSTEM_IDENTITY, USER_IDENTITY};
use crate::random;

/// The text that every refresh token carries near its start and again near its end.
pub const REFRESH_TOKEN_CANARY: &str = "CANARYREFRESHTOKEN";

/// The text that the service principal's secret starts with.
pub const CLIENT_SECRET_CANARY: &str = "CANARYCLIENTSECRET";

/// The text that the users' passwords start with.
pub const PASSWORD_CANARY: &str = "CANARYPASSWORD";

/// The text in the signature of every access token but those of managed identities, near its start and again near its end.
pub const ACCESS_TOKEN_CANARY: &str = "CANARYACCESSTOKEN";

/// The text in those of managed identities.
pub const IDENTITY_TOKEN_CANARY: &str = "CANARYMANAGEDIDENTITY";

/// The text in those of ID tokens.
pub const ID_TOKEN_CANARY: &str = "CANARYIDTOKEN";

const REFRESH_TOKEN_LENGTH: usize = 1500;
/// In bytes: an RS256 signature.
const SIGNATURE_LENGTH: usize = 256;

/// Makes the refresh token with this number.
pub(crate) fn refresh_token(generation: u64) -> String {
    let start = format!("1.AXoA{}.{REFRESH_TOKEN_CANARY}-{generation:06}-", random::text(22));
    let end = format!("{REFRESH_TOKEN_CANARY}_{}", random::text(11));
    let middle = REFRESH_TOKEN_LENGTH - start.len() - end.len();
    format!("{start}{}{end}", random::text(middle))
}

/// Who a token speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Principal {
    User(User),
    Application(&'static ServicePrincipal),
}

impl Principal {
    pub(crate) fn account(self) -> &'static str {
        match self {
            Self::User(user) => user.username(),
            Self::Application(own) => own.client_id,
        }
    }
}

/// What goes into an access token.
#[derive(Debug)]
pub(crate) struct Grant<'a> {
    pub(crate) principal: Principal,
    pub(crate) tenant: &'static Tenant,
    pub(crate) client_id: &'a str,
    pub(crate) audience: &'a str,
    /// The permissions, without the resource.
    pub(crate) permissions: &'a str,
    pub(crate) issued_at: u64,
    pub(crate) expires_at: u64,
    /// The client declared capability CP1: the token is a CAE token.
    pub(crate) is_cae: bool,
}

/// Makes an access token.
pub(crate) fn access_token(grant: &Grant<'_>) -> String {
    let mut claims = json!({
        "aud": grant.audience,
        "iss": format!("https://sts.windows.net/{}/", grant.tenant.id),
        "iat": grant.issued_at,
        "nbf": grant.issued_at,
        "exp": grant.expires_at,
        "aio": random::text(60),
        "appid": grant.client_id,
        "idp": format!("https://sts.windows.net/{}/", grant.tenant.id),
        "rh": format!("1.{}.", random::text(46)),
        "tid": grant.tenant.id,
        "uti": random::text(22),
        "ver": "1.0",
        "xms_ftd": random::text(100),
        "xms_tcdt": 1_600_000_000,
        "ipaddr": "127.0.0.1",
    });
    if let Some(claims) = claims.as_object_mut() {
        if grant.is_cae {
            claims.insert("xms_cc".to_owned(), json!(["CP1"]));
        }
        match grant.principal {
            Principal::User(user) => add_user_claims(claims, user, grant),
            Principal::Application(own) => add_application_claims(claims, own),
        }
    }
    let is_identity_s =
        matches!(grant.principal, Principal::Application(own) if [&SYSTEM_IDENTITY, &USER_IDENTITY].contains(&own));
    jwt(&claims, if is_identity_s { IDENTITY_TOKEN_CANARY } else { ACCESS_TOKEN_CANARY })
}

fn add_user_claims(claims: &mut Map<String, Value>, user: User, grant: &Grant<'_>) {
    let (given_name, family_name) = user.names();
    let groups: Vec<_> = (1..=12).map(|n| format!("96000000-0000-4000-8000-{n:012}")).collect();
    let Value::Object(more) = json!({
        "acr": "1",
        "amr": ["pwd", "mfa"],
        "appidacr": "0",
        "family_name": family_name,
        "given_name": given_name,
        "groups": groups,
        "idtyp": "user",
        "name": format!("{given_name} {family_name}"),
        "oid": user.object_id(grant.tenant),
        "puid": "1003200000000001",
        "scp": grant.permissions,
        "sid": random::guid(),
        "sub": format!("{}{}", &user.home_object_id()[..8], random::text(35)),
        "unique_name": user.username(),
        "upn": user.principal_name(grant.tenant),
        "wids": ["62e90394-69f5-4237-9190-012177145e10", "b79fbf4d-3ef9-4689-8143-76b194e85509"],
        "xms_idrel": "1 18",
    }) else {
        return;
    };
    claims.extend(more);
}

fn add_application_claims(claims: &mut Map<String, Value>, own: &ServicePrincipal) {
    let Value::Object(more) = json!({
        "appidacr": "1",
        "idtyp": "app",
        "oid": own.object_id,
        "roles": ["Application.Read.All"],
        "sub": own.object_id,
        "xms_idrel": "7 28",
    }) else {
        return;
    };
    claims.extend(more);
}

/// Makes an id token; `nonce` is the one of an authorization request.
pub(crate) fn id_token(user: User, grant: &Grant<'_>, origin: &str, nonce: Option<&str>) -> String {
    let (given_name, family_name) = user.names();
    let mut claims = json!({
        "aud": grant.client_id,
        "iss": format!("{origin}/{}/v2.0", grant.tenant.id),
        "iat": grant.issued_at,
        "nbf": grant.issued_at,
        "exp": grant.issued_at + 3900,
        "name": format!("{given_name} {family_name}"),
        "oid": user.object_id(grant.tenant),
        "preferred_username": user.username(),
        "rh": format!("1.{}.", random::text(46)),
        "sub": random::text(43),
        "tid": grant.tenant.id,
        "uti": random::text(22),
        "ver": "2.0",
    });
    if let (Some(nonce), Some(claims)) = (nonce, claims.as_object_mut()) {
        claims.insert("nonce".to_owned(), json!(nonce));
    }
    jwt(&claims, ID_TOKEN_CANARY)
}

/// Makes the id token of an AD FS: of who it is it says `upn` and `sub`; without a tenant az would not take it.
pub(crate) fn adfs_id_token(user: User, grant: &Grant<'_>, origin: &str, nonce: Option<&str>) -> String {
    let mut claims = json!({
        "aud": grant.client_id,
        "iss": format!("{origin}/adfs"),
        "iat": grant.issued_at,
        "exp": grant.issued_at + 3900,
        "auth_time": grant.issued_at,
        "sub": URL_SAFE_NO_PAD.encode(user.home_object_id()),
        "tid": user.home().id,
        "upn": user.username(),
        "unique_name": user.username(),
    });
    if let (Some(nonce), Some(claims)) = (nonce, claims.as_object_mut()) {
        claims.insert("nonce".to_owned(), json!(nonce));
    }
    jwt(&claims, ID_TOKEN_CANARY)
}

/// Makes the id token of Entra ID's first endpoint, which nobody signs.
pub(crate) fn first_id_token(user: User, grant: &Grant<'_>) -> String {
    let (given_name, family_name) = user.names();
    let claims = json!({
        "aud": grant.client_id,
        "iss": format!("https://sts.windows.net/{}/", grant.tenant.id),
        "iat": grant.issued_at,
        "nbf": grant.issued_at,
        "exp": grant.issued_at + 3900,
        "family_name": family_name,
        "given_name": given_name,
        "name": format!("{given_name} {family_name}"),
        "oid": user.object_id(grant.tenant),
        "sub": random::text(43),
        "tid": grant.tenant.id,
        "unique_name": user.username(),
        "upn": user.username(),
        "ver": "1.0",
    });
    jwt(&claims, ID_TOKEN_CANARY)
}

/// Makes the `client_info` of a user: where the account is at home.
pub(crate) fn client_info(user: User) -> String {
    URL_SAFE_NO_PAD.encode(json!({"uid": user.home_object_id(), "utid": user.home().id}).to_string())
}

fn jwt(claims: &Value, canary: &str) -> String {
    // Written out for its order: Entra's tokens begin with eyJ0eXAi.
    let kid = "StandInEntraSigningKey00001";
    let header = format!(r#"{{"typ":"JWT","alg":"RS256","x5t":"{kid}","kid":"{kid}"}}"#);
    let [header, payload] = [header, claims.to_string()].map(|part| URL_SAFE_NO_PAD.encode(part));
    // az reads the token of a managed identity, and takes no signature that ends in bits of nothing.
    let mut signature = URL_SAFE_NO_PAD.encode(random::bytes::<SIGNATURE_LENGTH>());
    signature.replace_range(..canary.len(), canary);
    let end = signature.len() - 4;
    signature.replace_range(end - canary.len()..end, canary);
    format!("{header}.{payload}.{signature}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::{AZURE_CLI_CLIENT_ID, TENANT_B};

    fn grant() -> Grant<'static> {
        Grant {
            principal: Principal::User(User::Alice),
            tenant: &TENANT_B,
            client_id: AZURE_CLI_CLIENT_ID,
            audience: "https://management.core.windows.net/",
            permissions: "user_impersonation",
            issued_at: 1_000,
            expires_at: 4_600,
            is_cae: true,
        }
    }

    fn payload(token: &str) -> Value {
        let part = token.split('.').nth(1).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    #[test]
    fn access_tokens_have_entras_size_and_claims() {
        let token = access_token(&grant());
        assert!((2200..2900).contains(&token.len()), "{}", token.len());
        let claims = payload(&token);
        assert_eq!(claims["exp"], 4_600);
        assert_eq!(claims["tid"], TENANT_B.id);
        assert_eq!(claims["xms_cc"][0], "CP1");
        assert_eq!(claims["scp"], "user_impersonation");
    }

    #[test]
    fn id_tokens_name_the_user_and_echo_the_nonce() {
        let claims = payload(&id_token(User::Alice, &grant(), "https://localhost:1", Some("n")));
        assert_eq!(claims["preferred_username"], "alice@contoso.onmicrosoft.com");
        assert_eq!(claims["nonce"], "n");
    }

    #[test]
    fn each_kind_of_token_carries_its_canary_at_both_ends_of_its_signature() {
        let identity = Grant { principal: Principal::Application(&SYSTEM_IDENTITY), ..grant() };
        for (token, canary) in [
            (access_token(&grant()), ACCESS_TOKEN_CANARY),
            (access_token(&identity), IDENTITY_TOKEN_CANARY),
            (id_token(User::Alice, &grant(), "https://localhost:1", None), ID_TOKEN_CANARY),
        ] {
            let signature = token.rsplit('.').next().unwrap();
            assert!(signature.starts_with(canary) && signature[..signature.len() - 4].ends_with(canary), "{token}");
            assert_eq!(URL_SAFE_NO_PAD.decode(signature).unwrap().len(), SIGNATURE_LENGTH);
        }
    }

    #[test]
    fn refresh_tokens_carry_the_canary_at_both_ends() {
        let token = refresh_token(7);
        assert_eq!(token.len(), REFRESH_TOKEN_LENGTH);
        assert!(token.starts_with("1.A") && token.contains("-000007-"));
        assert!(token[..80].contains(REFRESH_TOKEN_CANARY));
        assert!(token[token.len() - 40..].contains(REFRESH_TOKEN_CANARY));
    }
}
