//! Who asks: each caller's library and version, how it is started, and what it says.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Invocation, Sandbox, libraries};

/// A program that gets its tokens from az.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    pub(crate) name: &'static str,
    /// What its language needs on PATH.
    needs: &'static [&'static str],
    /// Whether it can ask for a token of another tenant.
    pub(crate) has_tenants: bool,
    /// Whether the other tests install it anyway.
    pub(crate) is_cheap: bool,
    how: How,
}

#[derive(Clone, Copy, Debug)]
enum How {
    /// The program of `tests/callers/<language>`, and which of its libraries.
    Python(&'static str),
    JavaScript(&'static str),
    Go(&'static str),
    Rust(&'static str),
    Java,
    Kubelogin,
}

const fn caller(name: &'static str, needs: &'static [&'static str], how: How) -> Caller {
    Caller { name, needs, has_tenants: true, is_cheap: false, how }
}

/// What fetches a Go where there is none.
const GO: &[&str] = &["python3"];

/// All of them.
pub(crate) const CALLERS: [Caller; 10] = [
    Caller { is_cheap: true, ..caller("azure-identity (Python)", &["python3"], How::Python("sync")) },
    Caller { is_cheap: true, ..caller("azure-identity.aio (Python)", &["python3"], How::Python("aio")) },
    caller("@azure/identity (JavaScript)", &["node", "npm"], How::JavaScript("identity")),
    Caller {
        has_tenants: false,
        ..caller("@azure/ms-rest-nodeauth (JavaScript)", &["node", "npm"], How::JavaScript("nodeauth"))
    },
    caller("azidentity (Go)", GO, How::Go("azidentity")),
    caller("hashicorp/go-azure-sdk (Go)", GO, How::Go("hashicorp")),
    caller("kubelogin", GO, How::Kubelogin),
    caller("azure-identity (Java)", &["java", "javac", "mvn"], How::Java),
    caller("azure_identity (Rust)", &["cc"], How::Rust("azure_identity")),
    Caller { has_tenants: false, ..caller("object_store (Rust)", &["cc"], How::Rust("object_store")) },
];

/// What it takes to start a caller, installed.
#[derive(Debug)]
pub(crate) struct Means {
    program: PathBuf,
    arguments: Vec<OsString>,
    variable: (&'static str, OsString),
    how: How,
}

/// What a caller was given: a token and when it expires, where it says so; or in which words it has none.
pub(crate) type Answer = Result<(String, Option<i64>), String>;

impl Caller {
    /// Installs it, or says that its language is not here.
    pub(crate) fn means(&self) -> Option<Means> {
        let is_go = matches!(self.how, How::Go(_) | How::Kubelogin);
        if self.needs.iter().any(|program| libraries::on_path(program).is_none()) || is_go && !libraries::has_go() {
            return None;
        }
        let source =
            |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/callers").join(name).into_os_string();
        let found = |name: &str| libraries::on_path(name).expect("it was just found");
        let means = |program: PathBuf, arguments: Vec<OsString>| Means {
            program,
            arguments,
            variable: ("CALLERS", OsString::new()),
            how: self.how,
        };
        Some(match self.how {
            How::Python(way) => means(libraries::python(), vec![source("python/ask.py"), way.into()]),
            How::JavaScript(library) => {
                let modules = [libraries::javascript(), libraries::nodeauth()];
                let modules = std::env::join_paths(modules).expect("no colon in them");
                let arguments = vec![source("javascript/ask.js"), library.into()];
                Means { variable: ("NODE_PATH", modules), ..means(found("node"), arguments) }
            }
            How::Go(library) => means(libraries::go("ask"), vec![library.into()]),
            How::Rust(library) => means(libraries::rust("ask"), vec![library.into()]),
            How::Java => {
                let class_path = libraries::java();
                let arguments = ["-XX:TieredStopAtLevel=1", "-cp", &class_path, "Ask"].map(OsString::from);
                means(found("java"), arguments.into())
            }
            How::Kubelogin => means(libraries::kubelogin(), Vec::new()),
        })
    }
}

/// The server of Azure Kubernetes Service, a resource that is an id and no URL.
const KUBERNETES: &str = "6dae42f8-4368-4678-94ff-3960e28e3630";

impl Means {
    /// What the token is asked for.
    pub(crate) fn resource(&self) -> &'static str {
        match self.how {
            How::Kubelogin => KUBERNETES,
            How::Rust("object_store") => "https://storage.azure.com",
            _ => "https://vault.azure.net",
        }
    }

    /// Has so many ask at once, in this environment.
    pub(crate) fn ask(
        &self,
        sandbox: &Sandbox,
        environment: &[(&'static str, OsString)],
        count: usize,
        tenant: Option<&str>,
    ) -> Vec<Answer> {
        let asking = || {
            let program = Invocation::new(sandbox, &self.program).args(&self.arguments);
            let (name, value) = &self.variable;
            environment.iter().fold(program.env(*name, value), |program, (name, value)| program.env(*name, value))
        };
        if matches!(self.how, How::Kubelogin) {
            let mut arguments = vec!["get-token", "--login", "azurecli", "--server-id", KUBERNETES];
            arguments.extend(tenant.into_iter().flat_map(|tenant| ["--tenant-id", tenant]));
            let all: Vec<_> = (0..count).map(|_| asking().args(&arguments).start()).collect();
            return all.into_iter().map(|one| exec_credential(&one.finish())).collect();
        }
        let outcome = asking().args([&count.to_string(), tenant.unwrap_or("-")]).run();
        let lines: Vec<Value> = outcome.out().lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        assert_eq!(lines.len(), count, "{outcome:?}");
        lines.iter().map(answer).collect()
    }
}

fn answer(line: &Value) -> Answer {
    match line["token"].as_str() {
        Some(token) => Ok((token.to_owned(), line["expires_on"].as_i64())),
        None => Err(line["error"].as_str().expect("it is one of the two").to_owned()),
    }
}

/// What kubelogin prints for kubectl.
fn exec_credential(outcome: &crate::support::Outcome) -> Answer {
    let status = serde_json::from_slice::<Value>(&outcome.stdout).map(|all| all["status"].clone()).unwrap_or_default();
    let Some(token) = status["token"].as_str() else { return Err(outcome.err()) };
    let expires = status["expirationTimestamp"].as_str().unwrap_or_default();
    let expires = chrono::DateTime::parse_from_rfc3339(expires).ok().map(|time| time.timestamp());
    Ok((token.to_owned(), expires))
}
