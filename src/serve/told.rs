//! What those have to know whom an endpoint is for, in the form of each: a shell, docker and podman, compose, a devcontainer.json. The
//! secret is in nobody's arguments: what starts containers is told of a file that only its owner reads.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::json;
use zeroize::Zeroizing;

use super::place;
use super::protocol::{APP_SERVICE, IMDS};
use crate::client;
use crate::secret::Secret;
use crate::sessions::Session;
use crate::sessions::environment::{self, Syntax};

/// Where a container finds the directory of an endpoint.
pub const MOUNTED: &str = "/run/azward";

/// Where it finds az: on every PATH that images have.
pub const AZ: &str = "/usr/local/bin/az";

/// The program that speaks with the endpoint from inside, as it is installed here.
pub const INSIDE: &str = "azward-inside";

/// The variables that tell where an endpoint is, and its secret, in the protocols of the SDKs.
pub const IDENTITY: [&str; 4] =
    ["IDENTITY_ENDPOINT", "IDENTITY_HEADER", "AZURE_POD_IDENTITY_AUTHORITY_HOST", "ARM_MSI_ENDPOINT"];

/// For whom it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For a person: each of the others, with a word about it.
    All,
    /// A shell.
    Shell(Syntax),
    /// `docker run` and `podman run`.
    Docker,
    /// A compose file.
    Compose,
    /// A devcontainer.json.
    Devcontainer,
}

/// It.
#[derive(Debug)]
pub struct Told {
    pub(super) secret: Secret,
    pub(super) session: Session,
    /// The port of loopback.
    pub(super) port: Option<u16>,
    /// The path of the socket.
    pub(super) socket: Option<PathBuf>,
    /// Where the files are with all this.
    pub(super) directory: PathBuf,
    /// The program that speaks with the endpoint from inside.
    pub(super) inside: Option<PathBuf>,
}

impl Told {
    pub(super) fn secret(&self) -> &str {
        self.secret.expose_text()
    }

    /// The variables of a process that sees the same loopback, or the same socket.
    #[must_use]
    pub fn variables(&self) -> Vec<(OsString, OsString)> {
        let mut variables = environment::identifiers(&self.session);
        if let Some(port) = self.port {
            variables.extend(Self::identity(self.secret(), port));
        }
        let endpoint = match (&self.socket, self.port) {
            (Some(socket), _) => Some(format!("unix:{}", socket.display())),
            (None, port) => port.map(|port| format!("http://127.0.0.1:{port}")),
        };
        variables.extend(endpoint.map(|endpoint| (client::ENDPOINT.into(), endpoint.into())));
        variables.push((client::SECRET.into(), self.secret().into()));
        variables
    }

    /// The variables of a container that has the socket below [`MOUNTED`].
    #[must_use]
    pub fn container_variables(&self) -> Vec<(OsString, OsString)> {
        let mut variables = environment::identifiers(&self.session);
        if self.socket.is_some() {
            variables.push((client::ENDPOINT.into(), format!("unix:{MOUNTED}/{}", place::SOCKET).into()));
        }
        variables
    }

    /// The directory that a container has at [`MOUNTED`], if the socket is in it.
    #[must_use]
    pub fn mounted(&self) -> Option<&Path> {
        let is_there = self.socket.as_deref().and_then(Path::parent) == Some(&*self.directory);
        is_there.then_some(&*self.directory)
    }

    /// The program that speaks with the endpoint from inside.
    #[must_use]
    pub fn inside(&self) -> Option<&Path> {
        self.inside.as_deref()
    }

    /// The variables by which the SDKs find an endpoint with that secret at `port` of loopback.
    #[must_use]
    pub fn identity(secret: &str, port: u16) -> Vec<(OsString, OsString)> {
        let base = format!("http://127.0.0.1:{port}");
        let values = [
            format!("{base}{APP_SERVICE}"),
            secret.to_owned(),
            format!("{base}/{secret}"),
            format!("{base}/{secret}{IMDS}"),
        ];
        IDENTITY.into_iter().zip(values).map(|(name, value)| (name.into(), value.into())).collect()
    }

    pub(super) fn environment_file(&self) -> Zeroizing<String> {
        as_file(&self.variables())
    }

    pub(super) fn container_file(&self) -> Zeroizing<String> {
        as_file(&self.container_variables())
    }

    /// It, in `form`.
    #[must_use]
    pub fn in_form(&self, form: Form) -> Zeroizing<Vec<u8>> {
        let text = match form {
            Form::Shell(syntax) => return Zeroizing::new(self.shell(syntax)),
            Form::Docker => self.docker(),
            Form::Compose => self.compose(),
            Form::Devcontainer => self.devcontainer(),
            Form::All => self.all(),
        };
        Zeroizing::new(text.into_bytes())
    }

    /// A shell here is not told where an az finds the endpoint: the az here can do more than ask that.
    fn shell(&self, syntax: Syntax) -> Vec<u8> {
        let mut variables = self.variables();
        if syntax != Syntax::Json {
            variables.retain(|(name, _)| *name != client::ENDPOINT && *name != client::SECRET);
        }
        environment::told(&variables, syntax)
    }

    fn all(&self) -> String {
        let name = &self.session.name;
        let mut text = format!("# tokens of the session `{name}`, for as long as this runs\n\n");
        let syntax = if cfg!(windows) { Syntax::PowerShell } else { Syntax::Sh };
        let variables = self.shell(syntax);
        let _ = write!(text, "# a shell of yours, on this machine\n{}", String::from_utf8_lossy(&variables));
        for (title, part) in [
            ("docker, podman", self.docker()),
            ("compose.yaml, in the service", self.compose()),
            ("devcontainer.json", self.devcontainer()),
        ] {
            let _ = write!(text, "\n# {title}\n{part}");
        }
        text
    }

    /// The mounts of a container: what is here, and where it is there. Where the socket is elsewhere, nothing of what else is there
    /// goes with it.
    fn mounts(&self) -> Vec<(PathBuf, String)> {
        let Some(socket) = &self.socket else { return Vec::new() };
        let mut mounts = match self.mounted() {
            Some(directory) => vec![(directory.to_owned(), MOUNTED.to_owned())],
            None => vec![
                (socket.clone(), format!("{MOUNTED}/{}", place::SOCKET)),
                (self.directory.join(place::SECRET), format!("{MOUNTED}/{}", place::SECRET)),
            ],
        };
        mounts.extend(self.inside.clone().map(|inside| (inside, AZ.to_owned())));
        mounts
    }

    /// The file with the variables of a container; of one on the host's network where there is no socket.
    fn file(&self) -> PathBuf {
        self.directory.join(if self.socket.is_some() { place::CONTAINER } else { place::ENVIRONMENT })
    }

    /// The options of `docker run`.
    fn options(&self) -> Vec<String> {
        let network = self.socket.is_none().then(|| "--network=host".to_owned());
        let file = format!("--env-file={}", self.file().display());
        let mounts = self.mounts().into_iter().map(|(from, to)| format!("--volume={}:{to}:ro", from.display()));
        network.into_iter().chain([file]).chain(mounts).collect()
    }

    fn docker(&self) -> String {
        let quoted = |option: &String| format!("'{}'", option.replace('\'', "'\\''"));
        format!("{}\n", self.options().iter().map(quoted).collect::<Vec<_>>().join(" \\\n"))
    }

    fn compose(&self) -> String {
        let mut text = String::new();
        if self.socket.is_none() {
            text.push_str("network_mode: host\n");
        }
        let _ = write!(text, "env_file:\n  - {}\n", json!(self.file().display().to_string()));
        let mounts = self.mounts();
        if !mounts.is_empty() {
            text.push_str("volumes:\n");
        }
        for (from, to) in mounts {
            let _ = writeln!(text, "  - {}", json!(format!("{}:{to}:ro", from.display())));
        }
        text
    }

    fn devcontainer(&self) -> String {
        format!("{:#}\n", json!({ "runArgs": self.options() }))
    }
}

/// Lines as a file of variables has them.
fn as_file(variables: &[(OsString, OsString)]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::new());
    for (name, value) in variables {
        let _ = writeln!(text, "{}={}", name.to_string_lossy(), value.to_string_lossy());
    }
    text
}
