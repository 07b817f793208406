//! The forms of `az account get-access-token` that azward understands whole. The grammar is closed: an abbreviation, an
//! `@file`, an option not listed here, one value too many, and it is a run.

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
    /// `--output`, in lower case.
    pub output: Option<String>,
    /// `--query`, one top-level key.
    pub query: Option<String>,
}

impl TokenRequest {
    /// Reads the arguments of an az; `None` when they are not understood.
    pub(super) fn parse(arguments: &[&str]) -> Option<Self> {
        let [account, get_access_token, arguments @ ..] = arguments else { return None };
        if !account.eq_ignore_ascii_case("account") || !get_access_token.eq_ignore_ascii_case("get-access-token") {
            return None;
        }
        let mut request = Self::default();
        let mut arguments = arguments.iter().copied();
        while let Some(argument) = arguments.next() {
            if argument == "--only-show-errors" {
                continue;
            }
            let (name, attached) = split(argument)?;
            let value = match attached {
                Some(value) => value,
                // argparse takes whatever begins with a dash for an option.
                None => arguments.next().filter(|value| !value.starts_with('-'))?,
            };
            if !is_valid(name, value) {
                return None;
            }
            *request.field(name)? = Some(if name == "--output" { value.to_lowercase() } else { value.to_owned() });
        }
        Some(request)
    }

    fn field(&mut self, name: &str) -> Option<&mut Option<String>> {
        Some(match name {
            "--resource" => &mut self.resource,
            // It takes any number of values; a second one stands alone then, and nothing here takes it.
            "--scope" => &mut self.scope,
            "--resource-type" => &mut self.resource_type,
            "--tenant" => &mut self.tenant,
            "--subscription" | "--name" => &mut self.subscription,
            "--output" => &mut self.output,
            "--query" => &mut self.query,
            _ => return None,
        })
    }
}

/// The formats that `--output` takes, in any case.
const OUTPUTS: [&str; 7] = ["json", "jsonc", "none", "table", "tsv", "yaml", "yamlc"];

/// What `--resource-type` takes.
const RESOURCE_TYPES: [&str; 7] = ["oss-rdbms", "arm", "aad-graph", "ms-graph", "batch", "media", "data-lake"];

/// Whether az takes a value as it stands. It looks at every one, also where a later one counts.
fn is_valid(name: &str, value: &str) -> bool {
    match name {
        "--output" => OUTPUTS.iter().any(|output| value.eq_ignore_ascii_case(output)),
        "--resource-type" => RESOURCE_TYPES.contains(&value),
        // Of a query's language, as much as is the name of a key.
        "--query" => {
            value.starts_with(|first: char| first.is_ascii_alphabetic())
                && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        }
        // argparse drops a value that is two dashes, attached or not.
        _ => !value.starts_with('@') && value != "--",
    }
}

/// Splits an option from the value attached to it: `--output=json`, `-o=json`, `-ojson`. Short names are made long.
fn split(argument: &str) -> Option<(&str, Option<&str>)> {
    if argument.starts_with("--") {
        return match argument.split_once('=') {
            Some((name, value)) => Some((name, Some(value))),
            None => Some((argument, None)),
        };
    }
    let short = argument.get(..2)?;
    let name = match short {
        "-o" => "--output",
        "-t" => "--tenant",
        "-s" | "-n" => "--subscription",
        _ => return None,
    };
    let attached = argument.get(2..).filter(|rest| !rest.is_empty());
    Some((name, attached.map(|rest| rest.strip_prefix('=').unwrap_or(rest))))
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
        for line in [&["-o", "json"][..], &["-o=json"], &["-ojson"], &["--output", "JSON"], &["--output=json"]] {
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
    }

    #[test]
    fn what_is_not_understood_is_a_run() {
        for line in [
            &["--out", "json"][..],
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
            &["--resource", "r", "--resource-type", "teapot"],
        ] {
            assert_eq!(of(line), None, "{line:?}");
        }
        assert_eq!(TokenRequest::parse(&["account", "show"]), None);
    }
}
