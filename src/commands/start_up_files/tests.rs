//! Start-up files of every kind, with the block added and removed.

use super::block::{BEGIN, END};
use super::*;
use crate::context::HOME;

fn files(home: &Path, shell: &str) -> Vec<StartUpFile> {
    let variables = [(HOME.into(), home.into()), ("SHELL".into(), shell.into())];
    start_up_files(&Context::new(variables, None))
}

impl StartUpFile {
    fn add(&self, directory: &Path) -> Result<bool> {
        self.plan(directory)?.make()
    }
}

#[test]
fn a_block_is_added_once_and_removed_without_a_trace() {
    let home = tempfile::tempdir().unwrap();
    for text in ["alias ll='ls -l'", "alias ll='ls -l'\n", "\n", ""] {
        std::fs::write(home.path().join(".bashrc"), text).unwrap();
        let bash = files(home.path(), "/bin/bash");
        let names: Vec<_> = bash.iter().map(|file| file.path().file_name().unwrap().to_owned()).collect();
        assert_eq!(names, [".bashrc", ".profile"]);
        for file in &bash {
            assert!(file.add(Path::new("/x/it's here")).unwrap());
            assert!(!file.add(Path::new("/x/it's here")).unwrap());
            assert!(file.add(Path::new("/y")).unwrap());
        }
        for file in &bash {
            assert!(file.remove().unwrap());
            assert!(!file.remove().unwrap());
        }
        assert_eq!(std::fs::read_to_string(home.path().join(".bashrc")).unwrap(), text);
        assert!(!home.path().join(".profile").exists(), "a file that was made for the block goes with it");
    }
}

#[test]
fn what_was_written_around_the_block_stays() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(".bashrc");
    std::fs::write(&path, "a").unwrap();
    let file = files(home.path(), "/bin/sh").remove(0);
    file.add(Path::new("/x")).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{text}b\n")).unwrap();
    assert!(file.remove().unwrap());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "a\nb\n");
    std::fs::write(&path, format!("{END}\n{BEGIN}\n")).unwrap();
    assert!(!file.remove().unwrap(), "half a block is none");
}

#[test]
fn a_shell_that_is_not_there_is_left_alone() {
    let home = tempfile::tempdir().unwrap();
    assert!(files(home.path(), "/bin/sh").is_empty());
    assert_eq!(files(home.path(), "/usr/bin/zsh").len(), 1);
    std::fs::create_dir_all(home.path().join(".config/fish")).unwrap();
    assert_eq!(files(home.path(), "/bin/sh").len(), 1, "fish's configuration is there");
}

#[test]
fn a_linked_file_stays_a_link() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("dotfiles-bashrc"), "x\n").unwrap();
    std::os::unix::fs::symlink("dotfiles-bashrc", home.path().join(".bashrc")).unwrap();
    files(home.path(), "/bin/sh")[0].add(Path::new("/x")).unwrap();
    assert!(std::fs::symlink_metadata(home.path().join(".bashrc")).unwrap().is_symlink());
    assert!(std::fs::read_to_string(home.path().join("dotfiles-bashrc")).unwrap().contains(BEGIN));
}

#[test]
fn what_is_no_whole_block_of_ours_is_the_user_s() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(".bashrc");
    let ours = block(Language::Posix, Path::new("/x"), None);
    let edited = ours.replace("/x", "/x' && echo '").replace("esac", "esac # mine");
    for text in [
        format!("{BEGIN}\nalias a=b\n{END}\n"),
        format!("cat <<'E'\n{BEGIN}\nabout the block\n{END}\nE\n"),
        format!("{BEGIN}\n"),
        format!("{END}\n{BEGIN}\n{BEGIN}\n"),
        format!("  {BEGIN}\nx\n  {END}\n"),
        format!("echo '{BEGIN}' '{END}'\n"),
        format!("{BEGIN}\n{}", ours.replace(&format!("{END}\n"), "")),
        edited,
        "\r\na\r\n".to_owned(),
    ] {
        std::fs::write(&path, &text).unwrap();
        let file = files(home.path(), "/bin/sh").remove(0);
        assert!(!file.remove().unwrap(), "{text}");
        assert!(file.add(Path::new("/y")).unwrap() && !file.add(Path::new("/y")).unwrap(), "{text}");
        assert!(std::fs::read_to_string(&path).unwrap().starts_with(&text), "{text}");
        assert!(file.remove().unwrap(), "{text}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
}

#[test]
fn an_earlier_block_gives_way_to_one_that_puts_the_directory_first() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(home.path().join(".config/fish/conf.d")).unwrap();
    let earlier = [
        (".bashrc", "case \":$PATH:\" in\n    *:'/x':*) ;;\n    *) export PATH='/x'\":$PATH\" ;;\nesac"),
        (".zshrc", "case \"$PATH:\" in\n    '/x':*) ;;\n    *) export PATH='/x'\":$PATH\" ;;\nesac"),
        (".config/fish/conf.d/azward.fish", "if not contains -- '/x' $PATH\n    set -gx PATH '/x' $PATH\nend"),
    ];
    for (name, lines) in earlier {
        std::fs::write(home.path().join(name), format!("a\n{BEGIN}\n{lines}\n{END}\n")).unwrap();
    }
    for file in files(home.path(), "/bin/sh") {
        assert!(file.add(Path::new("/x")).unwrap() && !file.add(Path::new("/x")).unwrap());
        let text = std::fs::read_to_string(file.path()).unwrap();
        assert!(text.matches(BEGIN).count() == 1 && text.starts_with("a\n"), "{text}");
        assert!(file.remove().unwrap());
        assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "a\n");
    }
}

#[test]
fn blocks_that_came_twice_or_with_other_line_ends_go_too() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(".bashrc");
    let [one, two] = ["/x", "/it's"].map(|directory| block(Language::Posix, Path::new(directory), None));
    let windows = one.replace('\n', "\r\n");
    // Half of one, and a whole one in it.
    let nested = format!("{BEGIN}\ncase \":$PATH:\" in\n{one}b\n");
    for (text, left) in [
        (format!("a\n{one}b\n{two}{one}"), "a\nb\n".to_owned()),
        (format!("a\r\n{windows}b"), "a\r\nb".to_owned()),
        (nested.clone(), nested.replace(&one, "")),
    ] {
        std::fs::write(&path, &text).unwrap();
        assert!(files(home.path(), "/bin/sh")[0].remove().unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), left);
    }
}

#[test]
fn bytes_that_are_no_text_stay_what_they_are() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(".bashrc");
    std::fs::write(&path, b"# \xff\xfe\nx='\0'").unwrap();
    let file = files(home.path(), "/bin/sh").remove(0);
    assert!(file.add(Path::new("/x")).unwrap() && file.remove().unwrap());
    assert_eq!(std::fs::read(&path).unwrap(), b"# \xff\xfe\nx='\0'");
}

#[test]
fn what_cannot_stand_in_path_is_refused() {
    use std::os::unix::ffi::OsStrExt;
    let odd: [&[u8]; 7] =
        [b"/a:b", b"/a\nb", b"/\xff", b"relative", b"/\x1b[2J", b"/a\x7f", "/\u{85}\u{2028}".as_bytes()];
    for directory in odd {
        let directory = Path::new(std::ffi::OsStr::from_bytes(directory));
        let failure = check(directory).unwrap_err();
        assert_eq!(failure.kind, Kind::Usage);
        assert_eq!(failure.to_string().lines().count(), 2);
    }
    for directory in ["/it's", "/$HOME/`x`", "/a b/\\n!*[?]", "/-x", "/ö東", "/;&|<>()#~"] {
        check(Path::new(directory)).unwrap();
    }
}

#[test]
fn what_is_no_file_is_refused_and_a_link_to_one_that_is_not_there_yet_is_kept() {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name);
    std::fs::create_dir(at(".bashrc")).unwrap();
    let file = files(home.path(), "/bin/bash").remove(0);
    assert_eq!(file.plan(Path::new("/x")).unwrap_err().kind, Kind::Storage);
    assert!(!file.remove().unwrap());
    std::fs::remove_dir(at(".bashrc")).unwrap();
    std::os::unix::fs::symlink("dotfiles/bashrc", at(".bashrc")).unwrap();
    assert_eq!(file.plan(Path::new("/x")).unwrap_err().kind, Kind::Storage);
    assert!(!at("dotfiles").exists());
    std::fs::create_dir(at("dotfiles")).unwrap();
    assert!(file.add(Path::new("/x")).unwrap() && at("dotfiles/bashrc").is_file());
    assert!(file.remove().unwrap() && !at("dotfiles/bashrc").exists());
    assert!(at(".bashrc").is_symlink());
}

#[test]
fn directories_of_start_up_files_are_absolute() {
    let home = tempfile::tempdir().unwrap();
    let variables = [
        (HOME.into(), home.path().into()),
        ("SHELL".into(), "/usr/bin/zsh".into()),
        ("ZDOTDIR".into(), "somewhere".into()),
        ("XDG_CONFIG_HOME".into(), ".".into()),
    ];
    let files = start_up_files(&Context::new(variables, None));
    assert_eq!(files.iter().map(StartUpFile::path).collect::<Vec<_>>(), [home.path().join(".zshrc")]);
}
