//! The forms of `az account get-access-token` that azward understands whole. The grammar is closed: an `@file`, an option not
//! listed here, a query that is not understood, one value too many, and it is a run. Of a run as much is read as tells which token it is
//! about to hand out, for who renews that first; to have misread it costs a renewal.

use std::ffi::OsString;

use super::options::{Options, is_as_it_stands, is_output};
use crate::azure::clouds::{Cloud, scope_of};
use crate::azure::query::Query;

/// What is asked for, in the words of the command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenRequest {
    /// `--resource`.
    pub resource: Option<String>,
    /// `--scope`, one.
    pub scope: Option<String>,
    /// `--resource-type`.
    pub resource_type: Option<String>,
    /// `--tenant`, as given.
    pub tenant: Option<String>,
    /// `--subscription`, an id or a name, as given.
    pub subscription: Option<String>,
    /// Whether that was called `--name`, which not every az knows.
    pub is_by_name: bool,
    /// `--output`, in lower case.
    pub output: Option<String>,
    /// `--query`.
    pub query: Option<Query>,
}

impl TokenRequest {
    /// Reads the arguments of an az; `None` when they are not understood.
    pub(super) fn parse(arguments: &[&str]) -> Option<Self> {
        let [account, get_access_token, arguments @ ..] = arguments else { return None };
        if !account.eq_ignore_ascii_case("account") || !get_access_token.eq_ignore_ascii_case("get-access-token") {
            return None;
        }
        let mut request = Self::default();
        OPTIONS.read(arguments, |name, value| {
            match name {
                "--output" if is_output(value) => request.output = Some(value.to_lowercase()),
                "--query" => request.query = Some(Query::parse(value)?),
                _ if is_valid(name, value) => *request.field(name)? = Some(value.to_owned()),
                _ => return None,
            }
            request.is_by_name |= name == "--name";
            Some(())
        })?;
        Some(request)
    }

    /// Reads which token an az is about to hand out, whatever else its arguments say; `None` when that is told in a way
    /// that only az understands.
    pub(super) fn likely(arguments: &[&str]) -> Option<Self> {
        let mut request = Self::default();
        let mut arguments = arguments.iter().copied().peekable();
        while let Some(argument) = arguments.next() {
            let Some((name, attached)) = OPTIONS.split(argument) else { continue };
            let name = if name == "--name" { "--subscription" } else { name };
            if !OF_THE_TOKEN.contains(&name) {
                continue;
            }
            let value = attached.or_else(|| arguments.next_if(|value| !value.starts_with('-')))?;
            if !is_valid(name, value) {
                return None;
            }
            *request.field(name)? = Some(value.to_owned());
        }
        Some(request)
    }

    /// Reads which subscription's token a command uses that hands none out; `None` where it names none.
    pub(super) fn for_subscription(arguments: &[&str]) -> Option<Self> {
        let mut arguments = arguments.iter().copied();
        let mut subscription = None;
        while let Some(argument) = arguments.next() {
            subscription = match argument.strip_prefix("--subscription") {
                Some("") => Some(arguments.next()?.to_owned()),
                Some(attached) if attached.starts_with('=') => Some(attached[1..].to_owned()),
                _ => continue,
            };
        }
        subscription.map(|subscription| Self { subscription: Some(subscription), ..Self::default() })
    }

    /// The options that ask for this token again.
    #[must_use]
    pub fn options(&self) -> Vec<OsString> {
        let values = [&self.resource, &self.scope, &self.resource_type, &self.tenant, &self.subscription];
        let given = OF_THE_TOKEN.iter().zip(values).filter_map(|(name, value)| Some((name, value.as_ref()?)));
        given.map(|(name, value)| format!("{name}={value}").into()).collect()
    }

    /// The scope, slash for slash (azure-cli-core 2.91.0, `_profile.py`, `get_raw_token`; azure-cli 2.91.0,
    /// `command_modules/profile/custom.py`, `get_access_token`). `None` for one of which only az knows what comes of it.
    #[must_use]
    pub fn scope_in(&self, cloud: &Cloud) -> Option<String> {
        let scope = match (&self.scope, &self.resource, &self.resource_type) {
            (Some(scope), ..) => scope.clone(),
            (None, Some(resource), _) if !resource.is_empty() => scope_of(resource),
            (None, None, Some(resource_type)) => scope_of(cloud.resource(resource_type)?),
            _ => cloud.resource_manager_scope()?,
        };
        // Of what is empty, several, or about the caller instead of a resource, MSAL makes something else.
        let is_plain = !scope.is_empty() && scope.contains('/') && scope.bytes().all(|byte| byte.is_ascii_graphic());
        is_plain.then_some(scope)
    }

    fn field(&mut self, name: &str) -> Option<&mut Option<String>> {
        Some(match name {
            "--resource" => &mut self.resource,
            // It takes any number of values; a second one stands alone then, and nothing here takes it.
            "--scope" => &mut self.scope,
            "--resource-type" => &mut self.resource_type,
            "--tenant" => &mut self.tenant,
            "--subscription" | "--name" => &mut self.subscription,
            _ => return None,
        })
    }
}

/// The options that tell which token is asked for.
const OF_THE_TOKEN: [&str; 5] = ["--resource", "--scope", "--resource-type", "--tenant", "--subscription"];

/// The options of the command (azure-cli 2.91.0, `command_modules/profile/__init__.py`).
const OPTIONS: Options = Options {
    long: &["--resource", "--scope", "--resource-type", "--tenant", "--subscription", "--name"],
    flags: &[],
    short: &[("-t", "--tenant"), ("-s", "--subscription"), ("-n", "--name")],
};

/// What `--resource-type` takes.
const RESOURCE_TYPES: [&str; 7] = ["oss-rdbms", "arm", "aad-graph", "ms-graph", "batch", "media", "data-lake"];

/// Whether az takes a value as it stands. It looks at every one, also where a later one counts.
fn is_valid(name: &str, value: &str) -> bool {
    match name {
        "--resource-type" => RESOURCE_TYPES.contains(&value),
        _ => is_as_it_stands(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &[&str]) -> Option<TokenRequest> {
        let mut arguments = vec!["account", "get-access-token"];
        arguments.extend(line);
        TokenRequest::parse(&arguments)
    }

    #[test]
    fn every_way_to_write_a_value_is_the_same() {
        let json = Some(TokenRequest { output: Some("json".into()), ..TokenRequest::default() });
        for line in [
            &["-o", "json"][..],
            &["-o=json"],
            &["-ojson"],
            &["--output", "JSON"],
            &["--output=json"],
            &["--out", "json"],
            &["--ou=json"],
        ] {
            assert_eq!(of(line), json, "{line:?}");
        }
        assert_eq!(of(&[]), Some(TokenRequest::default()));
    }

    #[test]
    fn options_come_in_any_order_and_the_last_counts() {
        let request =
            of(&["--query", "accessToken", "-t", "T", "--only-show-errors", "--scope", "a", "--scope=b"]).unwrap();
        assert_eq!((request.tenant.as_deref(), request.scope.as_deref()), (Some("T"), Some("b")));
        let request = of(&["-s", "", "--resource", "r", "-n=x y"]).unwrap();
        assert_eq!((request.subscription.as_deref(), request.resource.as_deref()), (Some("x y"), Some("r")));
        assert!(request.is_by_name && of(&["--name", "x", "-s", "y"]).unwrap().is_by_name);
        assert!(!of(&["-s", "x"]).unwrap().is_by_name);
    }

    #[test]
    fn of_a_run_is_read_which_token_it_hands_out() {
        let of =
            |line: &str| TokenRequest::likely(&line.split(' ').collect::<Vec<_>>()).map(|request| request.options());
        let options = |list: &[&str]| Some(list.iter().map(OsString::from).collect::<Vec<_>>());
        for (line, expected) in [
            ("account get-access-token --debug --query [a,b]", options(&[])),
            ("account get-access-token --out json --resource r --query a", options(&["--resource=r"])),
            ("--debug account get-access-token --sc=s -t T", options(&["--scope=s", "--tenant=T"])),
            ("account get-access-token --resource-t arm -n=x", options(&["--resource-type=arm", "--subscription=x"])),
            // Two options begin so, and az refuses it.
            ("account get-access-token --s x", options(&[])),
            ("account get-access-token --resource --debug", None),
            ("account get-access-token --resource @file", None),
        ] {
            assert_eq!(of(line), expected, "{line}");
        }
    }

    #[test]
    fn of_another_command_is_read_whose_token_it_uses() {
        let of = |line: &str| TokenRequest::for_subscription(&line.split(' ').collect::<Vec<_>>())?.subscription;
        assert_eq!(of("group list -o none"), None);
        assert_eq!(of("group list --subscription x -o none").as_deref(), Some("x"));
        assert_eq!(of("group list --subscription=x --subscription=y").as_deref(), Some("y"));
        assert_eq!(of("group list --subscription"), None);
    }

    #[test]
    fn what_is_not_understood_is_a_run() {
        for line in [
            &["--o", "json"][..],
            &["--res", "x"],
            &["--output"],
            &["--tenant", "-x"],
            &["--resource", "@file"],
            &["--query=@q"],
            &["--scope", "a", "b"],
            &["--debug"],
            &["--verbose"],
            &["-h"],
            &["more"],
            &["-x"],
            &["-"],
            &[""],
            &["ä"],
            &["-s--"],
            &["-o", "teapot", "-o", "json"],
            &["--query", "a b", "--query", "tenant"],
            &["--query", "length(@)"],
            &["--query", ""],
            &["--resource", "r", "--resource-type", "teapot"],
        ] {
            assert_eq!(of(line), None, "{line:?}");
        }
        assert_eq!(TokenRequest::parse(&["account", "show"]), None);
    }
}
