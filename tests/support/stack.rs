//! A directory of OpenTofu's with so many resources in it (`tests/tofu/main.tf`), planned, applied and destroyed in a
//! box, as whoever is said.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use entra::Entra;
use serde_json::Value;

use super::invocation::Invocation;
use super::opentofu::Programs;
use super::outcome::Outcome;
use super::sandbox::Sandbox;

/// How long one of its commands may take, on a machine that has better things to do.
const PATIENCE: Duration = Duration::from_secs(400);

/// As whom the provider asks Resource Manager.
#[derive(Clone, Debug)]
pub(crate) enum Authentication {
    /// As whoever the az on PATH has signed in.
    Cli,
    /// As the identity that an endpoint has, which these variables tell (`IDENTITY_ENDPOINT`, `IDENTITY_HEADER`), in a
    /// subscription: no az says which.
    ManagedIdentity { variables: Vec<(String, OsString)>, subscription: String },
}

/// One such directory.
#[derive(Clone)]
pub(crate) struct Stack<'a> {
    sandbox: &'a Sandbox,
    tofu: PathBuf,
    directory: PathBuf,
    variables: Vec<(String, OsString)>,
}

impl<'a> Stack<'a> {
    /// Makes a directory `name` in the box, for `amount` resources, which have the name in theirs.
    pub(crate) fn new(
        sandbox: &'a Sandbox,
        programs: &Programs,
        entra: &Entra,
        name: &str,
        amount: usize,
        authentication: &Authentication,
    ) -> Self {
        let directory = sandbox.root().join(name);
        fs::create_dir(&directory).expect("the box has none of this name");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tofu/main.tf");
        fs::copy(source, directory.join("main.tf")).expect("the box can be written");
        let settings = directory.join("settings.tfrc");
        let provider = serde_json::to_string(&programs.provider).expect("a path is a text");
        let overrides = format!(
            "provider_installation {{\n  dev_overrides {{\n    \"azward.test/tests/arm\" = {provider}\n  }}\n}}\n"
        );
        fs::write(&settings, overrides).expect("the box can be written");
        let mut variables: Vec<(String, OsString)> = [
            ("TF_CLI_CONFIG_FILE", settings.into_os_string()),
            ("TF_IN_AUTOMATION", "1".into()),
            ("SSL_CERT_FILE", entra.ca_file().into()),
            ("TF_VAR_name", name.into()),
            ("TF_VAR_amount", amount.to_string().into()),
            ("TF_VAR_origin", entra.origin().into()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        let (is_identity, more) = match authentication {
            Authentication::Cli => ("false", Vec::new()),
            Authentication::ManagedIdentity { variables, subscription } => {
                let subscription = ("TF_VAR_subscription_id".to_owned(), subscription.into());
                ("true", variables.iter().cloned().chain([subscription]).collect())
            }
        };
        variables.push(("TF_VAR_use_msi".to_owned(), is_identity.into()));
        variables.extend(more);
        Self { sandbox, tofu: programs.tofu.clone(), directory, variables }
    }

    /// The same where a variable is something else: another PATH, with another az on it.
    pub(crate) fn with(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// Finds out what is to be done, and writes it down.
    pub(crate) fn plan(&self) -> Outcome {
        self.tofu(&["plan", "-parallelism=10", "-out=plan"]).run().ok()
    }

    /// Does what is written down.
    pub(crate) fn apply(&self) -> Outcome {
        self.tofu(&["apply", "-parallelism=10", "plan"]).run().ok()
    }

    /// Whether everything is as it is to be.
    pub(crate) fn is_settled(&self) -> bool {
        let outcome = self.tofu(&["plan", "-detailed-exitcode"]).run();
        assert!(matches!(outcome.status.code(), Some(0 | 2)), "{outcome:?}");
        outcome.status.code() == Some(0)
    }

    /// Takes all of it away.
    pub(crate) fn destroy(&self) -> Outcome {
        self.tofu(&["destroy", "-auto-approve"]).run().ok()
    }

    /// What OpenTofu has written down of it: the outputs and the resources, without what names this very file.
    pub(crate) fn state(&self) -> Value {
        let text = fs::read(self.directory.join("terraform.tfstate")).expect("something was applied");
        let all: Value = serde_json::from_slice(&text).expect("it is JSON");
        serde_json::json!({"outputs": all["outputs"], "resources": all["resources"]})
    }

    fn tofu(&self, words: &[&str]) -> Invocation<'a> {
        let (command, words) = words.split_first().expect("there is a command");
        // The options come before the plan's name.
        let tofu = Invocation::new(self.sandbox, &self.tofu).args([command, "-no-color", "-input=false"]).args(words);
        let tofu = tofu.cwd(&self.directory).timeout(PATIENCE);
        self.variables.iter().fold(tofu, |tofu, (name, value)| tofu.env(name, value))
    }
}
