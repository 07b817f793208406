//! The ledger: every token and code this server has issued, and what they are still good for.

use std::collections::HashMap;

use crate::directory::{Authority, Tenant, User};
use crate::random;
use crate::tokens::{self, Principal};

/// A valid bearer of an access token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) principal: Principal,
    pub(crate) tenant: &'static Tenant,
    pub(crate) audience: String,
    pub(crate) expires_at: u64,
}

/// What is known of a refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refresh {
    pub(crate) user: User,
    pub(crate) generation: u64,
    pub(crate) state: State,
}

/// Whether a refresh token can be redeemed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Good,
    Spent,
    Revoked,
}

/// A device code someone polls for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeviceCode {
    pub(crate) user: User,
    pub(crate) scope: String,
    /// How many polls are still told to wait.
    pub(crate) pending: u32,
}

/// An authorization code on its way through the browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AuthorizationCode {
    pub(crate) user: User,
    pub(crate) authority: Authority,
    pub(crate) redirect_uri: String,
    pub(crate) scope: String,
    pub(crate) challenge: Option<String>,
    pub(crate) nonce: Option<String>,
}

/// What has been issued so far.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    access: HashMap<String, Access>,
    access_order: Vec<String>,
    refresh: HashMap<String, Refresh>,
    refresh_order: Vec<String>,
    devices: HashMap<String, DeviceCode>,
    codes: HashMap<String, AuthorizationCode>,
}

impl Ledger {
    pub(crate) fn enter_access(&mut self, token: &str, access: Access) {
        self.access_order.push(token.to_owned());
        self.access.insert(token.to_owned(), access);
    }

    pub(crate) fn access(&self, token: &str) -> Option<&Access> {
        self.access.get(token)
    }

    pub(crate) fn access_tokens(&self) -> &[String] {
        &self.access_order
    }

    /// Issues the next refresh token and tells its number; the first one is 1.
    pub(crate) fn issue_refresh(&mut self, user: User) -> (String, u64) {
        let generation = self.refresh_order.len() as u64 + 1;
        let token = tokens::refresh_token(generation);
        self.refresh_order.push(token.clone());
        self.refresh.insert(token.clone(), Refresh { user, generation, state: State::Good });
        (token, generation)
    }

    pub(crate) fn refresh(&self, token: &str) -> Option<Refresh> {
        self.refresh.get(token).copied()
    }

    pub(crate) fn refresh_tokens(&self) -> &[String] {
        &self.refresh_order
    }

    /// Spends a good token; false when someone else was faster.
    pub(crate) fn spend(&mut self, token: &str) -> bool {
        match self.refresh.get_mut(token) {
            Some(refresh) if refresh.state == State::Good => {
                refresh.state = State::Spent;
                true
            }
            _ => false,
        }
    }

    pub(crate) fn revoke(&mut self, user: User) {
        for refresh in self.refresh.values_mut().filter(|refresh| refresh.user == user) {
            refresh.state = State::Revoked;
        }
    }

    pub(crate) fn open_device(&mut self, device: DeviceCode) -> String {
        let code = random::text(120);
        self.devices.insert(code.clone(), device);
        code
    }

    /// Answers one poll: `Err(true)` to wait, `Err(false)` for a code that is unknown or used up.
    pub(crate) fn poll_device(&mut self, code: &str) -> Result<DeviceCode, bool> {
        match self.devices.get_mut(code) {
            Some(device) if device.pending > 0 => {
                device.pending -= 1;
                Err(true)
            }
            _ => self.devices.remove(code).ok_or(false),
        }
    }

    pub(crate) fn open_code(&mut self, details: AuthorizationCode) -> String {
        let code = format!("1.AXoA{}", random::text(700));
        self.codes.insert(code.clone(), details);
        code
    }

    pub(crate) fn take_code(&mut self, code: &str) -> Option<AuthorizationCode> {
        self.codes.remove(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_token_is_spent_once_and_revoked_for_good() {
        let mut ledger = Ledger::default();
        let (one, generation) = ledger.issue_refresh(User::Alice);
        assert_eq!(generation, 1);
        assert!(ledger.spend(&one) && !ledger.spend(&one));
        let (two, _) = ledger.issue_refresh(User::Alice);
        ledger.revoke(User::Alice);
        assert_eq!(ledger.refresh(&two).map(|r| (r.generation, r.state)), Some((2, State::Revoked)));
        assert!(!ledger.spend(&two) && !ledger.spend("nonsense"));
        assert_eq!(ledger.refresh_tokens(), [one, two]);
    }

    #[test]
    fn a_device_code_waits_then_works_once() {
        let mut ledger = Ledger::default();
        let device = DeviceCode { user: User::Bob, scope: String::new(), pending: 1 };
        let code = ledger.open_device(device);
        assert_eq!(ledger.poll_device(&code), Err(true));
        assert!(ledger.poll_device(&code).is_ok());
        assert_eq!(ledger.poll_device(&code), Err(false));
    }
}
