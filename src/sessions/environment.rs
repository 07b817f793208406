//! What a process tree needs in its environment to work in a session: az and what calls az by the config directory, Terraform and
//! the SDKs by their own variables, a prompt by the session's name; and the shim first on PATH. And how each shell is told.

use std::ffi::OsString;
use std::path::PathBuf;

use super::{NamedLogin, Session};
use crate::context::Context;
use crate::failure::{Failure, Kind, Result};
use crate::home_lock::SHIM;

/// The variable that names the session.
pub const SESSION: &str = "AZWARD_SESSION";

/// Where az looks for its extensions: without it, below the config directory.
const EXTENSIONS: &str = "AZURE_EXTENSION_DIR";

/// What Terraform calls the clouds that are not the public one (hashicorp/go-azure-sdk, `sdk/environments`).
const TERRAFORM_CLOUDS: [(&str, &str); 2] = [("AzureUSGovernment", "usgovernment"), ("AzureChinaCloud", "china")];

/// How the variables are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// `export NAME='value'`, for sh, bash, zsh, direnv and mise.
    Sh,
    /// `set -gx NAME 'value'`.
    Fish,
    /// `$env:NAME = 'value'`.
    PowerShell,
    /// An object.
    Json,
}

/// The variables of a process that works in `session`.
///
/// # Errors
/// `Usage` where PATH cannot have the shim's directory in it.
pub fn variables(context: &Context, session: &Session) -> Result<Vec<(OsString, OsString)>> {
    let text = |name: &str, value: &str| (OsString::from(name), OsString::from(value));
    let mut variables = vec![(OsString::from("AZURE_CONFIG_DIR"), session.config_dir(context).path().into())];
    variables.extend(identifiers(session));
    // One that was set for another session is none of this one's.
    if terraform_cloud(session).is_none() && context.has_variable("ARM_ENVIRONMENT") {
        variables.push(text("ARM_ENVIRONMENT", "public"));
    }
    // The environment's is above that of the config directory.
    if context.has_variable("AZURE_CLOUD_NAME") {
        variables.push(text("AZURE_CLOUD_NAME", &session.cloud));
    }
    variables.extend(extensions(context, session));
    variables.push((OsString::from("PATH"), path(context)?));
    Ok(variables)
}

/// What tells which subscription a session is, wherever that is worked in.
#[must_use]
pub fn identifiers(session: &Session) -> Vec<(OsString, OsString)> {
    let mut identifiers = vec![
        ("AZURE_SUBSCRIPTION_ID", session.subscription.as_str()),
        ("AZURE_TENANT_ID", &session.tenant),
        ("ARM_SUBSCRIPTION_ID", &session.subscription),
        ("ARM_TENANT_ID", &session.tenant),
        (SESSION, &session.name),
    ];
    identifiers.extend(terraform_cloud(session).map(|cloud| ("ARM_ENVIRONMENT", cloud)));
    identifiers.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
}

/// What Terraform calls the session's cloud, if that is not the public one.
fn terraform_cloud(session: &Session) -> Option<&'static str> {
    TERRAFORM_CLOUDS.iter().find(|(name, _)| *name == session.cloud).map(|(_, value)| *value)
}

/// Where the extensions of the session's login are, if it has any and nothing else is set: a config directory of its own is
/// not to be without them.
#[must_use]
pub fn extensions(context: &Context, session: &Session) -> Option<(OsString, OsString)> {
    // What another session that is in use has added is not the caller's.
    if context.has_variable(EXTENSIONS) && !context.added().any(|(name, _)| name == EXTENSIONS) {
        return None;
    }
    let login = NamedLogin::named(context, &session.login).ok()?;
    let directory = login.config_dir.path().join("cliextensions");
    directory.is_dir().then(|| (EXTENSIONS.into(), directory.into()))
}

/// The shim: beside this program, else where it is installed.
#[must_use]
pub fn shim(context: &Context) -> PathBuf {
    let beside = context.executable.as_deref().map(|executable| executable.with_file_name(SHIM));
    beside.filter(|shim| shim.exists()).unwrap_or_else(|| context.azward_home.join("bin").join(SHIM))
}

/// PATH, with the directory of the shim first.
fn path(context: &Context) -> Result<OsString> {
    let directory = shim(context).parent().map(PathBuf::from).unwrap_or_default();
    let path = context.variable("PATH").unwrap_or_default();
    let others = std::env::split_paths(path).filter(|other| *other != directory);
    std::env::join_paths(std::iter::once(directory.clone()).chain(others.filter(|other| !other.as_os_str().is_empty())))
        .map_err(|_| {
            let what = format!("`{}` cannot stand in PATH", directory.display());
            Failure::new(Kind::Usage, what, "install azward in a directory without a separator in its name")
        })
}

/// The lines that have a shell set the variables, in that shell's own quotes.
#[must_use]
pub fn told(variables: &[(OsString, OsString)], syntax: Syntax) -> Vec<u8> {
    if syntax == Syntax::Json {
        let object: serde_json::Map<String, serde_json::Value> = variables
            .iter()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned().into()))
            .collect();
        return format!("{:#}\n", serde_json::Value::Object(object)).into_bytes();
    }
    let mut text = Vec::new();
    for (name, value) in variables {
        let (before, after): (&[u8], &[u8]) = match syntax {
            Syntax::Fish => (b"set -gx ", b" '"),
            Syntax::PowerShell => (b"$env:", b" = '"),
            Syntax::Sh | Syntax::Json => (b"export ", b"='"),
        };
        text.extend_from_slice(before);
        text.extend_from_slice(name.as_encoded_bytes());
        text.extend_from_slice(after);
        for &byte in value.as_encoded_bytes() {
            match (syntax, byte) {
                (Syntax::Sh, b'\'') => text.extend_from_slice(b"'\\''"),
                (Syntax::Fish, b'\'' | b'\\') => text.extend_from_slice(&[b'\\', byte]),
                (Syntax::PowerShell, b'\'') => text.extend_from_slice(b"''"),
                _ => text.push(byte),
            }
        }
        text.extend_from_slice(b"'\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shell_is_told_in_its_own_quotes() {
        let variables = [(OsString::from("A"), OsString::from("it's $x `y` \\ \"z\""))];
        for (syntax, told_as) in [
            (Syntax::Sh, "export A='it'\\''s $x `y` \\ \"z\"'\n"),
            (Syntax::Fish, "set -gx A 'it\\'s $x `y` \\\\ \"z\"'\n"),
            (Syntax::PowerShell, "$env:A = 'it''s $x `y` \\ \"z\"'\n"),
            (Syntax::Json, "{\n  \"A\": \"it's $x `y` \\\\ \\\"z\\\"\"\n}\n"),
        ] {
            assert_eq!(String::from_utf8(told(&variables, syntax)).unwrap(), told_as);
        }
    }
}
