//! Secrets in the clear are found, of every kind, in every file and all output of a box, and fail its test.

use std::fs;

use entra::{REFRESH_TOKEN_CANARY, SERVICE_PRINCIPAL, User};

use super::failure;
use crate::support::{Sandbox, Terminal, make_certificate, provision};

#[test]
fn a_canary_at_the_end_of_a_box_fails_its_test() {
    let sandbox = Sandbox::new();
    let hidden = sandbox.home().join("a/b");
    fs::create_dir_all(&hidden).unwrap();
    let path = hidden.join("token");
    fs::write(&path, format!("\0\0{REFRESH_TOKEN_CANARY}\0")).unwrap();
    let by_hand = failure(|| sandbox.assert_nothing_in_the_clear());
    assert!(by_hand.contains(path.to_str().unwrap()), "{by_hand}");
    sandbox.shell("chmod 000 a/b/token a/b a").run().ok();
    let at_end = failure(|| drop(sandbox));
    assert!(
        at_end.contains("at the end of `harness::canaries::a_canary_at_the_end") && at_end.contains("a/b/token"),
        "{at_end}"
    );
    assert!(!path.exists(), "the box is removed all the same");
}

#[test]
fn a_canary_in_a_file_name_is_found() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.home().join(format!("x{REFRESH_TOKEN_CANARY}")), "").unwrap();
    failure(|| sandbox.assert_nothing_in_the_clear());
    sandbox.expect_clear(sandbox.home());
}

#[test]
fn a_canary_that_a_test_expects_is_passed_over_and_no_other() {
    let sandbox = Sandbox::new();
    let (expected, other) = (sandbox.home().join("expected"), sandbox.home().join("other"));
    fs::write(&expected, REFRESH_TOKEN_CANARY).unwrap();
    sandbox.expect_clear(&expected);
    sandbox.assert_nothing_in_the_clear();
    fs::write(&other, REFRESH_TOKEN_CANARY).unwrap();
    let found = failure(|| sandbox.assert_nothing_in_the_clear());
    assert!(found.contains("other") && !found.contains("expected"), "{found}");
    fs::remove_file(other).unwrap();
}

#[test]
fn a_canary_in_the_output_fails_the_test() {
    let sandbox = Sandbox::new();
    let line = "printf 'CANARYREFRESH%s' TOKEN";
    let said = failure(|| drop(sandbox.shell(line).run()));
    assert!(said.contains("in the output of /bin/sh -c"), "{said}");
    failure(|| drop(sandbox.shell(&format!("{line} >&2")).run()));
    sandbox.shell(line).expect_clear_output().run().ok();
    let mut terminal = Terminal::shell(&sandbox);
    terminal.type_line(&format!("{line}; exit"));
    failure(|| drop(terminal.finish()));
}

/// What the stand-in issues, and not only the text by which it is known.
#[test]
fn every_kind_of_long_lived_secret_is_found_in_files_and_in_output() {
    let sandbox = Sandbox::new();
    let entra = sandbox.start_entra(|_| {});
    let secrets = [
        entra.client_secret().to_owned(),
        entra.add_client_secret(&SERVICE_PRINCIPAL),
        entra.federated_token(&SERVICE_PRINCIPAL, 60),
        entra.password(User::Alice).to_owned(),
        REFRESH_TOKEN_CANARY.to_owned(),
    ];
    for secret in secrets {
        let path = sandbox.azward_home().join("planted");
        fs::create_dir_all(sandbox.azward_home()).unwrap();
        fs::write(&path, format!("[{{\"x\": \"{secret}\"}}]")).unwrap();
        assert!(failure(|| sandbox.assert_nothing_in_the_clear()).contains("planted"), "{secret}");
        failure(|| drop(sandbox.shell("cat .azward/planted").run()));
        fs::remove_file(path).unwrap();
    }
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn a_token_of_a_managed_identity_is_found_in_files_and_may_be_answered() {
    let sandbox = Sandbox::new().with_real_az();
    let entra = sandbox.start_entra(|_| {});
    for (name, value) in entra.start_instance().unwrap().of_virtual_machine() {
        sandbox.set_env(name, value);
    }
    sandbox.az(["login", "--identity"]).run().ok();
    let answer = sandbox.az(["account", "get-access-token"]).run().ok();
    let path = sandbox.config_dir().join("kept");
    fs::write(&path, &answer.stdout).unwrap();
    assert!(failure(|| sandbox.assert_nothing_in_the_clear()).contains("kept"));
    fs::remove_file(path).unwrap();
}

#[test]
fn where_all_tokens_are_sealed_every_token_is_found() {
    let (sandbox, _entra) = Sandbox::logged_in();
    let cache = sandbox.config().token_cache();
    for section in ["AccessToken", "IdToken"] {
        let path = sandbox.home().join(section);
        fs::write(&path, cache[section].to_string()).unwrap();
        sandbox.assert_nothing_in_the_clear();
        for words in [&["config", "set", "seal", "all-tokens"], &["config", "set", "seal", "refresh-tokens"]] {
            sandbox.azward(words).run().ok();
            sandbox.az(["account", "get-access-token"]).run().ok();
            match words[3] {
                "all-tokens" => assert!(failure(|| sandbox.assert_nothing_in_the_clear()).contains(section)),
                _ => sandbox.assert_nothing_in_the_clear(),
            }
        }
    }
}

#[test]
fn the_private_key_of_a_certificate_is_found_but_in_its_own_file_and_there_when_azward_says_that_it_is_removed() {
    let sandbox = Sandbox::new();
    let (path, copy) = (sandbox.home().join("own.pem"), sandbox.home().join("copy"));
    let pem = make_certificate(&path);
    sandbox.assert_nothing_in_the_clear();
    // Without its first lines, as within JSON.
    let part = pem[300..].replace('\n', "\\n");
    fs::write(&copy, &part).unwrap();
    let found = failure(|| sandbox.assert_nothing_in_the_clear());
    assert!(found.contains("copy") && !found.contains("own.pem"), "{found}");
    failure(|| drop(sandbox.shell("cat copy").run()));
    fs::remove_file(&copy).unwrap();
    let says = |text: &str| drop(sandbox.shell(&format!("echo '{text}'")).run().ok());
    says(&format!("and `{}` is removed", path.display()));
    assert!(failure(|| sandbox.assert_nothing_in_the_clear()).contains("own.pem"));
    says(&format!("`{}` is there again", path.display()));
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn every_box_is_written_down() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.home().join("file"), "eleven byte").unwrap();
    sandbox.shell("printf four").run().ok();
    drop(sandbox);
    let log = fs::read_to_string(provision::target_dir().join("canary-scan.log")).unwrap();
    let line = log.lines().rfind(|line| line.starts_with("harness::canaries::every_box_is_written_down: ")).unwrap();
    assert!(line.ends_with(" bytes, 0 found"), "{line}");
    let numbers: Vec<u64> = line.split([' ', ',']).filter_map(|word| word.parse().ok()).collect();
    assert!(numbers[0] >= 1 && numbers[1] >= 15, "{line}");
}
