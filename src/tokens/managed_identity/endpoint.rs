//! Where the tokens of managed identities come from on this machine: as MSAL finds it in the environment (msal 1.39.0,
//! `managed_identity.py`, `_obtain_token`), as far as that is the endpoint of a virtual machine (IMDS), App Service's or Azure Arc's agent,
//! over plain HTTP to the machine itself or its own network. Every other source (Service Fabric, Machine Learning, Cloud Shell), a name
//! that is to be looked up and a proxy are a [`TokenError`] that leaves the matter to the real az.

use std::ffi::OsStr;
use std::net::Ipv4Addr;

use super::arc::{self, Keys};
use crate::azure::https_url::host_and_port;
use crate::azure::managed_identity::ManagedIdentity;
use crate::context::Context;
use crate::secret::Secret;
use crate::tokens::entra::{TokenError, be_direct_over_http};

/// The endpoint of a virtual machine, where nothing else is said.
const IMDS: &str = "http://169.254.169.254";

/// Below which path that has the tokens.
const IMDS_PATH: &str = "/metadata/identity/oauth2/token";

/// Where the tokens come from.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(super) kind: Kind,
    /// Without a query.
    pub(super) url: String,
}

/// How it is asked.
#[derive(Debug)]
pub(super) enum Kind {
    /// As a virtual machine's.
    Imds,
    /// As App Service's, with what proves that the caller is on it.
    AppService(Secret),
    /// As Azure Arc's agent, with what it writes into one of these.
    Arc(Keys),
}

impl Endpoint {
    /// The one that az would ask for `identity` in this environment.
    ///
    /// # Errors
    /// A [`TokenError`] that leaves it to az.
    pub(crate) fn of(context: &Context, identity: &ManagedIdentity) -> Result<Self, TokenError> {
        let has = |name: &str| context.has_variable(name);
        let text = |name: &str| {
            let value = context.variable(name).and_then(OsStr::to_str);
            value.ok_or_else(|| TokenError::left_to_az(format!("{name} is not understood")))
        };
        if has("ACC_CLOUD") {
            return left("Cloud Shell has a way of its own");
        }
        let endpoint = match (has("IDENTITY_ENDPOINT"), has("IDENTITY_HEADER")) {
            (true, true) if has("IDENTITY_SERVER_THUMBPRINT") => return left("Service Fabric has a way of its own"),
            (true, true) => {
                let header = text("IDENTITY_HEADER")?;
                if !header.bytes().all(|byte| byte.is_ascii_graphic()) {
                    return left("IDENTITY_HEADER is not understood");
                }
                let kind = Kind::AppService(Secret::from_text(header.to_owned()));
                Self { kind, url: text("IDENTITY_ENDPOINT")?.to_owned() }
            }
            _ if ["MSI_ENDPOINT", "MSI_SECRET"].iter().any(|name| has(name)) => {
                return left("MSI_ENDPOINT is not understood");
            }
            (true, false) if has("IMDS_ENDPOINT") => Self::of_arc(text("IDENTITY_ENDPOINT")?, identity, context)?,
            _ if has("IDENTITY_ENDPOINT") || has("IMDS_ENDPOINT") => {
                return left("IDENTITY_ENDPOINT and IMDS_ENDPOINT are not understood");
            }
            _ if arc::is_agent_here(context) => Self::of_arc(arc::ENDPOINT, identity, context)?,
            _ => {
                let host = match has("AZURE_POD_IDENTITY_AUTHORITY_HOST") {
                    true => text("AZURE_POD_IDENTITY_AUTHORITY_HOST")?.trim_matches('/'),
                    false => IMDS,
                };
                Self { kind: Kind::Imds, url: format!("{host}{IMDS_PATH}") }
            }
        };
        let Some((host, port)) = read(&endpoint.url) else { return left("its endpoint is not understood") };
        be_direct_over_http(host, port, context)?;
        Ok(endpoint)
    }

    /// Azure Arc's. What the agent does with the id of another identity than the machine's own depends on its age, and what MSAL does on
    /// MSAL's (an older one refuses).
    fn of_arc(url: &str, identity: &ManagedIdentity, context: &Context) -> Result<Self, TokenError> {
        if *identity != ManagedIdentity::SystemAssigned {
            return left("Azure Arc is asked for the machine's own identity alone");
        }
        if arc::may_netrc_say_otherwise(context) {
            return left("a netrc file may say something else to Azure Arc");
        }
        let Some(keys) = Keys::of(context) else { return left("Azure Arc is not for this system") };
        Ok(Self { kind: Kind::Arc(keys), url: url.to_owned() })
    }

    /// What tells it from any other.
    #[must_use]
    pub(crate) fn mark(&self) -> String {
        match &self.kind {
            Kind::Imds => self.url.clone(),
            Kind::AppService(header) => format!("{} {}", self.url, header.fingerprint()),
            // No fingerprint, and no part of an address.
            Kind::Arc(_) => format!("{} Arc", self.url),
        }
    }

    /// Its address.
    #[must_use]
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

fn left(why: &str) -> Result<Endpoint, TokenError> {
    Err(TokenError::left_to_az(why))
}

/// The host and the port of an address that is this machine's or on its own network.
fn read(url: &str) -> Option<(&str, Option<u16>)> {
    let rest = url.strip_prefix("http://")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (host, port) = host_and_port(authority)?;
    let is_near = |address: Ipv4Addr| address.is_loopback() || address.is_link_local() || address.is_private();
    let is_ours = host == "localhost" || host.parse().is_ok_and(is_near);
    let is_segment = |segment: &str| {
        !matches!(segment, "" | "." | "..")
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
    };
    // One slash may stand at its end.
    let path = path.strip_prefix('/').map_or("", |path| path.strip_suffix('/').unwrap_or(path));
    (is_ours && (path.is_empty() || path.split('/').all(is_segment))).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::managed_identity::IdKind;
    use crate::context::HOME;

    fn endpoint(variables: &[(&str, &str)], identity: &ManagedIdentity) -> Option<Endpoint> {
        let variables =
            [(HOME, "/nonexistent"), ("ProgramData", r"C:\ProgramData")].into_iter().chain(variables.iter().copied());
        let variables = variables.map(|(name, value)| (name.into(), value.into()));
        Endpoint::of(&Context::new(variables.collect::<Vec<_>>(), None), identity).ok()
    }

    fn of(variables: &[(&str, &str)]) -> Option<String> {
        endpoint(variables, &ManagedIdentity::SystemAssigned).map(|endpoint| endpoint.url)
    }

    #[test]
    fn the_endpoint_is_the_one_that_msal_asks() {
        let app_service = ("IDENTITY_ENDPOINT", "http://172.16.0.7:8081/msi/token");
        let header = ("IDENTITY_HEADER", "aGVhZGVy");
        assert_eq!(of(&[]).as_deref(), Some("http://169.254.169.254/metadata/identity/oauth2/token"));
        assert_eq!(of(&[app_service, header]).as_deref(), Some(app_service.1));
        // As App Service sets the older ones too.
        let older = [app_service, header, ("MSI_ENDPOINT", app_service.1), ("MSI_SECRET", header.1)];
        assert_eq!(of(&older).as_deref(), Some(app_service.1));
        assert_eq!(
            of(&[("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:8080/")]).as_deref(),
            Some("http://127.0.0.1:8080/metadata/identity/oauth2/token")
        );
        for variables in [
            &[app_service, header, ("IDENTITY_SERVER_THUMBPRINT", "")][..],
            &[app_service],
            &[("IMDS_ENDPOINT", "http://localhost:40342")],
            &[("IMDS_ENDPOINT", "http://localhost:40342"), header],
            &[app_service, ("IDENTITY_HEADER", "")],
            &[app_service, ("IDENTITY_HEADER", "a b")],
            &[("MSI_ENDPOINT", "http://localhost:1"), ("MSI_SECRET", "x")],
            &[("MSI_ENDPOINT", "http://localhost:1")],
            &[("ACC_CLOUD", "x")],
            &[("IDENTITY_ENDPOINT", "https://localhost:1/msi"), header],
            &[("AZURE_POD_IDENTITY_AUTHORITY_HOST", "")],
            &[("HTTP_PROXY", "http://p:1")],
        ] {
            assert_eq!(of(variables), None, "{variables:?}");
        }
    }

    #[test]
    fn only_what_is_near_is_asked() {
        for near in ["localhost", "127.0.0.1:1", "169.254.1.2", "10.0.0.1", "192.168.1.1:80"] {
            assert!(read(&format!("http://{near}/msi/token/")).is_some(), "{near}");
        }
        for other in
            ["metadata.example", "8.8.8.8", "localhost@8.8.8.8", "localhost.", "LOCALHOST", "2852039166", "[::1]", ""]
        {
            assert!(read(&format!("http://{other}/msi/token")).is_none(), "{other}");
        }
        for path in ["?a=b", "/a?b", "/a#b", "/../a", "//a", "/a%20b", "/a//"] {
            assert!(read(&format!("http://localhost{path}")).is_none(), "{path}");
        }
    }

    #[cfg(any(target_os = "linux", windows))]
    #[test]
    fn arc_is_asked_for_the_machine_s_own_identity_where_the_key_is_what_is_sent() {
        let arc =
            [("IDENTITY_ENDPOINT", "http://localhost:40342/metadata/identity/oauth2/token"), ("IMDS_ENDPOINT", "")];
        let with = |more: &[(&'static str, &'static str)]| of(&[&arc[..], more].concat());
        assert_eq!(with(&[]).as_deref(), Some(arc[0].1));
        assert_eq!(with(&[("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1")]).as_deref(), Some(arc[0].1));
        for more in [
            ("NETRC", "/nonexistent"),
            ("MSI_ENDPOINT", "x"),
            ("ACC_CLOUD", "x"),
            ("HTTP_PROXY", "http://p:1"),
            ("IDENTITY_ENDPOINT", ""),
            ("IDENTITY_ENDPOINT", "https://localhost:40342"),
            ("IDENTITY_ENDPOINT", "http://8.8.8.8/token"),
        ] {
            assert_eq!(with(&[more]), None, "{more:?}");
        }
        for kind in [IdKind::Client, IdKind::Object, IdKind::Resource] {
            assert!(endpoint(&arc, &ManagedIdentity::UserAssigned(kind, "x".into())).is_none(), "{kind:?}");
        }
        let home = tempfile::tempdir().unwrap();
        let at_home = || of(&[arc[0], arc[1], (HOME, home.path().to_str().unwrap())]);
        assert!(at_home().is_some());
        std::fs::write(home.path().join(".netrc"), "").unwrap();
        assert!(at_home().is_none());
    }

    #[test]
    fn each_is_told_from_every_other_and_no_header_is_told() {
        let mark = |more: &[(&str, &str)]| {
            let variables = [&[("IDENTITY_ENDPOINT", "http://localhost:1")], more].concat();
            endpoint(&variables, &ManagedIdentity::SystemAssigned).map(|endpoint| endpoint.mark())
        };
        let [one, two] = ["one", "two"].map(|header| mark(&[("IDENTITY_HEADER", header)]).unwrap());
        assert_ne!(one, two);
        assert!(one.starts_with("http://localhost:1 ") && !one.contains("one"));
        let arc = mark(&[("IMDS_ENDPOINT", "")]);
        assert_eq!(arc.as_deref(), cfg!(any(target_os = "linux", windows)).then_some("http://localhost:1 Arc"));
    }
}
