//! What azward did not put there itself: a login made before it was installed or by an unwrapped az is adopted by the
//! next invocation, whatever other bytes, modes and links the token cache has are kept, and a cache that is lost, torn or
//! somebody else's costs nobody the login.

mod adal;
mod file;
mod logins;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use entra::{Entra, Request, Rolling};

use crate::support::{BY_AZ, BY_AZWARD, Sandbox};

/// Who redeems a refresh token.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// The real az in a run: an option's beginning is for argparse to understand, so azward does not answer this itself.
    Az,
    /// azward before such a run: it is not known which of several is good, and az is not handed one before it is.
    AzwardBeforeAz,
    /// azward, which answers.
    Azward,
}

/// Redeems the newest refresh token, for an API that nobody has asked for yet.
#[track_caller]
fn redeem(sandbox: &Sandbox, entra: &Entra, api: &str, by: By) {
    let newest = entra.refresh_tokens_issued().len() as u64;
    let resource = format!("https://{api}.example");
    let how = if by == By::Azward { BY_AZWARD } else { BY_AZ };
    sandbox.az(["account", "get-access-token", "--resource", &resource, how, "--output", "json"]).run().ok().silent();
    let request = entra.journal().into_iter().rfind(Request::is_token_request).expect("there was a request");
    // Or one that azward has had for it meanwhile.
    assert!(request.presented_generation >= Some(newest) && request.status == Some(200), "{request}");
    let agent = request.user_agent.unwrap_or_default();
    assert_eq!(agent.starts_with("azward"), by != By::Az, "{agent}");
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
