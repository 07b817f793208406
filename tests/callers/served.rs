//! The credentials of the Azure SDKs that ask no az, and those that do, where there is nothing but an endpoint of
//! azward's (`azward serve`): in a network that reaches nothing else, each has the session's token, and Entra ID is
//! asked once for all of them.
//!
//! No option or variable is needed for that: a managed identity has no authority that MSAL would look up (instance
//! discovery, `AZURE_AUTHORITY_HOST`), and `AzureCliCredential` leaves all that to az.

use std::time::{SystemTime, UNIX_EPOCH};

use entra::TENANT_A;
use serde_json::Value;

use crate::apart::Apart;
use crate::caller::Answer;
use crate::support::sessions::directory;
use crate::support::{Outcome, Sandbox, libraries};
use crate::wanted::{Age, Wanted};

/// The session whose tokens are given.
const SESSION: &str = "contoso-development";

/// The variables of App Service's protocol.
const APP_SERVICE: [&str; 2] = ["IDENTITY_ENDPOINT", "IDENTITY_HEADER"];

/// A library with such credentials.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sdk {
    pub(crate) name: &'static str,
    needs: &'static [&'static str],
    /// Whether the other tests install it anyway.
    pub(crate) is_cheap: bool,
    /// Whether it asks the machine's endpoint where `AZURE_POD_IDENTITY_AUTHORITY_HOST` says.
    is_led: bool,
    language: Language,
}

#[derive(Clone, Copy, Debug)]
enum Language {
    Python(&'static str),
    JavaScript,
    Go,
    Java,
    Rust,
}

const fn sdk(name: &'static str, needs: &'static [&'static str], language: Language) -> Sdk {
    Sdk { name, needs, is_cheap: false, is_led: true, language }
}

/// All of them.
///
/// Two ask 169.254.169.254 whatever that variable says: azidentity 1.15.0 of Go, whose MSAL (1.10.1,
/// `apps/managedidentity/managedidentity.go`) has the variable's name and never reads it, and azure_identity 1.0.0 of
/// Rust (`src/virtual_machine_managed_identity_credential.rs`). Those that read it are azure-identity 1.27.0 of Python
/// (`_credentials/imds.py`; `managed_identity.py` of MSAL 1.39.0), @azure/identity 4.13.1 of JavaScript (`imdsMsi.js`;
/// `Imds.ts` of MSAL 5.6.0) and azure-identity 1.19.0 of Java (`IdentityClientOptions`; `IMDSManagedIdentitySource` of
/// MSAL 1.26.0).
pub(crate) const SDKS: [Sdk; 6] = [
    Sdk { is_cheap: true, ..sdk("azure-identity (Python)", &["python3"], Language::Python("sync")) },
    Sdk { is_cheap: true, ..sdk("azure-identity.aio (Python)", &["python3"], Language::Python("aio")) },
    sdk("@azure/identity (JavaScript)", &["node", "npm"], Language::JavaScript),
    Sdk { is_led: false, ..sdk("azidentity (Go)", &["python3"], Language::Go) },
    sdk("azure-identity (Java)", &["java", "javac", "mvn"], Language::Java),
    Sdk { is_led: false, ..sdk("azure_identity (Rust)", &["cc"], Language::Rust) },
];

/// What it takes to run one, installed.
struct Means {
    words: Vec<String>,
    variable: (&'static str, String),
}

impl Sdk {
    /// Installs it, or says that its language is not here.
    fn means(&self) -> Option<Means> {
        let is_go = matches!(self.language, Language::Go);
        if self.needs.iter().any(|program| libraries::on_path(program).is_none()) || is_go && !libraries::has_go() {
            return None;
        }
        let source = |name: &str| format!("{}/tests/callers/{name}", env!("CARGO_MANIFEST_DIR"));
        let found = |name: &str| libraries::on_path(name).unwrap().display().to_string();
        let mut variable = ("CALLERS", String::new());
        let words = match self.language {
            Language::Python(way) => {
                vec![libraries::python().display().to_string(), source("python/credential.py"), way.to_owned()]
            }
            Language::JavaScript => {
                variable = ("NODE_PATH", libraries::javascript().display().to_string());
                vec![found("node"), source("javascript/credential.js")]
            }
            Language::Go => vec![libraries::go("credential").display().to_string()],
            Language::Java => {
                let class_path = libraries::java();
                let words = ["-XX:TieredStopAtLevel=1", "-Duser.home=.", "-cp", &class_path, "Credential"];
                std::iter::once(found("java")).chain(words.map(str::to_owned)).collect()
            }
            Language::Rust => vec![libraries::rust("credential").display().to_string()],
        };
        Some(Means { words, variable })
    }
}

/// How a token is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// `ManagedIdentityCredential`, by App Service's protocol.
    AppService,
    /// `ManagedIdentityCredential`, by the machines' (IMDS).
    Machine,
    /// `DefaultAzureCredential`, which finds App Service's.
    Default,
    /// `DefaultAzureCredential`, which finds the machine's.
    DefaultMachine,
    /// `AzureCliCredential`.
    Az,
    /// `DefaultAzureCredential`, which finds az and nothing else.
    DefaultAz,
}

const WAYS: [(Way, &str); 6] = [
    (Way::AppService, "managed identity, App Service"),
    (Way::Machine, "managed identity, IMDS"),
    (Way::Default, "default, App Service"),
    (Way::DefaultMachine, "default, IMDS"),
    (Way::Az, "Azure CLI"),
    (Way::DefaultAz, "default, Azure CLI"),
];

impl Way {
    /// Whether a library has it.
    fn is_for(self, sdk: &Sdk) -> bool {
        match self {
            Self::Machine | Self::DefaultMachine => sdk.is_led,
            // What Rust's has in the place of a default looks for developers' tools alone.
            Self::Default => !matches!(sdk.language, Language::Rust),
            _ => true,
        }
    }

    /// Whether it was answered as it expects, so that it did not ask again. Java's looks first whether a machine's
    /// endpoint is there, as that is done: by a request that is refused.
    fn is_answered_at_once(self, answers: &[Value]) -> bool {
        let (granted, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|one| one["outcome"] == "answered");
        let is_look = |one: &&Value| self == Self::DefaultMachine && one["outcome"] == "refused: 400";
        granted.len() == 1 && refused.iter().all(is_look)
    }

    fn ask(self, apart: &Apart<'_>, means: &Means) -> Outcome {
        let run = |kind: &'static str, taken_out: Option<&[&str]>| {
            let program: Vec<&str> = means.words.iter().map(String::as_str).chain([kind]).collect();
            match taken_out {
                Some(taken_out) => apart.behind_relay(&program, taken_out, &means.variable),
                None => apart.beside_az(&program, &means.variable),
            }
        };
        match self {
            Self::AppService => run("managed", Some(&[])),
            Self::Machine => run("managed", Some(&APP_SERVICE)),
            Self::Default => run("default", Some(&[])),
            Self::DefaultMachine => run("default", Some(&APP_SERVICE)),
            Self::Az => run("cli", None),
            Self::DefaultAz => run("default", None),
        }
    }
}

/// Has each of them ask in every way, and prints what came of it.
pub(crate) fn ask_all(sdks: &[Sdk]) {
    let (sandbox, entra) = Sandbox::logged_in();
    let open = Apart::from(&sandbox, SESSION, &[], entra.port());
    let closed = Apart::from(&sandbox, SESSION, &["--allow-resource", "https://vault.azure.net"], entra.port());
    let (Some(open), Some(closed)) = (open, closed) else {
        println!("\nMISSING: nobody can have a network of his own here (unshare --map-root-user --net)\n");
        return;
    };
    let titles: Vec<&str> = WAYS.iter().map(|(_, title)| *title).collect();
    let columns = WAYS.len() + 2;
    let mut table =
        format!("\n| SDK | {} | refused | asked |\n| --- |{}", titles.join(" | "), " --- |".repeat(columns));
    let mut findings = Vec::new();
    for sdk in sdks {
        let Some(means) = sdk.means() else {
            table.push_str(&format!("\n| {} |{}", sdk.name, " MISSING |".repeat(columns)));
            continue;
        };
        let mut find = |what: String| findings.push(format!("{}, {what}", sdk.name));
        // The first of them finds it expired, and none of the others asks for another.
        sandbox.azward(["token", SESSION]).run().ok();
        sandbox.config().age_access_tokens(-60, "management");
        assert_ne!(directory(&sandbox, SESSION).age_access_tokens(-60, "management"), 0);
        entra.clear_journal();
        let wanted = Wanted {
            tenant: TENANT_A.id,
            resource: "https://management.azure.com",
            age: Age::New,
            issued_before: entra.access_tokens_issued().len(),
        };
        let mut cells = Vec::new();
        for (way, title) in WAYS {
            if !way.is_for(sdk) {
                cells.push("–".to_owned());
                continue;
            }
            let before = told(&sandbox).len();
            let outcome = way.ask(&open, &means);
            let answers = told(&sandbox).split_off(before);
            let fault = match said(&outcome) {
                Ok((token, expires_on)) => wanted.fault(&entra, &token, expires_on, now()),
                Err(why) => Some(why),
            };
            let word = if fault.is_some() { "WRONG" } else { "token" };
            cells.push(format!("{word}, {:.1} s", outcome.took.as_secs_f64()));
            eprintln!("  {}, {title}: {}", sdk.name, cells.last().unwrap());
            fault.into_iter().for_each(|what| find(format!("{title}: {what}")));
            if !way.is_answered_at_once(&answers) {
                find(format!("{title}: it was answered {answers:?}"));
            }
        }
        // What it says of a token that is not given is what a person has to go by.
        match said(&Way::AppService.ask(&closed, &means)) {
            Err(why) if why.contains("--allow-resource") => cells.push("says why".to_owned()),
            other => {
                cells.push("WRONG".to_owned());
                find(format!("refused: {other:?}"));
            }
        }
        let asked = entra.token_requests();
        if asked != 1 {
            find(format!("Entra ID was asked for {asked} tokens"));
        }
        table.push_str(&format!("\n| {} | {} | {asked} |", sdk.name, cells.join(" | ")));
    }
    println!("{table}\n");
    assert!(findings.is_empty(), "not as it should be:\n{}", findings.join("\n"));
}

/// What endpoints have answered so far.
fn told(sandbox: &Sandbox) -> Vec<Value> {
    sandbox.journal().into_iter().filter(|event| event["command"] == "azward serve").collect()
}

/// The token that was printed and when it expires, or in which words there is none.
fn said(outcome: &Outcome) -> Answer {
    let answer: Value = serde_json::from_slice(&outcome.stdout).map_err(|_| format!("{outcome:?}"))?;
    match (answer["token"].as_str(), answer["error"].as_str()) {
        (Some(token), _) => Ok((token.to_owned(), answer["expires_on"].as_i64())),
        (None, why) => Err(why.unwrap_or("no token, and no word why").to_owned()),
    }
}

/// In seconds since the epoch.
fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().cast_signed()
}
