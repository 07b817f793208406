//! What a test can turn while the server runs: lifetimes, rolling, refusals, faults and delays.

use std::path::PathBuf;
use std::time::Duration;

use crate::arc::{ARC_KEYS, ArcKey};
use crate::directory::User;

/// The settings of a running server; change them with `Entra::knobs`.
#[derive(Debug, Clone)]
pub struct Knobs {
    /// How long access tokens issued from now on live, in seconds.
    pub lifetime: u64,
    /// `refresh_in` of a token response; without it, half the lifetime if that is over two hours, else absent.
    pub refresh_in: Option<u64>,
    /// What becomes of a refresh token once it is used.
    pub rolling: Rolling,
    /// Who logs in by device code or in the browser.
    pub next_login: User,
    /// How many times a device code is answered `authorization_pending` first.
    pub authorization_pending: u32,
    /// What goes wrong at the token endpoint: every delay that matches, then the first other fault that does.
    pub faults: Vec<Fault>,
    /// By how many seconds the clock is ahead that answers are dated by.
    pub date_ahead: i64,
    /// How long Resource Manager waits before it answers.
    pub arm_delay: Duration,
    /// Which subscriptions applications see.
    pub sight: Sight,
    /// Whether a machine's endpoint gives a managed identity the same token again.
    pub instance_keeps: bool,
    /// Where Azure Arc's agent writes its keys; without it, it writes none.
    pub arc_keys: Option<PathBuf>,
    /// What its challenge says of a key's place; `$KEY` in it stands for the file's name.
    pub arc_realm: String,
    /// What becomes of its keys.
    pub arc_key: ArcKey,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            lifetime: 3600,
            refresh_in: None,
            rolling: Rolling::Entra,
            next_login: User::Alice,
            authorization_pending: 0,
            faults: Vec::new(),
            date_ahead: 0,
            arm_delay: Duration::ZERO,
            sight: Sight::Everybodys,
            instance_keeps: true,
            arc_keys: None,
            arc_realm: format!("{ARC_KEYS}/$KEY"),
            arc_key: ArcKey::Own,
        }
    }
}

impl Knobs {
    pub(crate) fn refresh_in(&self) -> Option<u64> {
        self.refresh_in.or_else(|| (self.lifetime > 7200).then_some(self.lifetime / 2))
    }

    /// Takes the troubles a token request runs into, and counts them off.
    pub(crate) fn take_troubles(&mut self, grant: &str, scope: &str) -> Vec<Trouble> {
        let mut taken = Vec::new();
        let mut is_settled = false;
        for fault in &mut self.faults {
            if fault.matches(grant, scope) && (fault.trouble.is_delay() || !is_settled) {
                is_settled |= !fault.trouble.is_delay();
                fault.times = fault.times.map(|times| times.saturating_sub(1));
                taken.push(fault.trouble.clone());
            }
        }
        self.faults.retain(|fault| fault.times != Some(0));
        taken
    }
}

/// Which subscriptions applications see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// What everybody sees in a tenant.
    Everybodys,
    /// One of its own each, which az then lists for nobody else.
    Own,
}

/// What becomes of a used refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rolling {
    /// It stays good, as with Entra ID.
    Entra,
    /// It is refused from then on (AADSTS70000).
    Strict,
}

/// Something that goes wrong at the token endpoint, and for which requests.
#[derive(Debug, Clone)]
pub struct Fault {
    /// What goes wrong.
    pub trouble: Trouble,
    /// Only requests whose scope contains this text.
    pub scope: Option<String>,
    /// Only requests with this grant_type.
    pub grant: Option<String>,
    /// Only the next so many requests; without it, until the fault is taken away.
    pub times: Option<u32>,
}

impl Fault {
    /// A fault that hits every token request.
    pub fn new(trouble: Trouble) -> Self {
        Self { trouble, scope: None, grant: None, times: None }
    }

    /// A refusal of refresh tokens; other grants go through.
    pub fn refuse(refusal: Refusal) -> Self {
        Self::new(Trouble::Refuse(refusal)).for_grant("refresh_token")
    }

    /// Limits the fault to requests whose scope contains `text`.
    pub fn for_scope(mut self, text: &str) -> Self {
        self.scope = Some(text.to_owned());
        self
    }

    /// Limits the fault to one grant_type.
    pub fn for_grant(mut self, grant: &str) -> Self {
        self.grant = Some(grant.to_owned());
        self
    }

    /// Limits the fault to the next `times` requests that match.
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    fn matches(&self, grant: &str, scope: &str) -> bool {
        self.times != Some(0)
            && self.grant.as_deref().is_none_or(|wanted| wanted == grant)
            && self.scope.as_deref().is_none_or(|wanted| scope.contains(wanted))
    }
}

/// What can go wrong with a token request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// An OAuth error in Entra's words; nothing is issued, nothing is spent.
    Refuse(Refusal),
    /// Status 429 with this Retry-After, in seconds.
    TooManyRequests(u64),
    /// Status 500.
    ServerError,
    /// Status 200 and a body that is not JSON.
    Garbage,
    /// Wait, then handle the request.
    Delay(Duration),
    /// Handle the request (issue, spend), then wait before the answer goes out.
    DelayAnswer(Duration),
    /// Close the connection; the request is not handled.
    HangUp,
    /// Handle the request (issue, spend), then close the connection without an answer.
    LoseAnswer,
    /// Refuse with this status, and say in every place there is for words what was sent.
    Echo(u16),
    /// Handle the request, then set these fields of the answer to raw JSON, or leave them out. `$SENT` in it stands for the
    /// refresh token that was presented, `$NEW` for the one that was issued.
    Alter(Vec<(&'static str, Option<String>)>),
}

impl Trouble {
    fn is_delay(&self) -> bool {
        matches!(self, Self::Delay(_) | Self::DelayAnswer(_))
    }
}

/// Why Entra refuses a refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// AADSTS700082: not used for 90 days.
    Expired,
    /// AADSTS50173: revoked, for instance by a new password.
    Revoked,
    /// AADSTS50076: multi-factor authentication is required; the token is still good for other scopes.
    MfaRequired,
    /// AADSTS50079: the user must first enrol in multi-factor authentication; good for other scopes.
    MfaEnrolment,
    /// AADSTS70000: not a token of ours, or spent under [`Rolling::Strict`].
    Invalid,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_limited_by_scope_grant_and_count() {
        let mut knobs = Knobs::default();
        knobs.faults.push(Fault::refuse(Refusal::Expired).for_scope("vault").times(1));
        assert!(knobs.take_troubles("refresh_token", "https://management/.default").is_empty());
        assert!(knobs.take_troubles("password", "https://vault/.default").is_empty());
        let taken = knobs.take_troubles("refresh_token", "https://vault/.default");
        assert_eq!(taken, [Trouble::Refuse(Refusal::Expired)]);
        assert!(knobs.faults.is_empty());
    }

    #[test]
    fn delays_add_to_the_first_other_fault() {
        let mut knobs = Knobs::default();
        let delay = Trouble::Delay(Duration::from_millis(1));
        knobs.faults = [Trouble::ServerError, Trouble::Garbage, delay.clone()].map(Fault::new).into();
        assert_eq!(knobs.take_troubles("password", ""), [Trouble::ServerError, delay]);
    }

    #[test]
    fn refresh_in_comes_with_long_lives() {
        let mut knobs = Knobs::default();
        assert_eq!(knobs.refresh_in(), None);
        knobs.lifetime = 28 * 3600;
        assert_eq!(knobs.refresh_in(), Some(14 * 3600));
        knobs.refresh_in = Some(1);
        assert_eq!(knobs.refresh_in(), Some(1));
    }
}
