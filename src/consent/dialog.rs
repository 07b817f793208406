//! The question in a window of the desktop: zenity's, kdialog's, or on macOS osascript's, each a program of its own, with little
//! of the caller's environment and a time limit. Only one that root installed is asked: its answer counts.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::caller::is_writable_by_root_alone;
use super::question::Answer;
use crate::context::Context;
use crate::sys;

/// How much longer than its own limit a window may stay.
const GRACE: Duration = Duration::from_millis(300);

/// Nobody answers so soon: a program that fails within this could not show its window.
const SOONEST: Duration = Duration::from_millis(250);

/// Where a dialog program is looked for before PATH, which is the caller's.
const PLACES: [&str; 3] = ["/usr/bin", "/bin", "/usr/local/bin"];

/// What a window needs of the environment.
const VARIABLES: [&str; 9] = [
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "XDG_RUNTIME_DIR",
    "XDG_CURRENT_DESKTOP",
    "DBUS_SESSION_BUS_ADDRESS",
    "HOME",
    "LANG",
    "LC_ALL",
];

/// The programs that can ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialog {
    Zenity,
    Kdialog,
    Osascript,
}

const HERE: &[Dialog] =
    if cfg!(target_os = "macos") { &[Dialog::Osascript] } else { &[Dialog::Zenity, Dialog::Kdialog] };

/// Asks in a window.
pub(super) fn ask(context: &Context, question: &str, limit: Duration) -> Answer {
    let has_desktop = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| context.variable(name).is_some());
    if !has_desktop && !cfg!(target_os = "macos") {
        return Answer::NobodyThere;
    }
    let Some((dialog, path)) = HERE.iter().find_map(|dialog| Some((*dialog, dialog.found(context)?))) else {
        return Answer::NobodyThere;
    };
    let mut command = Command::new(path);
    command.args(dialog.arguments(question, limit)).env_clear();
    command.envs(VARIABLES.iter().filter_map(|name| Some((*name, context.variable(name)?))));
    command.env("PATH", "/usr/bin:/bin");
    let began = Instant::now();
    let said = sys::ask(&mut command, limit + GRACE);
    dialog.answer(said, began.elapsed(), limit)
}

impl Dialog {
    fn name(self) -> &'static str {
        match self {
            Self::Zenity => "zenity",
            Self::Kdialog => "kdialog",
            Self::Osascript => "osascript",
        }
    }

    fn found(self, context: &Context) -> Option<PathBuf> {
        let path = context.variable("PATH").map(std::env::split_paths);
        let places = PLACES.iter().map(PathBuf::from).chain(path.into_iter().flatten());
        let paths = places.filter(|place| place.is_absolute()).map(|place| place.join(self.name()));
        let is_program = |path: &Path| path.metadata().is_ok_and(|file| file.is_file() && sys::is_executable(&file));
        paths.into_iter().find(|path| is_program(path) && is_writable_by_root_alone(path))
    }

    /// Has it ask so that "no" is what happens by itself. Nothing in the question is markup, an option or code.
    fn arguments(self, question: &str, limit: Duration) -> Vec<OsString> {
        let seconds = limit.as_secs().max(1);
        let words: Vec<String> = match self {
            Self::Zenity => vec![
                "--question".into(),
                "--title=azward".into(),
                "--no-markup".into(),
                "--default-cancel".into(),
                "--ok-label=Allow".into(),
                "--cancel-label=Refuse".into(),
                format!("--timeout={seconds}"),
                format!("--text={question}\nMay it, from now on?"),
            ],
            // It takes what looks like HTML for that.
            Self::Kdialog => vec![
                "--title=azward".into(),
                "--yes-label=Allow".into(),
                "--no-label=Refuse".into(),
                "--warningyesno".into(),
                format!("{}\nMay it, from now on?", question.replace('<', "\u{2039}")),
            ],
            Self::Osascript => vec![
                "-e".into(),
                "on run argv".into(),
                "-e".into(),
                format!(
                    "button returned of (display dialog (item 1 of argv) with title \"azward\" buttons {{\"Refuse\", \
                     \"Allow\"}} default button \"Refuse\" giving up after {seconds})"
                ),
                "-e".into(),
                "end run".into(),
                format!("{question} May it, from now on?"),
            ],
        };
        words.into_iter().map(OsString::from).collect()
    }

    /// What it said, and whether it ended well, after this time.
    fn answer(self, said: Option<(Vec<u8>, bool)>, took: Duration, limit: Duration) -> Answer {
        let is_late = took >= limit.saturating_sub(GRACE);
        match (self, said) {
            (Self::Osascript, Some((said, true))) => match said.trim_ascii() {
                b"Allow" => Answer::Yes,
                b"Refuse" => Answer::No,
                _ => Answer::Unanswered,
            },
            (Self::Osascript, Some((_, false))) => Answer::NobodyThere,
            (_, Some((_, true))) => Answer::Yes,
            (_, _) if is_late => Answer::Unanswered,
            // It was not started.
            (_, None) => Answer::NobodyThere,
            (_, Some((_, false))) if took < SOONEST => Answer::NobodyThere,
            (_, Some((_, false))) => Answer::No,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(8);

    fn arguments(dialog: Dialog, question: &str) -> Vec<String> {
        dialog.arguments(question, LIMIT).into_iter().map(|word| word.into_string().unwrap()).collect()
    }

    #[test]
    fn a_path_in_the_question_is_text_and_nothing_else() {
        let question = "`/home/a/--help <b>\" & do shell script \"x` wants";
        let zenity = arguments(Dialog::Zenity, question);
        assert!(zenity.contains(&"--no-markup".to_owned()) && zenity.contains(&"--timeout=8".to_owned()));
        assert!(zenity.contains(&"--default-cancel".to_owned()), "{zenity:?}");
        assert_eq!(zenity.last().unwrap(), &format!("--text={question}\nMay it, from now on?"));
        let kdialog = arguments(Dialog::Kdialog, question);
        assert_eq!(kdialog[kdialog.len() - 2], "--warningyesno");
        assert!(!kdialog.last().unwrap().contains('<'));
        let osascript = arguments(Dialog::Osascript, question);
        let code: Vec<&String> = osascript.iter().take(osascript.len() - 1).collect();
        assert!(code.iter().all(|line| !line.contains("shell")), "{code:?}");
        assert!(osascript.last().unwrap().starts_with(question) && osascript[3].contains("giving up after 8"));
    }

    #[test]
    fn whatever_is_no_yes_is_none() {
        let long = Duration::from_secs(3);
        let said = |text: &str, is_well| Some((text.as_bytes().to_vec(), is_well));
        for dialog in [Dialog::Zenity, Dialog::Kdialog] {
            assert_eq!(dialog.answer(said("", true), long, LIMIT), Answer::Yes);
            assert_eq!(dialog.answer(said("", false), long, LIMIT), Answer::No);
            assert_eq!(dialog.answer(said("", false), LIMIT, LIMIT), Answer::Unanswered);
            assert_eq!(dialog.answer(None, LIMIT + GRACE, LIMIT), Answer::Unanswered);
            assert_eq!(dialog.answer(said("", false), Duration::ZERO, LIMIT), Answer::NobodyThere);
        }
        let osascript = |text, is_well| Dialog::Osascript.answer(said(text, is_well), long, LIMIT);
        assert_eq!((osascript("Allow\n", true), osascript("Refuse\n", true)), (Answer::Yes, Answer::No));
        assert_eq!((osascript("\n", true), osascript("", false)), (Answer::Unanswered, Answer::NobodyThere));
    }
}
