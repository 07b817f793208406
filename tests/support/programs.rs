//! The programs that are tried: as cargo has just built them, or those in `AZWARD_TEST_PROGRAMS`, for a build that is another than the
//! tests' own (`install/portable.sh`).

use std::path::{Path, PathBuf};

/// The shim.
pub(crate) fn shim() -> PathBuf {
    chosen(env!("CARGO_BIN_EXE_az"))
}

/// The command.
pub(crate) fn azward() -> PathBuf {
    chosen(env!("CARGO_BIN_EXE_azward"))
}

fn chosen(built: &str) -> PathBuf {
    let built = Path::new(built);
    let Some(directory) = std::env::var_os("AZWARD_TEST_PROGRAMS") else { return built.to_owned() };
    let chosen = Path::new(&directory).join(built.file_name().expect("it is a file"));
    assert!(chosen.is_file(), "there is no `{}`, which AZWARD_TEST_PROGRAMS asks for", chosen.display());
    chosen
}
