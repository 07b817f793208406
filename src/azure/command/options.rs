//! The options of a command line, as argparse takes them apart for az: the value attached or in the next argument, a short
//! name for a long one, any beginning of a long one that is none other's.

/// What every command has, beside its own (knack 0.14, `output.py`, `query.py`, `log.py`).
const GLOBAL: [&str; 6] = ["--output", "--query", "--debug", "--verbose", "--help", "--only-show-errors"];

/// The options that a command has of its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    /// Their long names.
    pub(super) long: &'static [&'static str],
    /// Those of them that take no value.
    pub(super) flags: &'static [&'static str],
    /// Short names, and the long ones that they stand for.
    pub(super) short: &'static [(&'static str, &'static str)],
}

/// The formats that `--output` takes, in any case.
const OUTPUTS: [&str; 7] = ["json", "jsonc", "none", "table", "tsv", "yaml", "yamlc"];

impl Options {
    /// Hands each option in `arguments` to `take`, by its long name and with its value, which is empty for a flag. `None`
    /// where one is not understood, or not taken.
    pub(super) fn read(self, arguments: &[&str], mut take: impl FnMut(&str, &str) -> Option<()>) -> Option<()> {
        let mut arguments = arguments.iter().copied();
        while let Some(argument) = arguments.next() {
            if argument == "--only-show-errors" {
                continue;
            }
            let (name, attached) = self.split(argument)?;
            if self.flags.contains(&name) {
                if attached.is_some() {
                    return None;
                }
                take(name, "")?;
                continue;
            }
            let value = match attached {
                Some(value) => value,
                // argparse takes whatever begins with a dash for an option.
                None => arguments.next().filter(|value| !value.starts_with('-'))?,
            };
            take(name, value)?;
        }
        Some(())
    }

    /// Splits an option from the value attached to it: `--output=json`, `-o=json`, `-ojson`. Its name is made whole and long.
    pub(super) fn split(self, argument: &str) -> Option<(&str, Option<&str>)> {
        if argument.starts_with("--") {
            return match argument.split_once('=') {
                Some((name, value)) => Some((self.whole_name(name), Some(value))),
                None => Some((self.whole_name(argument), None)),
            };
        }
        let short = argument.get(..2).filter(|short| *short != "--")?;
        let name = if short == "-o" { "--output" } else { self.long_name(short)? };
        let attached = argument.get(2..).filter(|rest| !rest.is_empty());
        Some((name, attached.map(|rest| rest.strip_prefix('=').unwrap_or(rest))))
    }

    /// What a long option is called in full; another's name stays what it is.
    fn whole_name(self, name: &str) -> &str {
        let names = || GLOBAL.iter().chain(self.long).copied();
        let mut meant = names().filter(|long| long.starts_with(name));
        match (meant.next(), meant.next()) {
            (Some(only), None) => only,
            _ => name,
        }
    }

    fn long_name(self, short: &str) -> Option<&'static str> {
        self.short.iter().find(|(own, _)| *own == short).map(|(_, long)| *long)
    }
}

/// Whether az takes a value of `--output`. It looks at every one, also where a later one counts.
pub(super) fn is_output(value: &str) -> bool {
    OUTPUTS.iter().any(|output| value.eq_ignore_ascii_case(output))
}

/// Whether az takes a value as it stands: not what is read from a file, nor two dashes, which argparse drops, attached or not.
pub(super) fn is_as_it_stands(value: &str) -> bool {
    !value.starts_with('@') && value != "--"
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: Options =
        Options { long: &["--name", "--all", "--also"], flags: &["--all"], short: &[("-n", "--name")] };

    fn read(line: &str) -> Option<Vec<(String, String)>> {
        let mut taken = Vec::new();
        let arguments: Vec<&str> = line.split(' ').collect();
        OPTIONS.read(&arguments, |name, value| {
            taken.push((name.to_owned(), value.to_owned()));
            ["--output", "--name", "--all", "--also"].contains(&name).then_some(())
        })?;
        Some(taken)
    }

    #[test]
    fn any_beginning_that_is_none_other_s_is_the_option() {
        let json = Some(vec![("--output".to_owned(), "json".to_owned())]);
        for line in ["--out json", "--ou=json", "-o json", "-ojson", "-o=json", "--only-show-errors --output json"] {
            assert_eq!(read(line), json, "{line}");
        }
        assert_eq!(read("--all -n=x --al"), None, "two begin so");
        assert_eq!(read("--all --na x").unwrap()[1], ("--name".to_owned(), "x".to_owned()));
        for line in ["--o json", "--all=x", "-n", "-n -x", "x", "-", "--", "ä", "-x y"] {
            assert_eq!(read(line), None, "{line}");
        }
    }
}
