//! How an installed Azure CLI writes its token cache: over the old file, as MSAL's extensions do to this day, or by renaming a
//! new one over it, which cannot be done where something is mounted. Read off its Python source, where that can be found;
//! an az whose source is elsewhere, or none, is taken for one that writes over it, and is found out when it fails.

use std::io::Read;
use std::path::{Path, PathBuf};

/// How much of the az that is started is searched for its interpreter: it is a short script.
const SCRIPT: u64 = 4096;

/// Whether the source of MSAL's extensions (msal-extensions 1.3.1, `persistence.py`, `FilePersistence.save`) that `az` comes
/// with replaces files by rename.
#[must_use]
pub fn replaces_by_rename(az: &Path) -> bool {
    prefixes(az)
        .iter()
        .filter_map(|prefix| source(prefix))
        .any(|text| ["os.replace(", "os.rename(", "shutil.move("].iter().any(|call| text.contains(call)))
}

/// The directories under which `az` may have its libraries: that of its own `bin`, and that of each interpreter it names.
fn prefixes(az: &Path) -> Vec<PathBuf> {
    let above = |program: &Path| program.parent().and_then(Path::parent).map(Path::to_owned);
    let mut prefixes: Vec<PathBuf> = az.canonicalize().ok().and_then(|az| above(&az)).into_iter().collect();
    let mut script = Vec::new();
    if let Ok(file) = std::fs::File::open(az) {
        // What cannot be read names no interpreter.
        let _ = file.take(SCRIPT).read_to_end(&mut script);
    }
    let is_boundary = |c: char| c.is_whitespace() || "\"'!=;".contains(c);
    let text = String::from_utf8_lossy(&script);
    let interpreters = text.split(is_boundary).map(Path::new).filter(|word| {
        let name = word.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        word.is_absolute() && name.starts_with("python")
    });
    prefixes.extend(interpreters.filter_map(above));
    prefixes
}

fn source(prefix: &Path) -> Option<String> {
    let versions = std::fs::read_dir(prefix.join("lib")).ok()?.flatten();
    let mut files = versions.map(|version| version.path().join("site-packages/msal_extensions/persistence.py"));
    files.find_map(|file| std::fs::read_to_string(file).ok())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    #[test]
    fn the_source_is_found_beside_az_and_beside_its_interpreter() {
        let dir = tempfile::tempdir().unwrap();
        let library = dir.path().join("opt/az/lib/python3.12/site-packages/msal_extensions");
        std::fs::create_dir_all(&library).unwrap();
        std::fs::create_dir_all(dir.path().join("opt/az/bin")).unwrap();
        std::fs::create_dir_all(dir.path().join("usr/bin")).unwrap();
        let (beside, script) = (dir.path().join("opt/az/bin/az"), dir.path().join("usr/bin/az"));
        std::fs::write(&beside, "").unwrap();
        let interpreter = dir.path().join("opt/az/bin/python3");
        std::fs::write(&script, format!("#!/bin/sh\nexec {} -m azure.cli \"$@\"\n", interpreter.display())).unwrap();
        for (source, answer) in [("open(path, 'w+')", false), ("os.replace(draft, self._location)", true)] {
            std::fs::write(library.join("persistence.py"), source).unwrap();
            assert_eq!((replaces_by_rename(&beside), replaces_by_rename(&script)), (answer, answer));
        }
        assert!(!replaces_by_rename(Path::new("/nowhere/az")));
    }
}
