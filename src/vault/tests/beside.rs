//! What is sealed beside the vaults.

use super::*;

const TEXT: &str = "{\"AccessToken\": {\"a\": {\"secret\": \"canary\"}}}";

fn config_dir(home: &Home) -> ConfigDir {
    ConfigDir::of(&home.context())
}

fn opened(home: &Home) -> Option<String> {
    home.vault().open_beside(Beside::TokenCache, &config_dir(home)).map(|text| text.to_string())
}

fn path(home: &Home) -> PathBuf {
    files::list(&home.root.path().join(".azward/tokens")).pop().unwrap()
}

#[test]
fn a_text_comes_back_and_is_nowhere_in_the_clear() {
    let home = Home::new();
    assert_eq!(opened(&home), None);
    // Before there is a vault it gets the key that one would.
    home.vault().seal_beside(Beside::TokenCache, &config_dir(&home), TEXT).unwrap();
    home.commit("one").unwrap();
    assert_eq!(opened(&home).as_deref(), Some(TEXT));
    home.vault().seal_beside(Beside::TokenCache, &config_dir(&home), "{}").unwrap();
    assert_eq!(opened(&home).as_deref(), Some("{}"));
    home.vault().seal_beside(Beside::TokenCache, &config_dir(&home), TEXT).unwrap();
    let bytes = std::fs::read(path(&home)).unwrap();
    assert!(!bytes.windows(6).any(|window| window == b"canary"));
    assert_eq!(files::list(&home.root.path().join(".azward/tokens")).len(), 1);
    assert!(unclaimed_files(&home.context(), &settings()).is_empty());
    forget_beside(&home.root.path().join(".azward"), config_dir(&home).id()).unwrap();
    assert!(!home.vault().has_beside(Beside::TokenCache, &config_dir(&home)));
    forget_beside(&home.root.path().join(".azward"), config_dir(&home).id()).unwrap();
}

#[test]
fn what_does_not_open_is_nothing_and_is_replaced() {
    let home = Home::new();
    home.commit("one").unwrap();
    let seal = || home.vault().seal_beside(Beside::TokenCache, &config_dir(&home), TEXT).unwrap();
    seal();
    // Torn, and of another directory.
    tear(&path(&home));
    assert_eq!(opened(&home), None);
    seal();
    assert_eq!(opened(&home).as_deref(), Some(TEXT));
    let other = home.root.path().join("other");
    std::fs::create_dir(&other).unwrap();
    let other = ConfigDir::at(&other);
    let bytes = std::fs::read(path(&home)).unwrap();
    home.vault().seal_beside(Beside::TokenCache, &other, TEXT).unwrap();
    for place in files::list(&home.root.path().join(".azward/tokens")) {
        change(&place, |own| own.clone_from(&bytes));
    }
    assert!(home.vault().open_beside(Beside::TokenCache, &other).is_none() && opened(&home).is_some());
    // The key is another one.
    std::fs::remove_file(home.key()).unwrap();
    assert_eq!(opened(&home), None);
    seal();
    assert_eq!(opened(&home).as_deref(), Some(TEXT));
}
