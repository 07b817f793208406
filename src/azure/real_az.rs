//! The real az: the Azure CLI that PATH would give without azward, by the very path found there. It is never
//! canonicalised (launchers look beside the name they were called by, snap's looks at nothing else); only to recognise
//! ourselves are files compared: by identity, and by a mark that every copy of the shim carries.
//!
//! In this order: `AZWARD_REAL_AZ`; PATH, which decides as it does without azward; for callers that replace PATH the path
//! pinned at install, then the directories that installers use. Other shims that bounce back to us are passed over by the
//! caller's list of what was tried.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::context::Context;
use crate::failure::{Failure, Kind, Result};
use crate::settings::{Provenance, Settings};
use crate::sys;

/// Stands in every copy of the shim, and in nothing else that is called az.
#[used]
static MARK: [u8; 40] = *b"azward shim 7c0d8a52-6f0b-4d53-9f0e-91b4";

/// What a packaged az is called that gave its place to the shim: as dpkg-divert(1) names what it puts aside.
pub(crate) const DIVERTED: &str = "az.distrib";

/// Where installers put az: packages, Homebrew, snap, Microsoft's own for Windows.
#[cfg(unix)]
const WELL_KNOWN: [&str; 5] =
    ["/usr/bin", "/usr/local/bin", "/opt/homebrew/bin", "/home/linuxbrew/.linuxbrew/bin", "/snap/bin"];
#[cfg(windows)]
const WELL_KNOWN: [&str; 2] =
    [r"C:\Program Files\Microsoft SDKs\Azure\CLI2\wbin", r"C:\Program Files (x86)\Microsoft SDKs\Azure\CLI2\wbin"];

/// Finds the real az, passing over the paths in `tried`.
///
/// # Errors
/// [`Kind::NoRealAz`], in the words that callers look for.
pub fn find(context: &Context, settings: &Settings, tried: &[PathBuf]) -> Result<PathBuf> {
    find_by(context, settings, tried, |candidate| is_real(context, candidate).then(|| candidate.to_owned()))
}

/// The same, where `real` says what is a real az, and what comes of it.
///
/// # Errors
/// [`Kind::NoRealAz`], in the words that callers look for.
pub(super) fn find_by<T>(
    context: &Context,
    settings: &Settings,
    tried: &[PathBuf],
    real: impl Fn(&Path) -> Option<T>,
) -> Result<T> {
    let all = candidates(context, settings).flat_map(|candidate| {
        let diverted = candidate.with_file_name(DIVERTED);
        // In whose place a shim stands there.
        let in_place_of = candidate.clone();
        // To look for our mark costs more than to find out that there is nothing beside it.
        let is_there = move || diverted.symlink_metadata().is_ok() && is_shim(context, &in_place_of);
        let diverted = candidate.with_file_name(DIVERTED);
        let diverted = std::iter::once_with(move || is_there().then_some(diverted)).flatten();
        std::iter::once(candidate).chain(diverted)
    });
    let mut untried = all.filter(|candidate| !tried.contains(candidate));
    untried.find_map(|candidate| real(&candidate)).ok_or_else(none_found)
}

/// Every real az that PATH has, in its order, each once whatever it is called.
#[must_use]
pub(crate) fn all_on_path(context: &Context) -> Vec<PathBuf> {
    let mut found: Vec<(Option<(u64, u64)>, PathBuf)> = Vec::new();
    for candidate in on_path(context).filter(|candidate| is_real(context, candidate)) {
        let identity = sys::file_identity(&candidate).ok();
        if found.iter().all(|(other, _)| identity.is_none() || *other != identity) {
            found.push((identity, candidate));
        }
    }
    found.into_iter().map(|(_, path)| path).collect()
}

/// Whether a file is a copy of the shim, this one or another.
#[must_use]
pub fn is_shim(context: &Context, path: &Path) -> bool {
    let Ok(identity) = sys::file_identity(path) else { return false };
    let own = context.executable.as_deref().and_then(|own| sys::file_identity(own).ok());
    own == Some(identity) || carries_mark(path)
}

/// One after another as they are asked for: mostly the first is the one, and the way to the others is long.
fn candidates(context: &Context, settings: &Settings) -> impl Iterator<Item = PathBuf> {
    let set = |is_pin: bool| {
        let chosen = settings.real_az.iter().filter(move |setting| (setting.provenance == Provenance::File) == is_pin);
        chosen.map(|setting| setting.value.clone())
    };
    // One in the working directory is nobody's own.
    let own = (!context.is_home_unknown()).then(|| context.home.join(".local/bin"));
    let names = if cfg!(windows) { ["az.cmd", "az.exe"].as_slice() } else { &["az"] };
    let well_known = WELL_KNOWN.iter().map(PathBuf::from).chain(own);
    let well_known = well_known.flat_map(move |directory| names.iter().map(move |name| directory.join(name)));
    let on_path = std::iter::once_with(|| on_path(context)).flatten();
    set(false).chain(on_path).chain(set(true)).chain(well_known)
}

fn on_path(context: &Context) -> impl Iterator<Item = PathBuf> {
    // A relative entry of PATH is relative to the working directory, as it is for a shell.
    let all = move |path| which::which_in_all("az", Some(path), context.directory.as_path()).into_iter().flatten();
    context.variable("PATH").into_iter().flat_map(all)
}

/// Whether a file may be executed and is no copy of the shim.
pub(super) fn is_real(context: &Context, candidate: &Path) -> bool {
    std::fs::metadata(candidate).is_ok_and(|metadata| sys::is_executable(&metadata)) && !is_shim(context, candidate)
}

/// Looks for the mark, in native programs only: every real az but snap's is a script.
fn carries_mark(path: &Path) -> bool {
    let Ok(mut file) = File::open(path) else { return false };
    let mut head = [0; 4];
    let is_native = file.read_exact(&mut head).is_ok()
        && (head == *b"\x7fELF"
            || head[..2] == *b"MZ"
            || [0xfeed_facf, 0xcafe_babe, 0xcffa_edfe].contains(&u32::from_be_bytes(head)));
    let mut bytes = Vec::new();
    is_native && file.read_to_end(&mut bytes).is_ok() && find_bytes(&bytes, &MARK)
}

fn find_bytes(text: &[u8], wanted: &[u8]) -> bool {
    text.windows(wanted.len()).any(|window| window[0] == wanted[0] && window == wanted)
}

/// There is no real az, in the words that callers look for: the SDKs for Azure search stderr for `az:.*not found`, on
/// Windows for `'az' is not recognized` at its beginning.
fn none_found() -> Failure {
    let what = if cfg!(windows) {
        "'az' is not recognized as an internal or external command,\noperable program or batch file."
    } else {
        "az: command not found"
    };
    Failure::new(
        Kind::NoRealAz,
        what,
        "azward stands in for the Azure CLI and there is none behind it: install it, or name it in AZWARD_REAL_AZ",
    )
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use crate::context::HOME;

    fn executable(path: &Path, bytes: &[u8]) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
        sys::set_mode(path, 0o755).unwrap();
    }

    fn context(dir: &Path, path: &str, extra: &[(&str, &str)]) -> Context {
        let mut variables = vec![(HOME.into(), dir.into()), ("PATH".into(), path.into())];
        variables.extend(extra.iter().map(|(name, value)| ((*name).into(), (*value).into())));
        Context::new(variables, Some(dir.join("shim/az")))
    }

    #[test]
    fn ourselves_and_every_copy_of_us_are_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).join("az");
        let mut copy = b"\x7fELF....".to_vec();
        copy.extend_from_slice(&MARK);
        executable(&at("shim"), b"#!/bin/sh\n");
        executable(&at("copy"), &copy);
        executable(&at("real"), b"#!/bin/sh\n");
        std::os::unix::fs::symlink(dir.path().join("shim"), dir.path().join("link")).unwrap();
        let path = ["link", "shim", "copy", "real"].map(|name| dir.path().join(name).display().to_string()).join(":");
        let context = context(dir.path(), &path, &[]);
        assert_eq!(find(&context, &Settings::default(), &[]).unwrap(), at("real"));
        let failure = find(&context, &Settings::default(), &[at("real")]).map(|path| path.starts_with(dir.path()));
        assert!(!failure.unwrap_or(false), "what was tried is not tried again");
    }

    #[test]
    fn a_packaged_az_that_gave_its_place_to_the_shim_is_found_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let (shim, first) = (dir.path().join("shim/az"), dir.path().join("usr"));
        executable(&shim, b"#!/bin/sh\n");
        executable(&first.join(DIVERTED), b"#!/bin/sh\n");
        executable(&dir.path().join("other/az"), b"#!/bin/sh\n");
        executable(&dir.path().join("other").join(DIVERTED), b"#!/bin/sh\n");
        std::os::unix::fs::symlink(&shim, first.join("az")).unwrap();
        let path = |names: &[&str]| {
            names.iter().map(|n| dir.path().join(n).display().to_string()).collect::<Vec<_>>().join(":")
        };
        let found = |names: &[&str]| find(&context(dir.path(), &path(names), &[]), &Settings::default(), &[]).unwrap();
        assert_eq!(found(&["shim", "usr", "other"]), first.join(DIVERTED));
        assert_eq!(found(&["other", "usr"]), dir.path().join("other/az"));
        let pinned = Settings::default().pinning(Some(first.join("az")));
        assert_eq!(find(&context(dir.path(), "/nonexistent", &[]), &pinned, &[]).unwrap(), first.join(DIVERTED));
    }

    #[test]
    fn a_link_is_called_by_its_own_name_and_a_pin_serves_where_path_has_none() {
        let dir = tempfile::tempdir().unwrap();
        executable(&dir.path().join("cellar/az"), b"#!/bin/sh\n");
        executable(&dir.path().join("pinned/az"), b"#!/bin/sh\n");
        std::fs::create_dir(dir.path().join("bin")).unwrap();
        std::os::unix::fs::symlink(dir.path().join("cellar/az"), dir.path().join("bin/az")).unwrap();
        let path = dir.path().join("bin").display().to_string();
        let pinned = Settings::default().pinning(Some(dir.path().join("pinned/az")));
        let gone = Settings::default().pinning(Some(dir.path().join("gone/az")));
        let found = |settings: &Settings, path: &str, extra: &[(&str, &str)]| {
            let context = context(dir.path(), path, extra);
            find(&context, &settings.clone().with_environment(&context), &[]).unwrap()
        };
        for settings in [&gone, &pinned] {
            assert_eq!(found(settings, &path, &[]), dir.path().join("bin/az"));
        }
        assert_eq!(found(&pinned, "/nonexistent", &[]), dir.path().join("pinned/az"));
        let named = dir.path().join("cellar/az").display().to_string();
        assert_eq!(found(&pinned, &path, &[("AZWARD_REAL_AZ", &named)]), dir.path().join("cellar/az"));
    }
}
