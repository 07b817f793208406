//! A machine with Windows: a wine prefix of a test's own, with the real Azure CLI where Microsoft's installer puts it, a user
//! who has nothing yet, and the stand-in for Entra ID as az's cloud. What runs there runs on the wine server of that prefix
//! alone, which is ended with the machine, and what a machine leaves in its user's files is searched for secrets first.
//! A command that hangs is ended, and fails its test.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use entra::{Entra, Knobs, Options, Rolling};

use super::support::outcome::Outcome;
use super::windows_az::windows_az;

/// Names a wine prefix that can run what is built here; every machine gets a copy of it (`.ci/windows` makes it).
const PREFIX: &str = "AZWARD_TEST_WINE_PREFIX";

/// Names the directory with the programs built for Windows.
const PROGRAMS: &str = "AZWARD_TEST_WINDOWS";

/// How long a command may take: an az takes half a minute on a busy machine.
const DEADLINE: Duration = Duration::from_secs(300);

/// How much longer than its command somebody may hold an output.
const LAG: Duration = Duration::from_secs(5);

/// Where the Azure CLI is installed, and what is on every user's PATH of it.
const CLI: &str = r"C:\Program Files\Microsoft SDKs\Azure\CLI2";

/// One test's machine.
pub(crate) struct Machine {
    _directory: tempfile::TempDir,
    prefix: PathBuf,
    /// The name of the one who is logged on.
    user: String,
    entra: Entra,
    environment: BTreeMap<String, String>,
}

impl Machine {
    /// One with nothing of azward's on it.
    pub(crate) fn new() -> Self {
        let template = PathBuf::from(std::env::var_os(PREFIX).expect(".ci/windows sets it: run these tests with that"));
        let directory = tempfile::Builder::new().prefix("azward-windows-").tempdir().expect("there is room for one");
        let prefix = directory.path().join("prefix");
        fs::create_dir_all(prefix.join("drive_c")).expect("the directory is ours");
        let copy = |from: &Path, to: &Path| {
            let status = Command::new("cp").arg("-a").arg(from).arg(to).status();
            assert!(status.is_ok_and(|status| status.success()), "cannot copy `{}`", from.display());
        };
        for part in fs::read_dir(&template).expect("the prefix can be read").flatten() {
            if part.file_name() != "drive_c" {
                copy(&part.path(), &prefix);
            }
        }
        for part in fs::read_dir(template.join("drive_c")).expect("a prefix has it").flatten() {
            match part.file_name() == "windows" {
                // Half a gigabyte, and nothing is changed in it.
                true => symlink(part.path(), prefix.join("drive_c/windows")).expect("the directory is ours"),
                false => copy(&part.path(), &prefix.join("drive_c")),
            }
        }
        let users = fs::read_dir(prefix.join("drive_c/users")).expect("a prefix has it").flatten();
        let mut users = users.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| name != "Public");
        let user = users.next().expect("a prefix has a user");
        let above = prefix.join("drive_c/Program Files/Microsoft SDKs/Azure");
        fs::create_dir_all(&above).expect("the directory is ours");
        symlink(windows_az(), above.join("CLI2")).expect("the directory is ours");
        let knobs = Knobs { rolling: Rolling::Strict, ..Knobs::default() };
        let entra = Entra::start(Options::new(directory.path().join("entra-ca.pem")).knobs(knobs))
            .expect("the stand-in starts");
        let mut machine = Self { _directory: directory, prefix, user, entra, environment: BTreeMap::new() };
        machine.prepare();
        machine
    }

    fn prepare(&mut self) {
        let config_dir = self.config_dir();
        for (name, value) in self.entra.az_environment(&config_dir) {
            // The default one is to be found by default; of two names that differ in case Windows has one.
            if name != "AZURE_CONFIG_DIR" && name != "no_proxy" {
                self.environment.insert(name, value);
            }
        }
        self.environment.insert("REQUESTS_CA_BUNDLE".to_owned(), windows_path(self.entra.ca_file()));
        self.environment.insert("WINEPATH".to_owned(), format!(r"{}\.azward\bin;{CLI}\wbin", self.profile_name()));
        self.entra.write_az_config(&config_dir, entra::CLOUD_NAME).expect("the machine can be written");
        let config = config_dir.join("config");
        let text = fs::read_to_string(&config).expect("it was just written");
        // The broker is Windows' own, and wine has none.
        let core = "[core]\ncollect_telemetry = false\ninstance_discovery = false\nlogin_experience_v2 = off\n\
                    enable_broker_on_windows = false\n\n";
        fs::write(&config, text + core).expect("the machine can be written");
        // It stays until the machine goes, so that no command waits for a boot.
        let mut server = Command::new("wineserver");
        let status = server.arg("-p").env("WINEPREFIX", &self.prefix).stdin(Stdio::null()).status();
        assert!(status.is_ok_and(|status| status.success()), "wine has no server");
        // Whom the first command has Windows start holds what that one has open.
        let mut first = self.command(["cmd", "/c", "exit 0"]);
        let status = first.stdout(Stdio::null()).stderr(Stdio::null()).status();
        assert!(status.is_ok_and(|status| status.success()), "wine does not start");
    }

    /// The stand-in.
    pub(crate) fn entra(&self) -> &Entra {
        &self.entra
    }

    /// The home of the one who is logged on, as this system names it.
    pub(crate) fn profile(&self) -> PathBuf {
        self.prefix.join("drive_c/users").join(&self.user)
    }

    /// The same as Windows does.
    pub(crate) fn profile_name(&self) -> String {
        format!(r"C:\users\{}", self.user)
    }

    /// az's config directory.
    pub(crate) fn config_dir(&self) -> PathBuf {
        self.profile().join(".azure")
    }

    /// azward's home.
    pub(crate) fn azward_home(&self) -> PathBuf {
        self.profile().join(".azward")
    }

    /// An installed program of azward's, by the name that Windows has for it.
    pub(crate) fn installed(&self, program: &str) -> String {
        format!(r"{}\.azward\bin\{program}", self.profile_name())
    }

    /// A program as it was built.
    pub(crate) fn built(program: &str) -> String {
        windows_path(&Self::built_at(program))
    }

    /// The same as this system names it.
    pub(crate) fn built_at(program: &str) -> PathBuf {
        let built = PathBuf::from(std::env::var_os(PROGRAMS).expect(".ci/windows sets it: run these tests with that"));
        built.join(program)
    }

    /// A command, with nothing of this system's environment but what wine needs.
    pub(crate) fn command(&self, line: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new("/usr/lib/wine/wine64");
        command.args(line).env_clear().envs(&self.environment);
        let own = [("WINEPREFIX", self.prefix.as_os_str()), ("WINEDEBUG", OsStr::new("-all"))];
        command
            .envs(own)
            .env("HOME", self.prefix.parent().expect("it is below the machine's"))
            .env("PATH", "/usr/bin:/bin");
        command.current_dir(self.profile()).stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    #[track_caller]
    pub(crate) fn run(&self, line: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Outcome {
        finish(self.command(line))
    }

    /// The shim, as it was installed.
    #[track_caller]
    pub(crate) fn az(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Outcome {
        self.run(line(&[&self.installed("az.exe")], arguments))
    }

    /// The Azure CLI behind it, as a shell starts it.
    #[track_caller]
    pub(crate) fn real_az(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Outcome {
        let az = format!(r"{CLI}\wbin\az.cmd");
        self.run(line(&["cmd", "/c", &az], arguments))
    }

    /// azward, as it was installed.
    #[track_caller]
    pub(crate) fn azward(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Outcome {
        self.run(line(&[&self.installed("azward.exe")], arguments))
    }

    /// A Python program, in the Azure CLI's own Python.
    pub(crate) fn python(&self, program: &str, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let python = format!(r"{CLI}\python.exe");
        self.command(line(&[&python, "-IBc", program], arguments))
    }

    /// What a file that az sealed opens to, by the library that az has for it.
    #[track_caller]
    pub(crate) fn opened(&self, name: &str) -> String {
        const OPEN: &str = "\
import sys
from msal_extensions.windows import WindowsDataProtectionAgent
sys.stdout.reconfigure(newline='')
sys.stdout.write(WindowsDataProtectionAgent().unprotect(open(sys.argv[1], 'rb').read()))";
        let path = format!(r"{}\.azure\{name}", self.profile_name());
        finish(self.python(OPEN, [&*path])).ok().out()
    }
}

impl Machine {
    /// The files of the one who is logged on that have a refresh token or a principal's secret in the clear.
    fn files_with_secrets(&self) -> Vec<PathBuf> {
        let mut secrets = self.entra.refresh_tokens_issued();
        secrets.push(self.entra.client_secret().to_owned());
        let has_one = |bytes: &[u8]| {
            let has = |secret: &String| memchr::memmem::find(bytes, secret.as_bytes()).is_some();
            secrets.iter().any(has)
        };
        let (mut found, mut directories) = (Vec::new(), vec![self.profile()]);
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => directories.push(entry.path()),
                    Ok(kind) if kind.is_file() && fs::read(entry.path()).is_ok_and(|bytes| has_one(&bytes)) => {
                        found.push(entry.path());
                    }
                    _ => {}
                }
            }
        }
        found
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let found = self.files_with_secrets();
        // That of this prefix alone.
        let _ = Command::new("wineserver").arg("-k").env("WINEPREFIX", &self.prefix).stdin(Stdio::null()).status();
        assert!(found.is_empty() || std::thread::panicking(), "secrets lie in the clear in {found:?}");
    }
}

/// These words, then those.
fn line(first: &[&str], rest: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Vec<OsString> {
    let first = first.iter().map(OsString::from);
    first.chain(rest.into_iter().map(|word| word.as_ref().to_owned())).collect()
}

/// What is written to a path of this system in Windows' words: the drive that wine has for it.
pub(crate) fn windows_path(path: &Path) -> String {
    format!("Z:{}", path.to_str().expect("the path is text").replace('/', "\\"))
}

/// Runs a command to its end, and to that of its output.
#[track_caller]
pub(crate) fn finish(mut command: Command) -> Outcome {
    let line = line_of(&command);
    let started = Instant::now();
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("wine is installed");
    let outcome = collect(child, line, started);
    assert!(outcome.pipe_lag < LAG, "somebody held the output after {outcome:?}");
    outcome
}

/// The same of one that was started, whose outputs are pipes.
#[track_caller]
pub(crate) fn collect(mut child: Child, line: String, started: Instant) -> Outcome {
    let outputs = [
        child.stdout.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
        child.stderr.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
    ];
    let outputs = outputs.map(|pipe| {
        let (told, heard) = channel();
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = pipe.map(|mut pipe| pipe.read_to_end(&mut bytes));
            told.send(bytes)
        });
        heard
    });
    let status = loop {
        if let Some(status) = child.try_wait().expect("it is our child") {
            break status;
        }
        if started.elapsed() > DEADLINE {
            let _ = child.kill();
            let _ = child.wait();
            panic!("not over after {} s: {line}", DEADLINE.as_secs());
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let over = Instant::now();
    let [stdout, stderr] = outputs.map(|output| {
        output.recv_timeout(DEADLINE).unwrap_or_else(|_| panic!("somebody still holds the output of {line}"))
    });
    Outcome { line, status, stdout, stderr, took: over - started, pipe_lag: over.elapsed() }
}

/// A command as it is typed.
pub(crate) fn line_of(command: &Command) -> String {
    command.get_args().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
