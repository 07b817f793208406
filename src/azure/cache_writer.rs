//! How an installed Azure CLI writes its token cache: over the old file, as MSAL's extensions do to this day, or by renaming a
//! new one over it, which cannot be done where something is mounted. Read off its Python source, where that can be found;
//! an az whose source is elsewhere, or none, is taken for one that writes over it, and is found out when it fails.

use std::path::Path;

use crate::azure::installation::Installation;

/// Whether the source of MSAL's extensions (msal-extensions 1.3.1, `persistence.py`, `FilePersistence.save`) that `az` comes
/// with replaces files by rename.
#[must_use]
pub(crate) fn replaces_by_rename(az: &Path) -> bool {
    Installation::of(az)
        .and_then(|az| az.source("msal_extensions/persistence.py"))
        .is_some_and(|text| ["os.replace(", "os.rename(", "shutil.move("].iter().any(|call| text.contains(call)))
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
        std::fs::create_dir_all(library.with_file_name("azure/cli/core")).unwrap();
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
