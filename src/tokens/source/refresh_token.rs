//! A refresh token: which ones the vault has for an account, and the request that redeems one, field by field as MSAL sends
//! it (msal 1.39.0, `oauth2cli/oauth2.py`, `_obtain_token`; `application.py`,
//! `_acquire_token_silent_by_finding_specific_refresh_token`).

use crate::azure::AZURE_CLI_CLIENT_ID;
use crate::credentials::msal::{self, Redeemable, TokenCache};
use crate::credentials::origin::Origin;
use crate::failure::Result;
use crate::store::CredentialStore;
use crate::tokens::TokenKey;
use crate::tokens::entra::{CP1, Capability, Field, GrantRequest};
use crate::vault::Contents;

/// The refresh tokens to redeem for `wanted`; see [`TokenSource::all`](super::TokenSource::all).
///
/// # Errors
/// Whatever kept vault or cache from being read.
pub(super) fn all(store: &CredentialStore<'_>, wanted: &TokenKey) -> Result<Vec<Redeemable>> {
    let text = store.read_settled()?;
    let cache = TokenCache::parse(&text)?;
    let Some(account) = wanted.account(&cache)? else { return Ok(Vec::new()) };
    let contents = match cache.has_refresh_token()? || store.is_exposed_in_a_sibling() {
        false => store.vault.load()?,
        true => {
            let section = store.prepared()?.enter_vault()?;
            let mut opened = section.open()?;
            opened.harvest(&cache, Origin::Rotation, store.order())?;
            let committed = opened.commit();
            committed.stored.clone()?;
            committed.into_contents()
        }
    };
    let Some(preferred) = msal::redeemable(&contents, &account)? else { return Ok(Vec::new()) };
    let mut redeemables = msal::rivals_of(&contents, &preferred)?;
    redeemables.insert(0, preferred);
    Ok(redeemables)
}

/// Whether it is not known which refresh token of the account of `wanted` is the newest.
pub(super) fn has_rivals(store: &CredentialStore<'_>, wanted: &TokenKey) -> bool {
    let has = |contents: &Contents| contents.records.iter().any(|kept| !kept.rivals.is_empty());
    // Looked up without the file first, which is all there is to it nearly always.
    store.vault.load().is_ok_and(|contents| has(&contents))
        && all(store, wanted).is_ok_and(|redeemables| redeemables.len() > 1)
}

/// The request that redeems it.
pub(super) fn request<'a>(
    redeemable: &'a Redeemable,
    wanted: &'a TokenKey,
    capability: Capability,
) -> GrantRequest<'a> {
    let mut form = vec![
        ("client_id", Field::from(AZURE_CLI_CLIENT_ID)),
        ("grant_type", Field::from("refresh_token")),
        ("client_info", Field::from("1")),
    ];
    if capability == Capability::Cp1 {
        form.push(("claims", Field::from(CP1)));
    }
    form.push(("refresh_token", Field::Secret(&redeemable.refresh_token)));
    form.push(("scope", Field::from(format!("{} offline_access openid profile", wanted.scope))));
    GrantRequest {
        wanted,
        environment: &redeemable.account.environment,
        home_account_id: &redeemable.account.home_account_id,
        form,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::HttpsUrl;
    use crate::azure::Owner;
    use crate::secret::Secret;
    use crate::tokens::token_key::tests::sample;

    #[test]
    fn the_body_has_msal_s_fields_in_msal_s_order() {
        let wanted = TokenKey {
            authority: HttpsUrl::parse("https://h:1").unwrap(),
            environment: "h".into(),
            scope: "https://m//.default".into(),
            ..sample()
        };
        let redeemable = Redeemable {
            account: Owner { home_account_id: "o.t".into(), environment: "h".into() },
            refresh_token: Secret::from_text("1.A~b/c".into()),
            key: "k".into(),
        };
        let with = request(&redeemable, &wanted, Capability::Cp1);
        assert_eq!(with.url(), "https://h:1/t/oauth2/v2.0/token");
        assert_eq!(with.anchor_mailbox().as_deref(), Some("Oid:o@t"));
        assert_eq!(
            String::from_utf8(with.body().to_vec()).unwrap(),
            "client_id=04b07795-8ddb-461a-bbee-02f9e1bf7b46&grant_type=refresh_token&client_info=1\
             &claims=%7B%22access_token%22%3A+%7B%22xms_cc%22%3A+%7B%22values%22%3A+%5B%22CP1%22%5D%7D%7D%7D\
             &refresh_token=1.A~b%2Fc&scope=https%3A%2F%2Fm%2F%2F.default+offline_access+openid+profile"
        );
        let without = request(&redeemable, &wanted, Capability::None);
        assert!(!without.body().windows(6).any(|window| window == b"claims"));
        assert!(!format!("{with:?}").contains("1.A"), "a request tells its secret");
    }
}
