//! The real Azure CLI, made once into a virtual environment in the user's cache directory and shared by every test binary,
//! the demo, and every clone of this repository: only a new machine pays for it.
//!
//! A virtual environment cannot be moved once it is made, so it is made in its final place and a stamp beside its files
//! says that it is whole; what has no stamp is thrown away and made again. Processes that race for it wait for one
//! another on a file lock, which the kernel drops when its holder dies. This file stands alone, so that `examples/demo.rs`
//! can include it by path.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The version of the Azure CLI that azward is tested with.
pub(crate) const AZURE_CLI_VERSION: &str = "2.91.0";

/// How often a long step says that it is still under way.
const PROGRESS: Duration = Duration::from_secs(10);

/// Returns the real az: the one that `AZWARD_TEST_AZ` names, else the one in [`cache_dir`], made first if it is missing.
///
/// # Panics
/// With what to do about it, when it cannot be made.
pub(crate) fn real_az() -> PathBuf {
    if let Some(named) = std::env::var_os("AZWARD_TEST_AZ").filter(|value| !value.is_empty()) {
        let named = PathBuf::from(named);
        assert!(
            named.is_absolute() && named.is_file(),
            "AZWARD_TEST_AZ is `{}`: no absolute path of a file",
            named.display()
        );
        return named;
    }
    let venv = cache_dir().join(format!("azure-cli-{AZURE_CLI_VERSION}-python{}", python_version()));
    // The second half notices a Python that was uninstalled since: the environment's own is only a link to it.
    let is_whole = |venv: &Path| has_stamp(venv, AZURE_CLI_VERSION) && venv.join("bin/python3").exists();
    make_once(&venv, AZURE_CLI_VERSION, is_whole, make_venv);
    venv.join("bin/az")
}

/// Where what is installed for tests is kept between runs and clones, each under a name with its version:
/// `AZWARD_TEST_CACHE`, else `azward-tests` in the user's cache directory.
pub(crate) fn cache_dir() -> PathBuf {
    let named = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    named("AZWARD_TEST_CACHE").unwrap_or_else(|| {
        let caches = named("XDG_CACHE_HOME").or_else(|| Some(named("HOME")?.join(".cache")));
        caches.unwrap_or_else(target_dir).join("azward-tests")
    })
}

/// The version of Python that a virtual environment is made with, and works with: "3.11".
pub(crate) fn python_version() -> String {
    let ask = ["-c", "import sys; print('%d.%d' % sys.version_info[:2])"];
    let answer = Command::new("python3").args(ask).output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&answer).trim().to_owned()
}

/// The package's `target` directory, whatever `CARGO_TARGET_DIR` says: what is costly to make is shared by all of them.
pub(crate) fn target_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target")
}

/// Tells whether `directory` was made whole from what `stamp` stands for.
pub(crate) fn has_stamp(directory: &Path, stamp: &str) -> bool {
    std::fs::read_to_string(directory.join("made.stamp")).is_ok_and(|text| text == stamp)
}

/// Has `make` fill `directory` unless `is_whole` says that this was done already, in this process or in another.
pub(crate) fn make_once(directory: &Path, stamp: &str, is_whole: impl Fn(&Path) -> bool, make: impl FnOnce(&Path)) {
    if is_whole(directory) {
        return;
    }
    let parent = directory.parent().expect("it is below a directory");
    std::fs::create_dir_all(parent).unwrap_or_else(|error| panic!("cannot create `{}`: {error}", parent.display()));
    let _lock = lock(&with_suffix(directory, ".lock"));
    if is_whole(directory) {
        return;
    }
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            panic!("cannot remove the unfinished `{}`: {error}", directory.display());
        }
        _ => {}
    }
    make(directory);
    std::fs::write(directory.join("made.stamp"), stamp)
        .unwrap_or_else(|error| panic!("cannot finish `{}`: {error}", directory.display()));
}

/// Says something to the person who waits, past libtest's capture.
#[allow(clippy::disallowed_methods, reason = "it is no part of azward")]
pub(crate) fn announce(text: &str) {
    // A lost line is no reason to fail.
    let _ = std::io::stderr().write_all(format!("{text}\n").as_bytes());
}

fn lock(path: &Path) -> File {
    let open = OpenOptions::new().write(true).create(true).truncate(false).open(path);
    let file = open.unwrap_or_else(|error| panic!("cannot open `{}`: {error}", path.display()));
    let taken = match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => {
            announce(&format!("waiting for another process that is making `{}`", path.with_extension("").display()));
            file.lock()
        }
        Err(TryLockError::Error(error)) => Err(error),
    };
    taken.unwrap_or_else(|error| panic!("cannot lock `{}`: {error}", path.display()));
    file
}

fn make_venv(venv: &Path) {
    announce(&format!(
        "making azure-cli {AZURE_CLI_VERSION} in `{}` with Python's venv and pip: about a minute, once \
         (AZWARD_TEST_AZ names another az to use instead)",
        venv.display()
    ));
    let started = Instant::now();
    let log = with_suffix(venv, ".log");
    // That of an attempt before; where there is none, so much the better.
    let _ = std::fs::remove_file(&log);
    let python = venv.join("bin/python3");
    let package = format!("azure-cli=={AZURE_CLI_VERSION}");
    step("python3 -m venv", &log, Command::new("python3").args(["-m", "venv"]).arg(venv)).unwrap_or_else(|trouble| {
        panic!(
            "{trouble}\nthe tests run the real Azure CLI and make it with Python: install python3 with its venv module \
             (Debian: apt-get install python3-venv) or set AZWARD_TEST_AZ to an az of version {AZURE_CLI_VERSION}"
        )
    });
    // Compiled below instead, on every core.
    let pip = ["-m", "pip", "install", "--no-compile", "--progress-bar=off", &package];
    step("pip install azure-cli", &log, Command::new(&python).args(pip)).unwrap_or_else(|trouble| {
        panic!(
            "{trouble}\npip needs the network (or a mirror in pip.conf), 1 GB of disk and a Python that azure-cli knows"
        )
    });
    // A file that this Python cannot compile is one that it never imports: its complaint is in the log.
    let compile = ["-m", "compileall", "-q", "-j", "0"];
    let _ = step("compileall", &log, Command::new(&python).args(compile).arg(venv.join("lib")));
    announce(&format!("azure-cli {AZURE_CLI_VERSION} is ready after {} s", started.elapsed().as_secs()));
}

/// Runs one step with its output in `log`, saying now and then that it is under way.
pub(crate) fn step(name: &str, log: &Path, command: &mut Command) -> Result<(), String> {
    let output = OpenOptions::new().create(true).append(true).open(log).map_err(|error| error.to_string())?;
    let errors = output.try_clone().map_err(|error| error.to_string())?;
    command.stdin(Stdio::null()).stdout(output).stderr(errors).env("PIP_USER", "0");
    for variable in ["PYTHONDONTWRITEBYTECODE", "PYTHONHOME", "PYTHONPATH"] {
        command.env_remove(variable);
    }
    let mut child = command.spawn().map_err(|error| format!("cannot start {name}: {error}"))?;
    let started = Instant::now();
    let mut said = started;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(|error| format!("cannot wait for {name}: {error}"))? {
            break status;
        }
        if said.elapsed() >= PROGRESS {
            announce(&format!("  {name}: {} s", started.elapsed().as_secs()));
            said = Instant::now();
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    if status.success() {
        return Ok(());
    }
    let said = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = said.lines().collect();
    let end = lines[lines.len().saturating_sub(15)..].join("\n");
    Err(format!("{name} failed ({status}); the end of `{}`:\n{end}", log.display()))
}

/// The path with something put after its last name.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
