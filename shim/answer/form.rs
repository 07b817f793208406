//! In what form an answer is asked for, and what in the surroundings would have az say more than that (azure-cli-core 2.91.0;
//! knack 0.14, `config.py`, `cli.py`, `output.py`).

use azward::azure::ini::Ini;
use azward::azure::output::{self, Format, Selection, Value};
use azward::azure::query::Query;
use azward::context::Context;
use azward::sys::{self, Stream};
use zeroize::Zeroizing;

/// The form of one answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form<'a> {
    context: &'a Context,
    format: Format,
    query: Option<&'a Query>,
}

impl<'a> Form<'a> {
    /// The form that is asked for, explicitly or by default; `None` where az would do more than print, or prints in a way that
    /// is not known.
    pub(super) fn of(
        context: &'a Context,
        config: &Ini,
        output: Option<&str>,
        query: Option<&'a Query>,
    ) -> Option<Self> {
        // az warns of a working directory that is no more; it looks for secrets in what it prints; it writes a log.
        if context.directory.as_os_str().is_empty()
            || is_set(context, config, "clients", "show_secrets_warning")
            || is_set(context, config, "logging", "enable_log_file")
            || !["no_color", "only_show_errors"].iter().all(|option| is_told_well(context, config, "core", option))
        {
            return None;
        }
        Some(Self { context, format: format(context, config, output)?, query })
    }

    /// What az prints of `value`; `None` where that is not certain.
    pub(super) fn print(self, value: &Value<'_>) -> Option<Zeroizing<String>> {
        let text = match self.query {
            Some(query) => output::print(&query.search(value)?, self.format, Selection::Query)?,
            None => output::print(value, self.format, Selection::Whole)?,
        };
        (text.is_ascii() || writes_utf8(self.context)).then(|| as_written(text))
    }

    /// What it says less than the whole, and how that is written; nothing for the whole, with its names or in its order.
    pub(super) fn part(self) -> Option<String> {
        match (self.query, self.format) {
            (None, Format::Json | Format::Tsv) => None,
            (query, format) => Some(format!("{format:?} {}", query.map_or("", Query::as_str))),
        }
    }

    /// Whether there is a query, and what it asks for of `value` is all there.
    pub(super) fn finds_all(self, value: &Value<'_>) -> bool {
        self.query.is_none_or(|query| query.search(value).is_some_and(|found| !found.lacks_something()))
    }

    /// Whether the value is printed as a table of its own columns.
    pub(super) fn is_whole_table(self) -> bool {
        self.format == Format::Table && self.query.is_none()
    }
}

/// The output format (knack 0.14, `output.py`, `OutputProducer.on_global_arguments`).
fn format(context: &Context, config: &Ini, output: Option<&str>) -> Option<Format> {
    let default = match context.has_variable("AZURE_CORE_OUTPUT") {
        true => Some(context.variable("AZURE_CORE_OUTPUT")?.to_str()?.to_lowercase()),
        false => config.get("core", "output").map(str::to_lowercase),
    };
    // In colour on a terminal, and the same as without one elsewhere.
    let is_on_terminal = || sys::is_terminal(Stream::Stdout) && sys::is_terminal(Stream::Stderr);
    let is_plain = || !context.has_variable("PYCHARM_HOSTED") && !is_on_terminal();
    match output.or(default.as_deref()).unwrap_or("json") {
        "json" => Some(Format::Json),
        "jsonc" if is_plain() => Some(Format::Json),
        "tsv" => Some(Format::Tsv),
        "table" => Some(Format::Table),
        "yaml" => Some(Format::Yaml),
        "yamlc" if is_plain() => Some(Format::Yaml),
        "none" => Some(Format::Nothing),
        _ => None,
    }
}

/// Whether a switch is set to anything but off.
pub(super) fn is_set(context: &Context, config: &Ini, section: &str, option: &str) -> bool {
    setting(context, config, section, option).is_some_and(|value| !OFF.contains(&value.as_str()))
}

/// Whether a switch is not set, or to what is one: az fails over anything else.
fn is_told_well(context: &Context, config: &Ini, section: &str, option: &str) -> bool {
    setting(context, config, section, option).is_none_or(|value| [OFF, ON].concat().contains(&value.as_str()))
}

const OFF: [&str; 4] = ["false", "no", "0", "off"];
const ON: [&str; 4] = ["true", "yes", "1", "on"];

/// What an option is set to, in lower case; the environment wins (knack 0.14, `config.py`, `CLIConfig.get`).
pub(super) fn setting(context: &Context, config: &Ini, section: &str, option: &str) -> Option<String> {
    let variable = format!("AZURE_{section}_{option}").to_uppercase();
    match context.has_variable(&variable) {
        true => {
            Some(context.variable(&variable).map_or_else(String::new, |value| value.to_string_lossy().to_lowercase()))
        }
        false => config.get(section, option).map(str::to_lowercase),
    }
}

/// What Python makes of a text when it writes it: on Windows it ends a line as that does (CPython 3.11, `io.TextIOWrapper`).
fn as_written(text: Zeroizing<String>) -> Zeroizing<String> {
    if cfg!(windows) { Zeroizing::new(text.replace('\n', "\r\n")) } else { text }
}

/// Whether Python writes UTF-8 to stdout: a locale of that encoding, or none, which it takes for that (CPython 3.11,
/// `preconfig.c`; PEP 540). On Windows that is another question.
fn writes_utf8(context: &Context) -> bool {
    let changes_it = ["PYTHONIOENCODING", "PYTHONUTF8", "PYTHONCOERCECLOCALE", "PYTHONLEGACYWINDOWSSTDIO"];
    if cfg!(windows) || changes_it.iter().any(|name| context.has_variable(name)) {
        return false;
    }
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| context.variable(name));
    match locale.map(|locale| locale.to_str()) {
        None | Some(Some("C" | "POSIX")) => true,
        Some(None) => false,
        Some(Some(locale)) => {
            let encoding = locale.split_once('.').map_or("", |(_, rest)| rest.split('@').next().unwrap_or_default());
            ["utf-8", "utf8"].iter().any(|utf8| encoding.eq_ignore_ascii_case(utf8))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(pairs: &[(&str, &str)]) -> Context {
        Context::new(pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect::<Vec<_>>(), None)
    }

    #[test]
    #[cfg(unix)]
    fn another_encoding_is_left_to_az() {
        for pairs in
            [&[][..], &[("LANG", "C")], &[("LANG", "de_DE.UTF-8")], &[("LC_ALL", ""), ("LC_CTYPE", "C.utf8@x")]]
        {
            assert!(writes_utf8(&context(pairs)), "{pairs:?}");
        }
        for pairs in [
            &[("LANG", "de_DE")][..],
            &[("LC_ALL", "de_DE.ISO-8859-1"), ("LANG", "C.UTF-8")],
            &[("PYTHONIOENCODING", "latin1")],
        ] {
            assert!(!writes_utf8(&context(pairs)), "{pairs:?}");
        }
    }

    #[test]
    fn a_switch_is_off_only_where_it_says_so() {
        let config = Ini::parse("[clients]\nshow_secrets_warning = no\n[logging]\nenable_log_file = yes\n").unwrap();
        assert!(!is_set(&context(&[]), &config, "clients", "show_secrets_warning"));
        assert!(is_set(&context(&[]), &config, "logging", "enable_log_file"));
        assert!(!is_set(&context(&[("AZURE_LOGGING_ENABLE_LOG_FILE", "0")]), &config, "logging", "enable_log_file"));
        assert!(is_set(
            &context(&[("AZURE_CLIENTS_SHOW_SECRETS_WARNING", "")]),
            &config,
            "clients",
            "show_secrets_warning"
        ));
    }
}
