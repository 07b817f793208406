//! A move of the key, between the stores that need neither a keyring nor a tool.

use super::*;
use crate::context::HOME;
use crate::home_lock::Alone;

/// A home whose passphrase is in a file.
fn home() -> Home {
    let home = Home::new();
    let path = home.root.path().join("passphrase");
    std::fs::write(&path, "correct horse\n").unwrap();
    crate::sys::set_mode(&path, 0o600).unwrap();
    home
}

fn context(home: &Home) -> Context {
    let file = home.root.path().join("passphrase");
    let variables = [(OsString::from(HOME), home.root.path().into()), ("AZWARD_PASSPHRASE_FILE".into(), file.into())];
    Context::new(variables, None)
}

/// One that keeps nothing in the kernel.
fn settings_of(home: &Home) -> (Context, Settings) {
    (context(home), Settings { key_cache_minutes: Setting::in_file(0), ..settings() })
}

fn alone(context: &Context) -> Alone {
    context.home_lock.alone(Duration::ZERO).unwrap()
}

fn move_to(home: &Home, to: KeyStoreKind) -> Result<Vec<OldKey>> {
    let (context, settings) = settings_of(home);
    let mut plan = Move::plan(&context, &settings, to)?;
    plan.try_out()?;
    plan.ask()?;
    let alone = alone(&context);
    plan.carry_out(&alone, |_| {})?;
    plan.drop_old_keys(&alone)
}

fn holds(home: &Home, token: &str) -> bool {
    let (context, settings) = settings_of(home);
    Vault::of(&context, &settings, &ConfigDir::of(&context)).load().unwrap() == sample(token)
}

fn store(home: &Home) -> Option<KeyStoreKind> {
    let (context, settings) = settings_of(home);
    Vault::of(&context, &settings, &ConfigDir::of(&context)).describe().key_store
}

fn with_ending(home: &Home, ending: &str) -> usize {
    let files = files::list(&home.root.path().join(".azward"));
    files.iter().filter(|path| path.extension().is_some_and(|extension| extension == ending)).count()
}

#[test]
fn the_key_goes_there_and_back_and_its_old_store_loses_it() {
    let home = home();
    home.commit("one").unwrap();
    home.commit("two").unwrap();
    let before = std::fs::read(home.current()).unwrap();
    let old = move_to(&home, KeyStoreKind::Passphrase).unwrap();
    assert!(old.len() == 1 && old[0].kind == KeyStoreKind::KeyFile && old[0].needed_by.is_none(), "{old:?}");
    assert_eq!((with_ending(&home, "key"), with_ending(&home, "passphrase")), (0, 1));
    assert!(holds(&home, "two") && store(&home) == Some(KeyStoreKind::Passphrase));
    // The generation before the current one is whole, and sealed with the new key as well.
    let (context, settings) = settings_of(&home);
    let path = Vault::of(&context, &settings, &ConfigDir::of(&context)).path().unwrap();
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, "torn").unwrap();
    assert!(holds(&home, "two"));
    std::fs::write(&path, whole).unwrap();
    assert!(move_to(&home, KeyStoreKind::Passphrase).unwrap().is_empty());
    move_to(&home, KeyStoreKind::KeyFile).unwrap();
    assert_eq!((with_ending(&home, "key"), with_ending(&home, "passphrase")), (1, 0));
    assert!(holds(&home, "two") && store(&home) == Some(KeyStoreKind::KeyFile));
    // What somebody kept of it opens no more.
    let kept = home.current();
    std::fs::write(&kept, before).unwrap();
    std::fs::remove_file(home.previous()).unwrap();
    assert_eq!(home.vault().load().unwrap_err().kind, Kind::VaultDamaged);
}

#[test]
fn what_was_begun_is_finished_by_the_same_move() {
    let home = home();
    home.commit("one").unwrap();
    let old_vault = home.current();
    let kept = std::fs::read(&old_vault).unwrap();
    let key = (home.key(), std::fs::read(home.key()).unwrap());
    move_to(&home, KeyStoreKind::Passphrase).unwrap();
    // As a kill would have left it: the new vault and its key are there, and so are the old ones.
    std::fs::write(&old_vault, kept).unwrap();
    std::fs::write(&key.0, key.1).unwrap();
    assert!(holds(&home, "one") && store(&home) == Some(KeyStoreKind::Passphrase));
    let old = move_to(&home, KeyStoreKind::Passphrase).unwrap();
    assert!(old.iter().all(|old| old.needed_by.is_none()) && !old_vault.exists() && !key.0.exists(), "{old:?}");
    // And a passphrase that was chosen and sealed nothing yet is nobody's.
    move_to(&home, KeyStoreKind::KeyFile).unwrap();
    let unused = home.root.path().join(".azward/unused");
    std::fs::write(&unused, "").unwrap();
    let (context, settings) = settings_of(&home);
    let stores = KeyStores::new(&context, &settings);
    stores.for_new_in(KeyStoreKind::Passphrase, Prompting::Never, LostKey::Keep).unwrap();
    std::fs::write(home.root.path().join("passphrase"), "another\n").unwrap();
    move_to(&home, KeyStoreKind::Passphrase).unwrap();
    assert!(holds(&home, "one") && with_ending(&home, "passphrase") == 1);
}

#[test]
fn a_wrong_passphrase_moves_nothing_and_a_lost_key_stays_where_it_is() {
    let home = home();
    home.commit("one").unwrap();
    move_to(&home, KeyStoreKind::Passphrase).unwrap();
    let names = home.names();
    std::fs::write(home.root.path().join("passphrase"), "wrong\n").unwrap();
    assert_eq!(move_to(&home, KeyStoreKind::KeyFile).unwrap_err().kind, Kind::KeyUnavailable);
    std::fs::remove_file(home.root.path().join("passphrase")).unwrap();
    assert_eq!(move_to(&home, KeyStoreKind::KeyFile).unwrap_err().kind, Kind::KeyUnavailable);
    assert_eq!(home.names(), names);
    for path in files::list(&home.root.path().join(".azward")) {
        if path.extension().is_some_and(|extension| extension == "passphrase") {
            std::fs::remove_file(path).unwrap();
        }
    }
    let (context, settings) = settings_of(&home);
    let plan = Move::plan(&context, &settings, KeyStoreKind::KeyFile).unwrap();
    let stays = plan.vaults()[0].stays.as_ref().unwrap();
    assert!(stays.kind == Kind::KeyLost && !plan.has_any(), "{stays}");
    assert_eq!(home.names(), names);
}

#[test]
fn what_a_killed_commit_left_is_no_vault_and_keeps_no_key() {
    let home = home();
    home.commit("one").unwrap();
    home.commit("two").unwrap();
    let (context, settings) = settings_of(&home);
    let id = home.vault().login.id().to_owned();
    // Of a commit, of a forgetting, and of a move to a key that no vault has come to use.
    let stores = KeyStores::new(&context, &settings);
    let unused = stores.for_new_in(KeyStoreKind::Passphrase, Prompting::Never, LostKey::Keep).unwrap();
    let of_a_move = home.vault().parent().join(format!("{id}.{}.vault.new", keys::hex(unused.id())));
    let current = home.current();
    let left = ["vault.new", "vault.previous.new", "vault.rewritten"].map(|ending| current.with_extension(ending));
    let put_back = |path: &PathBuf| {
        std::fs::copy(home.current(), path).unwrap();
    };
    left.iter().chain([&of_a_move]).for_each(put_back);
    assert_eq!(unclaimed_files(&context, &settings), Vec::<PathBuf>::new());
    let old = move_to(&home, KeyStoreKind::KeyFile).unwrap();
    assert!(old.iter().all(|old| old.needed_by.is_none()), "{old:?}");
    assert_eq!((home.names(), with_ending(&home, "passphrase")), (names_of_one_vault(), 0));
    // An uninstall gives the login back, and what was left goes with the vault.
    left.iter().for_each(put_back);
    let vault = home.vault();
    let lock = vault.lock(Duration::ZERO).unwrap();
    vault.remove(&lock).unwrap();
    assert_eq!(home.names(), ["lock"]);
    // Where there is no vault, it may be all that there is.
    std::fs::write(&left[0], "torn").unwrap();
    assert_eq!(unclaimed_files(&context, &settings), [left[0].clone()]);
}

fn names_of_one_vault() -> Vec<String> {
    ["lock", "vault", "vault.previous"].map(str::to_owned).to_vec()
}
