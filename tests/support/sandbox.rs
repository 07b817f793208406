//! A box: one test's home, config directory, azward home, temporary directory and PATH, in a directory of its own, with an
//! environment that has nothing of the machine's in it. The shim is first on PATH, then the az that it wraps, then the
//! system's directories.
//!
//! When a box is dropped, every file in it is searched for secrets in the clear ([`canary`]), as all output of its commands was
//! before; a finding fails the test. A test that leaves one on purpose says so with [`Sandbox::expect_clear`].

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use assert_fs::TempDir;
use assert_fs::fixture::{ChildPath, PathChild, PathCreateDir};
use entra::{Entra, Knobs, Options, User};
use serde_json::Value;

use super::canary::{self, PrivateKey, Search, Wanted};
use super::config_dir::ConfigDir;
use super::earned;
use super::fake_az::fake_az;
use super::invocation::Invocation;
use super::outcome::Outcome;
use super::programs;
use super::provision;
use super::surroundings;

/// How every box hands the secrets over, unless its test says otherwise.
const EXPOSURE: &str = "AZWARD_TEST_EXPOSURE";

/// A `systemd-creds` that can do nothing, first on PATH.
const SYSTEMD_CREDS: &str = "bin/systemd-creds";

/// One test's box.
pub(crate) struct Sandbox {
    name: String,
    // Removes the directory when dropped, after the search.
    _directory: TempDir,
    root: ChildPath,
    /// The directory in memory that the system gives to a user who is logged in, where there is a place for it.
    memory: Option<tempfile::TempDir>,
    /// The az behind the shim, as it stands on PATH.
    wrapped_az: PathBuf,
    /// The programs that the box was given; as long as they are links to what was built there is nothing to search in them.
    programs: Vec<PathBuf>,
    changing: Mutex<Changing>,
}

struct Changing {
    environment: BTreeMap<OsString, OsString>,
    expected: Vec<PathBuf>,
    search: Search,
}

impl Sandbox {
    /// A box without an az to wrap, named for its test.
    pub(crate) fn new() -> Self {
        surroundings::take_back_signals();
        let directory = TempDir::with_prefix("azward-").expect("a temporary directory can be made");
        // On some systems the temporary directory is behind a link; what programs print has no link in it.
        let root = ChildPath::new(directory.path().canonicalize().expect("the directory was just made"));
        for (name, mode) in [("home", 0o755), ("bin", 0o755), ("real", 0o755), ("tmp", 0o700), ("run", 0o700)] {
            let child = root.child(name);
            child.create_dir_all().expect("the box is empty");
            fs::set_permissions(child, fs::Permissions::from_mode(mode)).expect("the directory is ours");
        }
        let (shim, wrapped_az) = (root.join("bin/az"), root.join("real/az"));
        install(&programs::shim(), &shim);
        // As the installer has it.
        install(&programs::azward(), &root.join("bin/azward"));
        // Whatever the machine's can: every box has the same key stores.
        symlink("/bin/false", root.join(SYSTEMD_CREDS)).expect("the box is empty");
        let closed = fs::Permissions::from_mode(0o700);
        let memory = tempfile::Builder::new().prefix("azward-box-").permissions(closed).tempdir_in("/dev/shm").ok();
        let runtime = memory.as_ref().map_or_else(|| root.join("run"), |memory| memory.path().to_owned());
        let path = [root.join("bin"), root.join("real"), "/usr/bin".into(), "/bin".into()];
        let environment = [
            ("HOME", root.join("home").into_os_string()),
            ("USER", "tester".into()),
            ("LOGNAME", "tester".into()),
            ("PATH", std::env::join_paths(path).expect("no colon in it")),
            ("LANG", "C.UTF-8".into()),
            ("TMPDIR", root.join("tmp").into_os_string()),
            // Where a session bus would be looked for; there is none, so that nobody's own keyring is touched.
            ("XDG_RUNTIME_DIR", runtime.into_os_string()),
            ("AZURE_CORE_COLLECT_TELEMETRY", "false".into()),
        ];
        let environment = environment.map(|(name, value)| (OsString::from(name), value)).into();
        let name = std::thread::current().name().unwrap_or("?").to_owned();
        let changing = Changing { environment, expected: Vec::new(), search: Search::default() };
        let sandbox = Self {
            name,
            _directory: directory,
            root,
            memory,
            wrapped_az,
            programs: vec![shim],
            changing: Mutex::new(changing),
        };
        if let Ok(exposure) = std::env::var(EXPOSURE) {
            sandbox.set_exposure(&exposure);
        }
        sandbox
    }

    /// Takes back every setting and all that is known, and the azward home with it, for a test of how nothing begins.
    pub(crate) fn forget_settings(&self) {
        // There is none unless an exposure was set, or something is known of its az.
        let _ = fs::remove_dir_all(self.azward_home());
    }

    /// Has the secrets handed over `private`, `in-place`, or as the machine allows (`auto`). Without a word, what the
    /// variable `AZWARD_TEST_EXPOSURE` says holds, so that the whole suite can be run either way.
    pub(crate) fn set_exposure(&self, exposure: &str) {
        self.set("exposure", exposure);
    }

    /// Has a setting hold.
    pub(crate) fn set(&self, name: &str, value: impl Into<Value>) {
        let path = self.made_azward_home().join("config.toml");
        let text = fs::read_to_string(&path).unwrap_or_default();
        let others = text.lines().filter(|line| !line.starts_with(&format!("{name} "))).map(str::to_owned);
        // A word or a number is written as JSON writes it.
        let lines: Vec<String> = others.chain([format!("{name} = {}\n", value.into())]).collect();
        fs::write(&path, lines.join("\n")).expect("the box can be written");
        // As azward makes it: one that others can read is closed, and that is told.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("the file is ours");
    }

    /// Puts the real az behind the shim, of which azward knows already that it would say the same.
    pub(crate) fn with_real_az(self) -> Self {
        let sandbox = self.with_unknown_az();
        sandbox.know_real_az();
        sandbox
    }

    /// Has the azward home that the box has now know that azward would say the same as the real az.
    pub(crate) fn know_real_az(&self) {
        self.remember_az(earned::memory());
    }

    /// Puts the real az behind the shim, of which azward knows nothing yet.
    pub(crate) fn with_unknown_az(self) -> Self {
        self.with_az(provision::real_az())
    }

    /// Puts an az behind the shim that was made for all tests, or that somebody named.
    pub(crate) fn with_az(mut self, az: PathBuf) -> Self {
        if az.starts_with(provision::cache_dir()) {
            symlink(&az, &self.wrapped_az).expect("the box has no az yet");
            return self;
        }
        // One that was named may look for its files beside the path it was started by.
        let mut path = std::env::split_paths(&self.environment()[OsStr::new("PATH")]).collect::<Vec<_>>();
        path[1] = az.parent().expect("it is a file").to_owned();
        self.wrapped_az = az;
        self.with_env("PATH", std::env::join_paths(path).expect("no colon in it"))
    }

    /// Has the box's `systemd-creds` be the system's, and says whether that can seal and open here: as root with systemd's
    /// host key, or with a systemd that seals for users.
    pub(crate) fn with_systemd_creds(self) -> (Self, bool) {
        fs::remove_file(self.root.join(SYSTEMD_CREDS)).expect("the box has it");
        let user = if rustix::process::geteuid().is_root() { "" } else { "--user" };
        let seal = format!("systemd-creds encrypt {user} --name=x - - | systemd-creds decrypt {user} --name=x - -");
        let sealed = self.shell(&format!("printf sealed | ({seal})")).run();
        let can = sealed.out() == "sealed";
        if !can {
            provision::announce(&format!(
                "MISSING: systemd-creds does not seal here, so it is not tested: {}",
                sealed.err()
            ));
        }
        (self, can)
    }

    /// Has azward remember of every az what another azward home has in `run/az.json`.
    fn remember_az(&self, memory: &[u8]) {
        let run = self.made_azward_home().join("run");
        fs::create_dir_all(&run).expect("the box can be written");
        fs::set_permissions(&run, fs::Permissions::from_mode(0o700)).expect("the directory is ours");
        let path = run.join("az.json");
        fs::write(&path, memory).expect("the box can be written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("the file is ours");
    }

    /// The azward home, made as azward makes it if it is not there.
    fn made_azward_home(&self) -> PathBuf {
        let home = self.azward_home();
        fs::create_dir_all(&home).expect("the box can be written");
        fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).expect("the directory is ours");
        home
    }

    /// Puts the fake az behind the shim.
    pub(crate) fn with_fake_az(mut self) -> Self {
        install(&fake_az(), &self.wrapped_az);
        self.programs.push(self.wrapped_az.clone());
        self
    }

    /// Puts a `/bin/sh` script behind the shim.
    pub(crate) fn with_script_az(self, script: &str) -> Self {
        self.make_script(&self.wrapped_az, script);
        self
    }

    /// Makes an executable `/bin/sh` script.
    pub(crate) fn make_script(&self, path: &Path, script: &str) {
        let draft = tempfile::NamedTempFile::new_in(&self.root).expect("the box can be written");
        fs::write(draft.path(), format!("#!/bin/sh\n{script}\n")).expect("the box can be written");
        fs::set_permissions(draft.path(), fs::Permissions::from_mode(0o755)).expect("the file is ours");
        copy(draft.path(), path);
    }

    /// Puts a copy of the shim at `path`.
    pub(crate) fn copy_shim(&self, path: &Path) {
        copy(&self.shim(), path);
    }

    /// Has az and azward talk to a stand-in: its authority trusted, its cloud registered and active.
    pub(crate) fn with_entra(self, entra: &Entra) -> Self {
        self.use_entra(entra);
        self
    }

    /// Starts a stand-in and has az talk to it. Refresh tokens roll strictly unless `turn` says otherwise.
    pub(crate) fn start_entra(&self, turn: impl FnOnce(&mut Knobs)) -> Entra {
        let mut knobs = Knobs { rolling: entra::Rolling::Strict, ..Knobs::default() };
        turn(&mut knobs);
        let options = Options::new(self.root.join("entra-ca.pem")).knobs(knobs);
        let entra = Entra::start(options).expect("the stand-in starts");
        self.use_entra(&entra);
        entra
    }

    fn use_entra(&self, entra: &Entra) {
        for (name, value) in entra.az_environment(&self.config_dir()) {
            // The default one is to be found by default.
            if name != "AZURE_CONFIG_DIR" {
                self.set_env(name, value);
            }
        }
        entra.write_az_config(&self.config_dir(), entra::CLOUD_NAME).expect("the config directory can be written");
        // For commands in an environment of PATH alone, where the variables above are missing.
        let config = self.config_dir().join("config");
        let text = fs::read_to_string(&config).expect("it was just written");
        let core = "[core]\ncollect_telemetry = false\ninstance_discovery = false\nlogin_experience_v2 = off\n\n";
        fs::write(&config, text + core).expect("the config directory can be written");
    }

    pub(crate) fn with_env(self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.set_env(name, value);
        self
    }

    /// Changes the environment of the commands from now on.
    pub(crate) fn set_env(&self, name: impl Into<OsString>, value: impl Into<OsString>) {
        self.changing().environment.insert(name.into(), value.into());
    }

    /// The environment that commands are started with.
    pub(crate) fn environment(&self) -> BTreeMap<OsString, OsString> {
        self.changing().environment.clone()
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    /// The Azure config directory: `AZURE_CONFIG_DIR` of the box, else `.azure` in its home.
    pub(crate) fn config_dir(&self) -> PathBuf {
        self.environment().get(OsStr::new("AZURE_CONFIG_DIR")).map_or_else(|| self.home().join(".azure"), PathBuf::from)
    }

    pub(crate) fn config(&self) -> ConfigDir {
        ConfigDir::at(self.config_dir())
    }

    pub(crate) fn azward_home(&self) -> PathBuf {
        self.environment().get(OsStr::new("AZWARD_HOME")).map_or_else(|| self.home().join(".azward"), PathBuf::from)
    }

    /// The shim as it stands on PATH.
    pub(crate) fn shim(&self) -> PathBuf {
        self.root.join("bin/az")
    }

    /// The az behind the shim, as it stands on PATH.
    pub(crate) fn wrapped_az(&self) -> &Path {
        &self.wrapped_az
    }

    /// `az`, found on PATH: the shim.
    pub(crate) fn az(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Invocation<'_> {
        Invocation::new(self, "az").args(arguments)
    }

    /// The az behind the shim, alone.
    pub(crate) fn plain_az(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Invocation<'_> {
        Invocation::new(self, &self.wrapped_az).args(arguments)
    }

    pub(crate) fn azward(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Invocation<'_> {
        Invocation::new(self, programs::azward()).args(arguments)
    }

    /// A line of shell.
    pub(crate) fn shell(&self, line: &str) -> Invocation<'_> {
        Invocation::new(self, "/bin/sh").args(["-c", line])
    }

    /// Logs `user` in through the shim, by device code.
    pub(crate) fn login(&self, entra: &Entra, user: User) -> Outcome {
        entra.knobs(|knobs| knobs.next_login = user);
        self.az(["login", "--use-device-code"]).run().ok()
    }

    /// Logs `user` in with the az behind the shim, as if azward were not there.
    pub(crate) fn plain_login(&self, entra: &Entra, user: User) -> Outcome {
        entra.knobs(|knobs| knobs.next_login = user);
        self.plain_az(["login", "--use-device-code"]).run().ok()
    }

    /// What the fake az wrote down, oldest first (`fake_az/main.rs` makes the lines).
    pub(crate) fn fake_log(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.root.join("fake-az.log")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("the fake az writes JSON lines")).collect()
    }

    /// Says that secrets in the clear at `path`, or below it, are what the test is about.
    pub(crate) fn expect_clear(&self, path: impl Into<PathBuf>) {
        self.changing().expected.push(path.into());
    }

    /// Fails the test if there is a secret in the clear anywhere in the box. Nothing may be running.
    #[track_caller]
    pub(crate) fn assert_nothing_in_the_clear(&self) {
        let found = self.search_files();
        assert!(found.is_empty(), "a secret is in the clear in {found:?}");
    }

    /// Whether there is no secret in the clear anywhere in the box, at this moment.
    pub(crate) fn is_nothing_in_the_clear(&self) -> bool {
        let wanted = self.wanted();
        let changing = self.changing();
        let is_expected = |path: &PathBuf| changing.expected.iter().any(|expected| path.starts_with(expected));
        self.places().all(|place| Search::of(&wanted, place, &self.programs).found.iter().all(is_expected))
    }

    /// What is to be in no file of the box: all tokens where its azward seals them all.
    pub(crate) fn wanted(&self) -> Wanted {
        let settings = fs::read_to_string(self.azward_home().join("config.toml")).unwrap_or_default();
        let seals_all = settings.lines().any(|line| line.replace(' ', "") == "seal=\"all-tokens\"");
        let wanted = Wanted::always().and_keys(PrivateKey::made_below(&self.root));
        if seals_all { wanted.and_all_tokens() } else { wanted }
    }

    /// Searches what a command said; called by [`Invocation`] and its like.
    pub(crate) fn search_output(&self, command: &str, output: &[u8]) {
        self.changing().search.bytes += output.len() as u64;
        PrivateKey::believe(&self.root, command, output);
        let is_key = PrivateKey::made_below(&self.root).iter().any(|key| key.is_in(output));
        assert!(!is_key && !canary::is_in(output), "a secret is in the clear in the output of {command}");
    }

    /// The files with a secret in the clear that no test expects.
    fn search_files(&self) -> Vec<PathBuf> {
        let wanted = self.wanted();
        let mut changing = self.changing();
        let mut found = Vec::new();
        for search in self.places().map(|place| Search::of(&wanted, place, &self.programs)) {
            changing.search.files += search.files;
            changing.search.bytes += search.bytes;
            found.extend(search.found);
        }
        found.retain(|path| !changing.expected.iter().any(|expected| path.starts_with(expected)));
        changing.search.found.extend(found.iter().cloned());
        found
    }

    /// The box, and its directory in memory.
    fn places(&self) -> impl Iterator<Item = &Path> {
        [Some(self.root.path()), self.memory()].into_iter().flatten()
    }

    /// The directory in memory that the system gives to the box's user.
    pub(crate) fn memory(&self) -> Option<&Path> {
        self.memory.as_ref().map(tempfile::TempDir::path)
    }

    /// Empties the directory in memory, as the loss of power does.
    pub(crate) fn lose_memory(&self) {
        for entry in self.memory().and_then(|memory| fs::read_dir(memory).ok()).into_iter().flatten().flatten() {
            fs::remove_dir_all(entry.path()).expect("the box can be emptied");
        }
    }

    fn changing(&self) -> MutexGuard<'_, Changing> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // A test that fails already has said what is wrong; its box may be in any state.
        if std::thread::panicking() {
            return;
        }
        let found = self.search_files();
        self.changing().search.write_down(&self.name);
        assert!(found.is_empty(), "at the end of `{}` a secret is in the clear in {found:?}", self.name);
    }
}

/// Gives a program a second place: a hard link, so that it costs nothing, else a copy.
fn install(program: &Path, place: &Path) {
    if fs::hard_link(program, place).is_err() {
        copy(program, place);
    }
}

/// Copies a program by another process: a file that this one has open for writing, a child forked at that moment by another
/// test would hold open too, and then it cannot be executed.
fn copy(program: &Path, place: &Path) {
    let status = Command::new("cp").arg("--preserve=mode").arg(program).arg(place).status();
    assert!(status.is_ok_and(|status| status.success()), "cannot copy `{}`", program.display());
}
