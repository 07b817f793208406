//! The native answers to `az version`, `az account show`, `az account list` and `az cloud show`, which ask for no more than what
//! az has on disk: programs wait for them before they ask for a token. What is not answered is passed to the real az, for which
//! no file is made that it would have made.

use std::time::Instant;

use azward::app::App;
use azward::azure::clouds::Cloud;
use azward::azure::command::{Fact, Question};
use azward::azure::ini::Ini;
use azward::azure::known_az::{KnownAz, Shape, Standing, Subject};
use azward::azure::shown::{self, Az};
use azward::azure::{Command, ConfigDir};
use azward::context::Context;
use azward::journal::{Action, Event};
use azward::sys::{self, Stream};
use azward::ui;
use zeroize::Zeroizing;

use super::form::{Form, is_set, setting};

/// Answers on stdout, if this is a command line, an environment and an az that azward understands. Says whether it did.
pub(crate) fn answer(app: &App, config_dir: &ConfigDir, command: &Command<'_>, az: &KnownAz<'_>) -> bool {
    let began = Instant::now();
    let text = command.question().and_then(|question| text(&app.context, config_dir, question, az));
    // What az says where nobody reads, or where there is no room, az says best itself.
    let is_written = text.is_some_and(|text| ui::answer(text.as_bytes()).is_ok());
    if is_written {
        let mut event = Event::new(app.context.now(), Action::Answer, "answered");
        event.command = Some(command.group().to_string());
        event.caller = sys::process_name(sys::parent_id());
        event.milliseconds = u64::try_from(began.elapsed().as_millis()).ok();
        app.journal.record(&event);
    }
    is_written
}

/// The bytes to print; `None` when it is for the real az to say.
fn text(context: &Context, config_dir: &ConfigDir, question: &Question, az: &KnownAz<'_>) -> Option<Zeroizing<String>> {
    // Of what it prints without a secret, an az that agreed on tokens is believed to be what its sources say.
    let agrees = |subject| az.standing(subject, Shape::Whole) == Standing::Agreed;
    if !agrees(Subject::Token) && !agrees(Subject::IdentityToken) {
        return None;
    }
    let config = Ini::read(&config_dir.path().join("config"))?;
    // Where it has not been before it makes itself at home; it upgrades itself after a command, and loads all that it has
    // before one.
    if setting(context, &config, "cloud", "name").is_none()
        || !config_dir.profile().is_file()
        || is_set(context, &config, "auto-upgrade", "enable")
        || setting(context, &config, "core", "use_command_index").is_some()
        || may_ask_for_opinion(context, &config, config_dir)
    {
        return None;
    }
    let form = Form::of(context, &config, question.output.as_deref(), question.query.as_ref())?;
    // az looks for it whatever the command is.
    let cloud = Cloud::active_by(context, config_dir, &config)?;
    let az = Az::at(az.path(), context, config_dir, &config)?;
    let word = match &question.subject {
        Fact::Version => "version",
        Fact::Account(_) | Fact::Accounts(_) => "account",
        Fact::Cloud(_) => "cloud",
    };
    if !az.has_to_itself(word, config_dir) {
        return None;
    }
    let profile = || std::fs::read_to_string(config_dir.profile()).ok();
    match &question.subject {
        Fact::Version => form.print(&az.version()?),
        Fact::Cloud(named) => form.print(&az.cloud(named.as_deref(), &cloud, config_dir)?),
        Fact::Account(named) => form.print(&shown::account(&profile()?, &cloud, named.as_deref())?),
        Fact::Accounts(extent) => {
            let profile = profile()?;
            let accounts = shown::accounts(&profile, &cloud, *extent)?;
            match form.is_whole_table() {
                true => form.print(&shown::account_columns(&accounts)?),
                false => form.print(&accounts),
            }
        }
    }
}

/// Whether az may ask on a terminal what its user thinks of it (azure-cli-core 2.91.0, `intercept_survey.py`).
fn may_ask_for_opinion(context: &Context, config: &Ini, config_dir: &ConfigDir) -> bool {
    if !sys::is_terminal(Stream::Stderr)
        || setting(context, config, "core", "survey_message").as_deref() == Some("false")
    {
        return false;
    }
    let note = std::fs::read_to_string(config_dir.path().join("az_survey.json")).unwrap_or_default();
    let asks_at = note.split_once("\"next_prompt_time\": \"").and_then(|(_, rest)| rest.get(..19));
    let asks_at = asks_at.and_then(|time| chrono::NaiveDateTime::parse_from_str(time, "%Y-%m-%dT%H:%M:%S").ok());
    asks_at.is_none_or(|time| time.and_utc().timestamp() <= context.now())
}
