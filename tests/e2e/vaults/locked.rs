//! A key store that is locked: a passphrase that nobody gave, or the wrong one; a keyring; what `azward unlock` does about it.

use super::{
    PASSPHRASE, forget_key, keeps_keys, listed, log_in, move_to, set_passphrase, store_of, tokens, vault_files,
    with_stores,
};
use crate::support::{SecretService, State, Terminal};

#[test]
fn a_passphrase_that_is_wrong_or_was_not_given_says_so_and_loses_nothing() {
    let (sandbox, _) = with_stores();
    sandbox.set("key_cache_minutes", 0);
    log_in(&sandbox, "passphrase");
    let before = vault_files(&sandbox);
    set_passphrase(&sandbox, "something else");
    for (words, hint) in
        [("does not open the vault's key", "azward unlock"), ("has not been given", "AZWARD_PASSPHRASE_FILE")]
    {
        let outcome = sandbox.az(["roll"]).run().exited(1);
        let text = outcome.err();
        assert!(text.contains(words) && text.contains(hint), "{outcome:?}");
        for command in [&["unlock"][..], &["vault", "move", "--to", "key-file"]] {
            let outcome = sandbox.azward(command).run().exited(4);
            assert!(outcome.err().contains(words), "{outcome:?}");
        }
        assert_eq!(vault_files(&sandbox), before);
        let vault = listed(&sandbox);
        assert!(vault["opens"] == false && vault["trouble"].as_str().unwrap().contains(words), "{vault}");
        assert_eq!(vault["key_store"], "passphrase");
        sandbox.set_env("AZWARD_PASSPHRASE_FILE", "");
    }
    set_passphrase(&sandbox, PASSPHRASE);
    assert_eq!(tokens(&sandbox), 1);
    // One that others can read is not taken.
    let path = sandbox.root().join("passphrase");
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
    let outcome = sandbox.azward(["unlock"]).run().exited(4);
    assert!(outcome.err().contains("can be read by others"), "{outcome:?}");
}

#[test]
fn a_passphrase_is_typed_unseen_and_asked_for_once_where_the_kernel_keeps_the_key() {
    let (sandbox, _) = with_stores();
    sandbox.set_env("AZWARD_PASSPHRASE_FILE", "");
    sandbox.set("key_store", "passphrase");
    let mut terminal = Terminal::start(&sandbox.az(["login", super::ALICE]));
    terminal.expect("new passphrase for the vault: ");
    terminal.type_line("one");
    terminal.expect("the same again: ");
    terminal.type_line("another");
    terminal.expect("these were two; new passphrase for the vault: ");
    terminal.type_line(PASSPHRASE);
    terminal.expect("the same again: ");
    // Ctrl-U takes it all back, and the key to the left of it one.
    terminal.send("nonsense\x15");
    terminal.type_line(&format!("{PASSPHRASE}x\x7f"));
    let login = terminal.finish().ok();
    assert!(!login.out().contains(PASSPHRASE), "{login:?}");
    assert_eq!(store_of(&sandbox), "passphrase");
    let is_kept = keeps_keys();
    if is_kept {
        assert_eq!(tokens(&sandbox), 1, "nobody is asked");
        let locked = sandbox.azward(["lock"]).run().ok();
        assert!(locked.out().contains("has forgotten the key"), "{locked:?}");
    }
    sandbox.azward(["unlock"]).run().exited(4);
    let mut terminal = Terminal::start(&sandbox.azward(["unlock"]));
    terminal.expect("passphrase of the vault: ");
    terminal.type_line("wrong");
    terminal.expect("that is not it; passphrase of the vault: ");
    terminal.type_line(PASSPHRASE);
    let unlocked = terminal.finish().ok();
    let says =
        if is_kept { "is unlocked, for 8 h in this session" } else { "this system keeps it for no other command" };
    assert!(unlocked.out().contains(says) && !unlocked.out().contains(PASSPHRASE), "{unlocked:?}");
    if is_kept {
        assert_eq!(tokens(&sandbox), 1);
        assert_eq!(listed(&sandbox)["kept_by_kernel"], true);
    }
    // A move asks for nothing that is known, and for what is not.
    forget_key(&sandbox);
    let mut terminal = Terminal::start(&sandbox.azward(["vault", "move", "--to", "key-file"]));
    terminal.expect("passphrase of the vault: ");
    terminal.type_line(PASSPHRASE);
    terminal.finish().ok();
    assert_eq!(store_of(&sandbox), "key-file");
    assert_eq!(tokens(&sandbox), 1);
}

#[test]
fn ctrl_c_at_the_question_ends_the_command_and_the_terminal_shows_again_what_is_typed() {
    let (sandbox, _) = with_stores();
    sandbox.set("key_cache_minutes", 0);
    log_in(&sandbox, "passphrase");
    sandbox.set_env("AZWARD_PASSPHRASE_FILE", "");
    let mut terminal = Terminal::shell(&sandbox);
    terminal.type_line(&format!("{} unlock; echo code $?", env!("CARGO_BIN_EXE_azward")));
    terminal.expect("passphrase of the vault: ");
    terminal.send("\x03");
    terminal.expect("ready> ");
    terminal.type_line("stty -a | grep -o ' echo '; echo so");
    assert!(terminal.expect("\nso").contains("\r\n echo "), "{}", terminal.screen());
    terminal.type_line("exit");
    set_passphrase(&sandbox, PASSPHRASE);
    assert_eq!(tokens(&sandbox), 1);
}

#[test]
fn a_keyring_that_is_locked_or_gone_moves_nothing() {
    let (sandbox, _) = with_stores();
    let mut service = SecretService::start(&sandbox, State::Unlocked);
    log_in(&sandbox, "keyring");
    forget_key(&sandbox);
    let before = vault_files(&sandbox);
    for state in ["locked", "gone"] {
        if state == "locked" {
            service.lock();
        } else {
            service.stop();
        }
        let refused = move_to(&sandbox, "passphrase").exited(4);
        let words = if state == "locked" { "is locked" } else { "no OS keyring" };
        assert!(refused.err().contains(words), "{refused:?}");
        assert_eq!(vault_files(&sandbox), before);
    }
    service.unlock();
    let unlocked = sandbox.azward(["unlock"]).run().ok();
    assert!(unlocked.out().contains("the OS keyring "), "{unlocked:?}");
    move_to(&sandbox, "key-file").ok();
    // And to one that is locked: neither is the old key lost.
    service.lock();
    let before = vault_files(&sandbox);
    let refused = move_to(&sandbox, "keyring").exited(4);
    assert!(refused.err().contains("is locked"), "{refused:?}");
    assert_eq!(vault_files(&sandbox), before);
    assert_eq!(tokens(&sandbox), 1);
    service.unlock();
    move_to(&sandbox, "keyring").ok();
    assert_eq!(tokens(&sandbox), 1);
    forget_key(&sandbox);
}
