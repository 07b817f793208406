//! Refresh tokens in the clear are found, in every file and all output of a box, and fail its test.

use std::fs;

use entra::REFRESH_TOKEN_CANARY;

use super::failure;
use crate::support::{Sandbox, Terminal, provision};

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
