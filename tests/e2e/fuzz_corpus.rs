//! The fuzz corpus, replayed on a stable compiler: every file as it is, then each changed in a fixed number of ways by a
//! generator with a fixed seed. What `cargo fuzz` once found stays found; `fuzz/README.md` says how to look for more.
#![allow(clippy::print_stderr, reason = "the same")]

#[path = "../../fuzz/checks/mod.rs"]
mod checks;

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::Command;

use checks::ini::Sections;

use crate::support::chance::Chance;

/// No input grows beyond this by being changed.
const LONGEST: usize = 16 * 1024;

/// Bytes that mean something to one of the formats.
const AWKWARD: &[u8] = b"\"\\{}[],:=\n\0\xff -@09eu";

#[test]
fn token_caches() {
    replay("token_cache", checks::token_cache::check, 4_000);
}

#[test]
fn profiles() {
    replay("profile", checks::profile::check, 10_000);
}

#[test]
fn configs() {
    replay("config", checks::config::check, 10_000);
}

#[test]
fn clouds() {
    replay("clouds", checks::clouds::check, 4_000);
}

#[test]
fn vault_files() {
    replay("vault_file", checks::vault_file::check, 1_000);
}

#[test]
fn command_lines() {
    replay("argv", checks::argv::check, 10_000);
}

#[test]
fn token_responses() {
    replay("token_response", checks::token_response::check, 10_000);
}

#[test]
fn service_principals() {
    replay("service_principals", checks::service_principals::check, 10_000);
}

#[test]
fn answers_of_a_machine() {
    replay("identity_answer", checks::identity_answer::check, 10_000);
}

#[test]
fn adal() {
    replay("adal", checks::adal::check, 10_000);
}

#[test]
fn moves_to_and_from_a_keyring() {
    replay("moving", checks::moving::check, 4_000);
}

#[test]
fn certificates() {
    replay("certificate", checks::certificate::check, 2_000);
}

#[test]
fn credential_marks() {
    replay("credential_marks", checks::credential_marks::check, 10_000);
}

/// What Python itself reads out of the INI files of the corpus is what the reference reading says.
#[test]
fn configparser_agrees() {
    const SCRIPT: &str = r#"
import configparser, json, sys
for path in sys.argv[1:]:
    parser = configparser.ConfigParser()
    try:
        parser.read(path, encoding="utf-8")
        read = [[name, list(parser.items(name, raw=True))] for name in parser.sections()]
    except (configparser.Error, UnicodeDecodeError):
        read = None
    print(json.dumps(read))
"#;
    let mut files = corpus("config");
    files.extend(corpus("clouds"));
    // To the reference reading that section is an error: it would need more rules, and azward refuses it anyway.
    files.retain(|(_, bytes)| memchr::memmem::find(bytes, b"[DEFAULT]").is_none());
    let paths = files.iter().map(|(path, _)| path);
    let python = Command::new("python3").arg("-c").arg(SCRIPT).args(paths).output().unwrap();
    assert!(python.status.success(), "{}", String::from_utf8_lossy(&python.stderr));
    let read = String::from_utf8(python.stdout).unwrap();
    assert_eq!(read.lines().count(), files.len());
    for ((path, bytes), line) in files.iter().zip(read.lines()) {
        let python: Option<Sections> = serde_json::from_str(line).unwrap();
        let reference = std::str::from_utf8(bytes).ok().and_then(checks::ini::read);
        assert_eq!(reference.map(without_blank_lines), python.map(without_blank_lines), "{}", path.display());
    }
}

/// The reference reading forgets the blank lines in a value of several lines, which azward refuses in any case.
fn without_blank_lines(mut sections: Sections) -> Sections {
    for (_, value) in sections.iter_mut().flat_map(|(_, options)| options) {
        *value = value.split('\n').filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n");
    }
    sections
}

/// The files of a subject's corpus, in the order of their names.
fn corpus(subject: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(subject);
    let mut paths: Vec<_> = std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "`{}` has no files", directory.display());
    paths.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

/// Checks the corpus of `subject`, then so many inputs made from it. A failure names its input.
fn replay(subject: &str, check: fn(&[u8]) -> bool, changes: usize) {
    let files = corpus(subject);
    let mut understood = 0;
    for (path, bytes) in &files {
        let _named = Named(&path.display());
        understood += usize::from(check(bytes));
    }
    // A check that nothing gets past would hold always.
    assert!(understood > 0 && understood < files.len(), "{understood} of {} were understood", files.len());
    let mut random = Chance::new(0x6177_7264_6675_7a7a);
    let corpus: Vec<Vec<u8>> = files.into_iter().map(|(_, bytes)| bytes).collect();
    for round in 0..changes {
        let bytes = changed(&corpus, &mut random);
        let _named = Named(&format_args!("change {round} of {subject}: {}", bytes.escape_ascii()));
        check(&bytes);
    }
}

/// Says on a panic which input it was for.
struct Named<'a>(&'a dyn Display);

impl Drop for Named<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the input: {}", self.0);
        }
    }
}

/// A file of the corpus with one to four things done to it: a bit or a byte changed, a part cut out or doubled, a part of
/// another file put in.
fn changed(corpus: &[Vec<u8>], random: &mut Chance) -> Vec<u8> {
    let mut bytes = corpus[random.place(corpus.len())].clone();
    for _ in 0..=random.place(4) {
        let at = random.place(bytes.len() + 1);
        let end = at + random.place(bytes.len() - at + 1);
        match random.place(6) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => drop(bytes.splice(at..at, bytes[at..end].to_vec())),
            3 => {
                let other = &corpus[random.place(corpus.len())];
                let from = random.place(other.len() + 1);
                let to = from + random.place(other.len() - from + 1);
                drop(bytes.splice(at..at, other[from..to].iter().copied()));
            }
            4 if at < bytes.len() => bytes[at] ^= 1 << random.place(8),
            _ if at < bytes.len() => bytes[at] = AWKWARD[random.place(AWKWARD.len())],
            _ => {}
        }
        bytes.truncate(LONGEST);
    }
    bytes
}
