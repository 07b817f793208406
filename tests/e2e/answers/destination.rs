//! Where a refresh token is sent: to the host that issued it, and to no other, however the authority is written.

use std::fs;

use entra::{Entra, Options};

use crate::support::Sandbox;
use crate::support::native::{age, arm_token};

/// Has the active cloud's authority be `authority`.
fn set_authority(sandbox: &Sandbox, text: &str, entra: &Entra, authority: &str) {
    let here = format!("endpoint_active_directory = {}\n", entra.origin());
    assert!(text.contains(&here));
    let there = format!("endpoint_active_directory = {authority}\n");
    fs::write(sandbox.config_dir().join("clouds.config"), text.replace(&here, &there)).unwrap();
}

#[test]
fn a_refresh_token_goes_to_no_other_host_however_the_authority_is_written() {
    let (sandbox, entra) = Sandbox::without_az();
    let stranger = Entra::start(Options::new(sandbox.root().join("stranger-ca.pem"))).unwrap();
    // Whoever sends to either is let in by its certificate.
    let bundle = sandbox.root().join("both.pem");
    fs::write(&bundle, format!("{}{}", entra.ca_pem(), stranger.ca_pem())).unwrap();
    sandbox.set_env("REQUESTS_CA_BUNDLE", &bundle);
    let text = fs::read_to_string(sandbox.config_dir().join("clouds.config")).unwrap();
    let (here, there) = (entra.port(), stranger.port());
    for authority in [
        format!("https://localhost:443@127.0.0.1:{there}"),
        format!("https://localhost:{here}@127.0.0.1:{there}"),
        format!("https://localhost:@127.0.0.1:{there}"),
        format!("https://localhost:{here}@localhost:{there}"),
        format!("https://LOCALHOST:443@127.0.0.1:{there}/"),
        format!("https://localhost:443@[::1]:{there}"),
        format!("https://localhost@127.0.0.1:{there}"),
        format!("https://localhost/@127.0.0.1:{there}"),
        format!("https://localhost:{here}\\@127.0.0.1:{there}"),
        format!("https://127.0.0.1:{there}\\@localhost:{here}"),
        format!("https://localhost:{here}#@127.0.0.1:{there}"),
        format!("https://localhost:{here}?@127.0.0.1:{there}"),
        format!("https://localhost:{here}:@127.0.0.1:{there}"),
        format!("https://localhost:443:{there}"),
        format!("https://localhost%3a443@127.0.0.1:{there}"),
        format!("https://localhost%40127.0.0.1:{there}"),
        format!("https://localhost.:{there}"),
        format!("https://127.0.0.1:{there}"),
        format!("https://127.1:{there}"),
        format!("https://2130706433:{there}"),
        format!("https://0x7f000001:{there}"),
        format!("https://[::1]:{there}"),
        format!("http://localhost:{there}"),
        format!("https:localhost:443@127.0.0.1:{there}"),
        format!("https:\\\\localhost:443@127.0.0.1:{there}"),
    ] {
        sandbox.config().age_access_tokens(100, "management");
        set_authority(&sandbox, &text, &entra, &authority);
        entra.clear_journal();
        for words in [
            &["account", "get-access-token"][..],
            &["account", "get-access-token", "--resource", "https://x.example"],
            &["group", "list"],
        ] {
            sandbox.az(words).run().exited(77);
            assert_eq!((stranger.journal(), entra.journal()), (vec![], vec![]), "{authority}: {words:?}");
        }
    }
    // And to its own, written otherwise but to one meaning, it goes.
    for authority in [format!("https://LocalHost:{here}"), format!("https://localhost:{here}//")] {
        age(&sandbox, &entra, 100);
        let old = arm_token(&sandbox.config());
        set_authority(&sandbox, &text, &entra, &authority);
        assert_ne!(sandbox.az(["account", "get-access-token"]).run().ok().silent().token(), old, "{authority}");
        assert_eq!((stranger.journal(), entra.refreshes()), (vec![], 1));
    }
}
