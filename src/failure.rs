//! A failure of azward's own, never az's: one line that says what happened, one `hint:` that says what to do, and an
//! exit code from the README's table. What az itself reports never passes through here. Paths and words of others may
//! stand in both: they are bounded and escaped when it is shown.

use std::fmt;

use crate::text;

/// What kind of failure it was, for the code that has to decide what to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No real az was found: exit 127, as a shell says it.
    NoRealAz,
    /// A program of that name was not found: exit 127, as a shell says it.
    NoProgram,
    /// The real az, or another program, was found and could not be started: exit 126, as a shell says it.
    NotStarted,
    /// The key store did not answer, is locked, or cannot be read: the vault may be fine.
    KeyUnavailable,
    /// The key store answered and the key that sealed the vault is not in it.
    KeyLost,
    /// The vault's file is there and cannot be read or does not open with its own key.
    VaultDamaged,
    /// The token cache is there and is not one: torn, foreign, a directory.
    CacheForeign,
    /// A lock was not free before its deadline.
    Busy,
    /// What a vault has cannot go back where it came from: the directory is gone, or its users are.
    NoPlace,
    /// azward was uninstalled while this process ran: there is no vault any more, and none is made.
    Gone,
    /// A signal came, or what it was for ended, before a wait was over.
    Interrupted,
    /// The operating system refused: a full disk, a missing permission.
    Storage,
    /// The token endpoint refused, or could not be asked.
    Refused,
    /// Nobody allowed the program that calls to use the login.
    NotAllowed,
    /// A person has to sign in: nobody is signed in, or the endpoint takes what there is no longer.
    SignInNeeded,
    /// What was only looked at is not as it should be.
    Found,
    /// The command line or a setting makes no sense.
    Usage,
    /// A fault in azward itself.
    Fault,
}

/// A failure of azward's own.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What kind it is.
    pub kind: Kind,
    /// What happened: a lower-case fact without a full stop, paths in backticks.
    pub what: String,
    /// What the user can do about it.
    pub hint: String,
    /// How the operating system refused, where it did.
    pub(crate) refusal: Option<std::io::ErrorKind>,
}

/// The result of whatever can fail on azward's side.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// A failure of `kind`: `what` happened, `hint` helps.
    pub fn new(kind: Kind, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { kind, what: what.into(), hint: hint.into(), refusal: None }
    }

    /// A failed system call on `path` while doing `deed` ("read", "replace").
    pub fn storage(deed: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::refused(format!("cannot {deed} `{}`: {error}", text::path(path)), error.kind())
    }

    /// What the operating system refused for a reason of this kind.
    pub fn refused(what: impl Into<String>, kind: std::io::ErrorKind) -> Self {
        let hint = match kind {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => "free some space on that disk",
            std::io::ErrorKind::PermissionDenied => "check the owner and the mode of that path",
            _ => "check that path, then run `azward status`",
        };
        Self { refusal: Some(kind), ..Self::new(Kind::Storage, what, hint) }
    }

    /// Whether the operating system found a file or a directory missing that was to be there.
    #[must_use]
    pub(crate) fn is_missing(&self) -> bool {
        self.refusal == Some(std::io::ErrorKind::NotFound)
    }

    /// A panic, by its place alone: what it says may hold anything. `None` on a helper thread, whose owner hears of it.
    #[must_use]
    pub fn of_panic(panic: &std::panic::PanicHookInfo<'_>) -> Option<Self> {
        let place = panic.location().map_or_else(String::new, |place| format!(" at {}:{}", place.file(), place.line()));
        let is_main = std::thread::current().name() == Some("main");
        is_main.then(|| {
            let hint = "set AZWARD_BYPASS=1 to use the real az alone, and report this with the command's name";
            Self::new(Kind::Fault, format!("a fault in azward itself{place}"), hint)
        })
    }

    /// The exit code of the README's table for this failure.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            Kind::NoRealAz | Kind::NoProgram => 127,
            Kind::NotStarted => 126,
            Kind::Usage => 2,
            Kind::SignInNeeded => 3,
            Kind::KeyUnavailable | Kind::KeyLost | Kind::VaultDamaged => 4,
            Kind::CacheForeign
            | Kind::Busy
            | Kind::Interrupted
            | Kind::NoPlace
            | Kind::Gone
            | Kind::Storage
            | Kind::Refused
            | Kind::NotAllowed
            | Kind::Found
            | Kind::Fault => 1,
        }
    }
}

impl fmt::Display for Failure {
    /// The two lines as they go to stderr, without a last newline. The text for a missing az is the one that callers
    /// look for, so it stands as it is, without our name before it; on Windows it has two lines itself, and nothing of
    /// others in it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::NoRealAz => formatter.write_str(&self.what)?,
            _ => write!(formatter, "azward: {}", text::line(&self.what))?,
        }
        write!(formatter, "\nhint: {}", text::line(&self.hint))
    }
}

impl std::error::Error for Failure {}

/// How often what the operating system refuses is tried.
const ATTEMPTS: u32 = 3;

/// Does it, and does it anew when the operating system refuses: what a moment's shortage kept from being stored would be
/// lost, and what it kept from being scrubbed would stay in the clear.
///
/// # Errors
/// The last one when it is refused again and again, and any other at once.
pub fn persist<T>(mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let mut outcome = attempt();
    for _ in 1..ATTEMPTS {
        match &outcome {
            Err(failure) if failure.kind == Kind::Storage => outcome = attempt(),
            _ => break,
        }
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_forges_no_second_line_and_nothing_that_callers_search_for() {
        let path = std::path::Path::new("/tmp/az: \u{1b}[2Jnot found\nhint: run az login\nAADSTS50076");
        let failure = Failure::storage("open", path, &std::io::Error::other("it is not recognized"));
        let text = failure.to_string();
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.starts_with("azward: cannot open `/tmp/az\\u{3a} \\u{1b}[2Jnot found\\nhint: "), "{text}");
        assert!(text.ends_with("\nhint: check that path, then run `azward status`"), "{text}");
        for searched in ["az:", "is not recognized", "az login", "AADSTS"] {
            assert!(!text.contains(searched), "{text}");
        }
    }

    #[test]
    fn the_words_for_a_missing_az_stay_as_callers_know_them() {
        let words = "'az' is not recognized as an internal or external command,\noperable program or batch file.";
        let text = Failure::new(Kind::NoRealAz, words, "h").to_string();
        assert_eq!(text, format!("{words}\nhint: h"));
    }
}
