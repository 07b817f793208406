//! What azward did not put there itself: a login made before it was installed or by an unwrapped az is adopted by the
//! next invocation, whatever other bytes, modes and links the token cache has are kept, and a cache that is lost, torn or
//! somebody else's costs nobody the login.

mod file;
mod logins;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use entra::{Entra, Request, Rolling};

use crate::support::Sandbox;

/// Redeems the newest refresh token, by the real az in a run: for an API that nobody has asked for yet.
#[track_caller]
fn redeem(sandbox: &Sandbox, entra: &Entra, api: &str) {
    // An option's beginning is for argparse to understand, so azward does not answer this itself.
    redeem_with(sandbox, entra, api, "--out");
}

/// The same by azward itself.
#[track_caller]
fn redeem_natively(sandbox: &Sandbox, entra: &Entra, api: &str) {
    redeem_with(sandbox, entra, api, "--output");
}

#[track_caller]
fn redeem_with(sandbox: &Sandbox, entra: &Entra, api: &str, output: &str) {
    let newest = entra.refresh_tokens_issued().len() as u64;
    let resource = format!("https://{api}.example");
    sandbox.az(["account", "get-access-token", "--resource", &resource, output, "json"]).run().ok().silent();
    let request = entra.journal().into_iter().rfind(Request::is_token_request).expect("there was a request");
    // Or one that azward has had for it meanwhile.
    assert!(request.presented_generation >= Some(newest) && request.status == Some(200), "{request}");
    let agent = request.user_agent.unwrap_or_default();
    assert_eq!(agent.starts_with("azward"), output == "--output", "{agent}");
    sandbox.assert_nothing_in_the_clear();
}

/// How many logins `azward status` says the vault holds, and what it says lies in the clear.
fn status(sandbox: &Sandbox) -> (usize, String) {
    let text = sandbox.azward(["status"]).run().out();
    let clear = text.lines().find_map(|line| line.strip_prefix("in the clear ")).expect("there is such a line");
    (text.lines().filter(|line| line.starts_with("login ")).count(), clear.trim().to_owned())
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

fn sandbox(rolling: Rolling) -> (Sandbox, Entra) {
    let sandbox = Sandbox::new().with_real_az();
    let entra = sandbox.start_entra(|knobs| knobs.rolling = rolling);
    (sandbox, entra)
}
