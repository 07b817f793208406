//! `.ci/run` has the tests below a module `runs` once more privately and in place. Whatever lies elsewhere has its reason
//! here; what is in neither place fails.

use std::fs;
use std::path::{Path, PathBuf};

/// Why the exposure that the surroundings ask for makes no difference to a module.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reason {
    /// Its files say themselves which exposure they are about.
    SaysItself,
    /// It is about what is there when no az runs, or about what is answered without one.
    NoRun,
}

const ELSEWHERE: [(&str, Reason); 19] = [
    ("alone/crowd", Reason::SaysItself),
    ("alone/hygiene", Reason::SaysItself),
    ("alone/signals", Reason::SaysItself),
    ("e2e/answers", Reason::NoRun),
    ("e2e/consent", Reason::NoRun),
    ("e2e/doctor", Reason::NoRun),
    ("e2e/exposure", Reason::SaysItself),
    ("e2e/fuzz_corpus", Reason::NoRun),
    ("e2e/harness", Reason::NoRun),
    ("e2e/identities", Reason::NoRun),
    ("e2e/install", Reason::NoRun),
    ("e2e/lifecycle", Reason::NoRun),
    ("e2e/releases", Reason::NoRun),
    ("e2e/serve", Reason::NoRun),
    ("e2e/settings", Reason::NoRun),
    ("e2e/surroundings", Reason::NoRun),
    ("e2e/transcripts", Reason::NoRun),
    ("e2e/vaults", Reason::NoRun),
    ("e2e/versions", Reason::NoRun),
];

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// The sources of a module: its file, or what is in its directory, `mod.rs` aside.
fn sources(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| !path.ends_with("mod.rs")).flat_map(|path| sources(&path)).collect()
}

#[test]
fn every_module_is_run_in_all_exposures_or_has_a_reason_not_to_be() {
    let mut known = Vec::new();
    for root in ["alone", "e2e"] {
        for entry in fs::read_dir(tests().join(root)).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("{root}/{}", path.file_stem().unwrap().display());
            if name.ends_with("/main") || name.ends_with("/runs") {
                continue;
            }
            let reason = ELSEWHERE.iter().find(|(module, _)| *module == name).map(|(_, reason)| *reason);
            let reason = reason.unwrap_or_else(|| panic!("{name} is neither below `runs` nor known here"));
            for source in sources(&path) {
                let text = fs::read_to_string(&source).unwrap();
                let says =
                    ["private", "memory", "in-place", "auto"].iter().any(|word| text.contains(&format!("\"{word}\"")));
                assert!(
                    reason == Reason::NoRun || says || !text.contains("#[test]"),
                    "{} says no exposure",
                    source.display()
                );
            }
            known.push(name);
        }
    }
    known.sort();
    assert_eq!(known, ELSEWHERE.map(|(module, _)| module), "all that is known is there");
}

#[test]
fn the_gate_runs_them_privately_and_in_place_by_that_name() {
    let gate = fs::read_to_string(tests().join("../.ci/run")).unwrap();
    for exposure in ["private", "in-place"] {
        let line = gate.lines().find(|line| line.contains(&format!("AZWARD_TEST_EXPOSURE={exposure}"))).unwrap();
        assert!(line.contains("--test e2e --test alone -- runs::"), "{line}");
    }
}

#[test]
fn sessions_are_side_by_side_in_each_exposure_in_the_gate_s_first_run() {
    let text = fs::read_to_string(tests().join("e2e/exposure/sessions.rs")).unwrap();
    for exposure in ["private", "memory", "in-place"] {
        assert!(text.contains(&format!("    side_by_side(\"{exposure}\", ")), "{exposure}");
    }
    let gate = fs::read_to_string(tests().join("../.ci/run")).unwrap();
    assert!(gate.contains("test_command=$(readme_command test)") && gate.contains("run_line \"$test_command\""));
    let readme = fs::read_to_string(tests().join("../README.md")).unwrap();
    assert!(readme.contains("    cargo test\n"), "all of them");
}
