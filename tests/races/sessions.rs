//! Sessions in the crowd: started, rotated, stopped, worked in and asked for tokens, of the user's own login and of one with a name,
//! which is made and signed out of meanwhile; and the key of all vaults, which is moved. What may come of these commands beside
//! all others is listed here, and whatever is not is a violation: a failure is one clear line, or az's own.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use entra::{Entra, SUBSCRIPTION_1, SUBSCRIPTION_2, SUBSCRIPTION_3, TENANT_A, TENANT_B};

use crate::cast::Deed;
use crate::support::{End, Invocation, Outcome, Sandbox};
use crate::tally::Tally;
use crate::verdict::{self, Circumstances, Token, Verdict};

/// The login that has a name.
pub(crate) const LOGIN: &str = "lab";

/// A session by its name, and whose tokens it gives.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) name: &'static str,
    pub(crate) subscription: &'static str,
    pub(crate) tenant: &'static str,
    /// It is the first user's, whose login is never lost.
    pub(crate) is_alices: bool,
}

/// Those whose names stay what they are: what several see is called by whoever saw it first.
pub(crate) static ALL: [Session; 4] = [
    Session { name: "contoso-production", subscription: SUBSCRIPTION_1.id, tenant: TENANT_A.id, is_alices: true },
    Session { name: "contoso-development", subscription: SUBSCRIPTION_2.id, tenant: TENANT_A.id, is_alices: true },
    Session { name: "fabrikam-shared", subscription: SUBSCRIPTION_3.id, tenant: TENANT_B.id, is_alices: false },
    Session { name: "fabrikam-shared-2", subscription: SUBSCRIPTION_3.id, tenant: TENANT_B.id, is_alices: false },
];

/// Whoever may fail so.
#[derive(Clone, Copy)]
enum Whose {
    /// All of them.
    Anybodys,
    /// All but the sessions of the first user, who is never signed out.
    NotAlices,
    /// These alone.
    Only(&'static [Deed]),
}

/// What azward may say, in one line and a hint, why that is so beside all others, and of which command.
const EXCUSED: [(&str, &str, Whose); 12] = [
    ("an az is running", "an az was running there", Whose::Only(&[Deed::Stop, Deed::NamedLogout, Deed::VaultMove])),
    ("is being started or rotated by", "somebody was at work there all the time", Whose::Anybodys),
    ("is not started", "the session was stopped meanwhile", Whose::Only(&[Deed::Rotate])),
    ("there is no login", "the login was signed out of meanwhile", Whose::Only(&[Deed::NamedLogout])),
    ("there is no session", "the login was signed out of meanwhile", Whose::NotAlices),
    ("that session is gone", "the login was signed out of meanwhile", Whose::NotAlices),
    ("azward has no refresh token of its user", "the second user was signed out meanwhile", Whose::NotAlices),
    ("the vault has no refresh token for this account", "the second user was signed out meanwhile", Whose::NotAlices),
    ("is at hand", "the second user was signed out meanwhile", Whose::NotAlices),
    ("does not list the subscription of", "az's profile was half written, or the second user's", Whose::Anybodys),
    ("azward was uninstalled from", "azward was uninstalled meanwhile", Whose::Anybodys),
    ("home.lock` was held by another process", "somebody was at work there all the time", Whose::Anybodys),
];

/// What a shell says where azward was uninstalled a moment ago.
const TAKEN_AWAY: &str = "not found";

/// azward as it is installed. Where it is not any more, a shell says so.
pub(crate) fn azward<'a>(sandbox: &'a Sandbox, words: &[&str]) -> Invocation<'a> {
    let own = Invocation::new(sandbox, sandbox.azward_home().join("bin/azward")).args(words);
    own.in_script("exec \"$0\" \"$@\"").timeout(Duration::from_secs(180))
}

/// A command about a session.
pub(crate) fn invocation<'a>(sandbox: &'a Sandbox, deed: Deed, session: &Session, resource: &str) -> Invocation<'a> {
    let name = session.name;
    match deed {
        Deed::Start => azward(sandbox, &["start", name]),
        Deed::Rotate => azward(sandbox, &["rotate", name, "--force"]),
        Deed::Stop => azward(sandbox, &["stop", name]),
        Deed::SessionToken => azward(sandbox, &["token", name, "--json", "--resource", resource]),
        _ => azward(sandbox, &["exec", name, "--", "az", "group", "list", "--output", "json"]),
    }
}

/// Makes the login that has a name, has all sessions have theirs, and keeps a passphrase for the moves.
pub(crate) fn begin(sandbox: &Sandbox) {
    let passphrase = sandbox.root().join("passphrase");
    std::fs::write(&passphrase, "correct horse\n").unwrap();
    std::fs::set_permissions(&passphrase, std::fs::Permissions::from_mode(0o600)).unwrap();
    sandbox.set_env("AZWARD_PASSPHRASE_FILE", passphrase);
    azward(sandbox, &["list"]).run().ok();
    azward(sandbox, &["login", LOGIN, "--", "--use-device-code"]).run().ok();
}

/// Judges one of these commands, and notes the token that it printed.
pub(crate) fn judge(around: &Circumstances, outcome: &Outcome, tokens: &mut Vec<Token>) -> Verdict {
    let Circumstances { deed, session, .. } = *around;
    match outcome.end() {
        End::Signal(9) if around.killed.is_some() => Verdict::Killed,
        End::Signal(number) => Verdict::Violation(format!("died of signal {number}")),
        End::Code(0) if deed.is_for_token() => match verdict::token(deed, session, outcome) {
            Ok(token) => {
                tokens.push(token);
                Verdict::Well
            }
            Err(reason) => Verdict::Violation(reason),
        },
        End::Code(0) => Verdict::Well,
        End::Code(code) => why_it_failed(around, &outcome.err())
            .map_or_else(|| Verdict::Violation(format!("exit {code}, and no reason to")), Verdict::AsAz),
    }
}

fn why_it_failed(around: &Circumstances, error: &str) -> Option<&'static str> {
    let is_alices = around.session.is_some_and(|session| session.is_alices);
    let mut lines = error.lines().filter(|line| line.starts_with("azward: ") || line.starts_with("hint: "));
    match (lines.next(), lines.next(), lines.next()) {
        // Nothing of azward's own: az failed, or nobody was there.
        (None, ..) if error.contains(TAKEN_AWAY) && error.contains("/bin/azward") => Some("azward was uninstalled"),
        (None, ..) => verdict::why_az_failed(around, error),
        (Some(what), Some(hint), None) if what.starts_with("azward: ") && hint.starts_with("hint: ") => {
            let is_excused = |whose: Whose| match whose {
                Whose::Anybodys => true,
                Whose::NotAlices => !is_alices,
                Whose::Only(deeds) => deeds.contains(&around.deed),
            };
            EXCUSED
                .iter()
                .find(|(text, _, whose)| what.contains(text) && is_excused(*whose))
                .map(|(_, cause, _)| *cause)
        }
        _ => None,
    }
}

/// When the dust has settled the first user's sessions give their own subscription's tokens; then all are stopped, and the login
/// that has a name is signed out of.
pub(crate) fn inspect(sandbox: &Sandbox, entra: &Entra, tally: &mut Tally) {
    let mut tokens = Vec::new();
    for session in ALL.iter().filter(|session| session.is_alices) {
        let outcome = invocation(sandbox, Deed::SessionToken, session, "https://after.example").run();
        match verdict::token(Deed::SessionToken, Some(session), &outcome) {
            Ok(token) => tokens.push(token),
            Err(reason) => tally.violation("a session gives no token afterwards", format!("{reason}: {outcome:?}")),
        }
    }
    verdict::judge_tokens(entra, &tokens, tally);
    let is_login_there = sandbox.azward_home().join("logins").join(LOGIN).exists();
    let ends: [Option<&[&str]>; 2] = [Some(&["stop", "--all"]), is_login_there.then_some(&["logout", LOGIN])];
    for words in ends.into_iter().flatten() {
        let outcome = azward(sandbox, words).run();
        if !outcome.status.success() {
            tally.violation(&format!("`azward {}` fails afterwards", words.join(" ")), format!("{outcome:?}"));
        }
    }
}
