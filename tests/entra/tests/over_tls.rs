//! The stand-in over its own wire: a rustls client that trusts only the authority file, speaks HTTP/1.1 and stays
//! connected.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use entra::{
    AZURE_CLI_CLIENT_ID, Entra, Fault, GUEST_PRINCIPAL, Options, Refusal, Rolling, SERVICE_PRINCIPAL, SUBSCRIPTION_3,
    TENANT_A, TENANT_B, Trouble, User, fingerprint,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;

const ARM: &str = "https://management.core.windows.net//.default offline_access openid profile";

struct Server {
    entra: Entra,
    ca_file: PathBuf,
}

impl Server {
    fn start(name: &str) -> Self {
        let ca_file = std::env::temp_dir().join(format!("entra-test-{}-{name}.pem", std::process::id()));
        Self { entra: Entra::start(Options::new(&ca_file)).unwrap(), ca_file }
    }

    fn client(&self) -> Client {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&self.ca_file).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let session = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
        let stream = TcpStream::connect(("127.0.0.1", self.entra.port())).unwrap();
        Client(BufReader::new(StreamOwned::new(session, stream)))
    }

    /// Logs in with a password and returns the token response.
    fn login(&self, client: &mut Client, user: User) -> Value {
        let (username, password) = (user.username(), self.entra.password(user));
        let form = [("grant_type", "password"), ("username", username), ("password", password), ("scope", ARM)];
        let (status, body) = client.token("organizations", &form);
        assert_eq!(status, 200, "{body}");
        body
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.ca_file);
    }
}

struct Client(BufReader<StreamOwned<ClientConnection, TcpStream>>);

impl Client {
    /// Asks about a resource with a body that is JSON.
    fn put(&mut self, method: &str, path: &str, bearer: &Value, body: &str) -> (u16, Value) {
        let (status, _, body) = self.send(method, path, bearer["access_token"].as_str(), body).unwrap();
        (status, serde_json::from_str(&body).unwrap_or_default())
    }

    /// Sends one request; `None` when the server hangs up.
    fn send(&mut self, method: &str, target: &str, bearer: Option<&str>, form: &str) -> Option<(u16, String, String)> {
        let bearer = bearer.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: localhost\r\n{bearer}Content-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n{form}",
            form.len()
        );
        self.0.get_mut().write_all(request.as_bytes()).ok()?;
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.0.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "))?.parse().ok()?;
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).ok()?;
        Some((status, head, String::from_utf8(body).ok()?))
    }

    fn token(&mut self, tenant: &str, form: &[(&str, &str)]) -> (u16, Value) {
        let (status, _, body) = self.raw_token(tenant, form).unwrap();
        (status, serde_json::from_str(&body).unwrap())
    }

    fn raw_token(&mut self, tenant: &str, form: &[(&str, &str)]) -> Option<(u16, String, String)> {
        let mut pairs = vec![("client_id", AZURE_CLI_CLIENT_ID), ("client_info", "1")];
        if form.iter().any(|(name, _)| *name == "client_id") {
            pairs.clear();
        }
        pairs.extend_from_slice(form);
        let form: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={}", value.replace(' ', "+"))).collect();
        self.send("POST", &format!("/{tenant}/oauth2/v2.0/token"), None, &form.join("&"))
    }

    fn refresh(&mut self, tenant: &str, token: &str, scope: &str) -> (u16, Value) {
        self.token(tenant, &[("grant_type", "refresh_token"), ("refresh_token", token), ("scope", scope)])
    }

    fn arm(&mut self, path: &str, bearer: &Value) -> (u16, Value) {
        let (status, _, body) = self.send("GET", path, bearer["access_token"].as_str(), "").unwrap();
        (status, serde_json::from_str(&body).unwrap())
    }
}

fn refresh_token(body: &Value) -> String {
    body["refresh_token"].as_str().unwrap().to_owned()
}

#[test]
fn a_login_serves_both_tenants_over_one_connection() {
    let server = Server::start("login");
    let mut client = server.client();
    let home = server.login(&mut client, User::Alice);
    assert_eq!((home["expires_in"].as_u64(), home["foci"].as_str()), (Some(3600), Some("1")));
    assert!(home.get("refresh_in").is_none() && home["client_info"].is_string() && home["id_token"].is_string());
    let (status, list) = client.arm("/subscriptions?api-version=2022-12-01", &home);
    assert_eq!((status, list["value"].as_array().unwrap().len()), (200, 2));
    assert_eq!(client.arm("/tenants", &home).1["value"].as_array().unwrap().len(), 2);

    let (status, guest) = client.refresh(TENANT_B.domain, &refresh_token(&home), ARM);
    assert_eq!(status, 200);
    assert_eq!(client.arm("/subscriptions", &guest).1["value"][0]["subscriptionId"], SUBSCRIPTION_3.id);
    let group = format!("/subscriptions/{}/resourcegroups", SUBSCRIPTION_3.id);
    assert_eq!(client.arm(&group, &guest).1["value"].as_array().unwrap().len(), 2);
    assert_eq!(client.arm(&group, &home).0, 401);

    let journal = server.entra.journal();
    assert_eq!(server.entra.token_requests(), 2);
    let refresh = journal.iter().find(|request| request.grant_type.as_deref() == Some("refresh_token")).unwrap();
    assert_eq!((refresh.presented_generation, refresh.issued_generation), (Some(1), Some(2)));
    assert_eq!(refresh.refresh_token, Some(fingerprint(&refresh_token(&home))));
    assert_eq!(refresh.account.as_deref(), Some(User::Alice.username()));
    assert!(!format!("{journal:?}").contains(entra::REFRESH_TOKEN_CANARY));
    assert!(!format!("{journal:?}").contains(entra::PASSWORD_CANARY));
}

#[test]
fn rolling_decides_what_becomes_of_a_used_token() {
    let server = Server::start("rolling");
    let mut client = server.client();
    let first = refresh_token(&server.login(&mut client, User::Alice));
    assert_eq!(client.refresh(TENANT_A.id, &first, ARM).0, 200);
    assert!(server.entra.is_refresh_token_good(&first));
    server.entra.knobs(|knobs| knobs.rolling = Rolling::Strict);
    let (_, second) = client.refresh(TENANT_A.id, &first, ARM);
    assert!(!server.entra.is_refresh_token_good(&first) && server.entra.is_refresh_token_good(&refresh_token(&second)));
    let (status, body) = client.refresh(TENANT_A.id, &first, ARM);
    assert_eq!(
        (status, body["error"].as_str(), body["error_codes"][0].as_u64()),
        (400, Some("invalid_grant"), Some(70_000))
    );
    server.entra.revoke(User::Alice);
    assert_eq!(client.refresh(TENANT_A.id, &refresh_token(&second), ARM).1["error_codes"][0], 50_173);
    assert_eq!(server.entra.refresh_tokens_issued().len(), 3);
}

#[test]
fn faults_strike_as_told() {
    let server = Server::start("faults");
    let mut client = server.client();
    let token = refresh_token(&server.login(&mut client, User::Alice));
    let vault = "https://vault.azure.net/.default";
    server.entra.knobs(|knobs| {
        knobs.faults = vec![
            Fault::refuse(Refusal::MfaEnrolment).for_scope("vault.azure.net"),
            Fault::new(Trouble::TooManyRequests(7)).times(1),
            Fault::new(Trouble::Garbage).times(1),
            Fault::new(Trouble::ServerError).times(1),
            Fault::new(Trouble::LoseAnswer).times(1),
            Fault::new(Trouble::HangUp).times(1),
            Fault::new(Trouble::Delay(Duration::from_millis(80))).for_scope("storage"),
        ];
    });
    let form = [("grant_type", "refresh_token"), ("refresh_token", &token), ("scope", ARM)];
    assert_eq!(client.refresh(TENANT_A.id, &token, vault).1["error_codes"][0], 50_079);
    let (status, head, _) = client.raw_token(TENANT_A.id, &form).unwrap();
    assert!(status == 429 && head.contains("Retry-After: 7\r\n"));
    let (status, _, body) = client.raw_token(TENANT_A.id, &form).unwrap();
    assert!(status == 200 && serde_json::from_str::<Value>(&body).is_err());
    assert_eq!(client.raw_token(TENANT_A.id, &form).unwrap().0, 500);
    assert!(client.raw_token(TENANT_A.id, &form).is_none());
    assert_eq!(server.entra.refresh_tokens_issued().len(), 2, "the answer was lost, the token was issued");
    let mut client = server.client();
    assert!(client.raw_token(TENANT_A.id, &form).is_none());
    assert_eq!(server.entra.refresh_tokens_issued().len(), 2);
    let begin = Instant::now();
    assert_eq!(server.client().refresh(TENANT_A.id, &token, "https://storage.azure.com/.default").0, 200);
    assert!(begin.elapsed() >= Duration::from_millis(80));
}

#[test]
fn wrong_bearers_and_strangers_are_turned_away() {
    let server = Server::start("bearers");
    let mut client = server.client();
    let (status, head, _) = client.send("GET", "/tenants", None, "").unwrap();
    assert!(status == 401 && head.contains("WWW-Authenticate: Bearer"));
    let bob = server.login(&mut client, User::Bob);
    assert_eq!(client.refresh(TENANT_A.id, &refresh_token(&bob), ARM).1["error_codes"][0], 50_020);
    let (_, vault) = client.refresh(TENANT_B.id, &refresh_token(&bob), "https://vault.azure.net/.default");
    assert_eq!(client.arm("/tenants", &vault).1["error"]["code"], "InvalidAuthenticationTokenAudience");
    server.entra.knobs(|knobs| knobs.lifetime = 0);
    let (_, expired) = client.refresh(TENANT_B.id, &refresh_token(&bob), ARM);
    assert_eq!(client.arm("/tenants", &expired).1["error"]["code"], "ExpiredAuthenticationToken");
    assert_eq!(client.refresh("nobody.example", &refresh_token(&bob), ARM).1["error_codes"][0], 90_002);
}

#[test]
fn resources_are_put_read_and_deleted_by_whoever_has_a_token() {
    let server = Server::start("resources");
    let mut client = server.client();
    let alice = server.login(&mut client, User::Alice);
    let path = "/subscriptions/11111111-aaaa-4111-8111-111111111111/resourceGroups/rg-web/providers/Microsoft.Network/\
                routeTables/One";
    let versioned = format!("{path}?api-version=2024-05-01");
    let body = r#"{"location": "switzerlandnorth", "properties": {"routes": []}, "id": "another"}"#;
    assert_eq!(client.put("GET", &versioned, &alice, "").0, 404);
    assert_eq!(client.put("PUT", &versioned, &Value::Null, body).0, 401);
    assert_eq!(client.put("PUT", path, &alice, body).1["error"]["code"], "MissingApiVersionParameter");
    assert_eq!(client.put("PUT", &versioned, &alice, "[]").0, 400);
    assert!(server.entra.resources().is_empty());
    let (status, made) = client.put("PUT", &versioned, &alice, body);
    assert_eq!((status, &made["id"], &made["name"]), (201, &path.into(), &"One".into()));
    assert_eq!(made["type"], "Microsoft.Network/routeTables");
    assert_eq!(made["properties"].to_string(), r#"{"provisioningState":"Succeeded","routes":[]}"#);
    assert_eq!(client.put("GET", &versioned.replace("One", "ONE"), &alice, ""), (200, made.clone()));
    assert_eq!(client.put("PUT", &versioned, &alice, body).0, 200);
    assert_eq!(server.entra.resources(), [made]);
    let elsewhere = versioned.replace("rg-web", "rg-none");
    assert_eq!(client.put("PUT", &elsewhere, &alice, body).1["error"]["code"], "ResourceGroupNotFound");
    assert_eq!(client.put("PUT", "/subscriptions/11111111-aaaa-4111-8111-111111111111", &alice, body).0, 405);
    let statuses = [0; 3].map(|_| client.put("DELETE", &versioned, &alice, "").0);
    assert_eq!(statuses, [200, 204, 204]);
    assert!(server.entra.resources().is_empty());
}

#[test]
fn a_service_principal_gets_no_refresh_token() {
    let server = Server::start("principal");
    let mut client = server.client();
    let form = |secret| {
        let id = SERVICE_PRINCIPAL.client_id;
        let scope = "https://management.core.windows.net//.default";
        [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret), ("scope", scope)]
    };
    assert_eq!(client.token(TENANT_A.id, &form("wrong")).1["error_codes"][0], 7_000_215);
    let (status, body) = client.token(TENANT_A.id, &form(server.entra.client_secret()));
    assert!(status == 200 && body.get("refresh_token").is_none() && body.get("scope").is_none());
    assert_eq!(client.arm("/subscriptions", &body).1["value"].as_array().unwrap().len(), 2);
}

#[test]
fn what_an_application_proves_itself_with_is_looked_at() {
    let server = Server::start("assertions");
    let mut client = server.client();
    let mut ask = |id: &str, assertion: &str, kind: &str| {
        let scope = "https://management.core.windows.net//.default";
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", id),
            ("client_assertion", assertion),
            ("client_assertion_type", kind),
            ("scope", scope),
        ];
        client.token(TENANT_A.id, &form).1
    };
    let jwt = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let (own, guest) = (SERVICE_PRINCIPAL.client_id, GUEST_PRINCIPAL.client_id);
    let good = server.entra.federated_token(&SERVICE_PRINCIPAL, 60);
    let over = server.entra.federated_token(&SERVICE_PRINCIPAL, 0);
    assert!(ask(own, &good, jwt)["access_token"].is_string());
    // {"typ":"JWT","alg":"RS256","x5t":"AA=="} and {}, which no certificate has signed.
    let signed_by_nobody = "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiIsIng1dCI6IkFBPT0ifQ.e30.AAAA";
    for (id, assertion, kind, number) in [
        (own, good.as_str(), "urn:other", 700_021),
        (own, &over, jwt, 700_024),
        (guest, &good, jwt, 700_213),
        (own, "no.jwt", jwt, 50_027),
        (own, signed_by_nobody, jwt, 700_027),
    ] {
        assert_eq!(ask(id, assertion, kind)["error_codes"][0], number, "{id} {assertion}");
    }
}

#[test]
fn a_hundred_clients_at_once() {
    let server = Server::start("hundred");
    server.entra.knobs(|knobs| knobs.arm_delay = Duration::from_millis(50));
    thread::scope(|scope| {
        for _ in 0..120 {
            scope.spawn(|| {
                let mut client = server.client();
                let token = server.login(&mut client, User::Alice);
                assert_eq!(client.arm("/tenants", &token).0, 200);
            });
        }
    });
    assert_eq!(server.entra.token_requests(), 120);
}
