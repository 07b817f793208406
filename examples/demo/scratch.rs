//! The scratch home: an environment with nothing of the machine's in it, a stand-in Entra ID that it trusts, and the
//! commands that a person would type there. Every command's output is searched for refresh tokens.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use azward::sys;
use entra::{Entra, Options};
use serde_json::Value;
use tempfile::TempDir;

use crate::canary::{self, Search};
use crate::config_dir::ConfigDir;
use crate::screen::Screen;

/// The scratch home and what is in it.
pub(crate) struct Scratch {
    directory: TempDir,
    root: PathBuf,
    /// The real az, as it was provisioned.
    pub(crate) real_az: PathBuf,
    /// The directory of the programs that were built.
    pub(crate) programs: PathBuf,
    /// The stand-in.
    pub(crate) entra: Entra,
    environment: RefCell<BTreeMap<OsString, OsString>>,
    searched: Cell<usize>,
}

/// What a command said.
pub(crate) struct Answer {
    pub(crate) is_success: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Answer {
    /// The output as JSON.
    pub(crate) fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.stdout).context("az did not answer with JSON")
    }
}

impl Scratch {
    /// Makes the home and starts the stand-in.
    pub(crate) fn new(real_az: &Path, programs: &Path) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("azward-demo-").tempdir()?;
        let root = directory.path().canonicalize()?;
        for name in ["home", "tmp", "run"] {
            std::fs::create_dir(root.join(name))?;
        }
        let entra = Entra::start(Options::new(root.join("ca.pem"))).context("the stand-in does not start")?;
        let home = root.join("home");
        entra.write_az_config(&home.join(".azure"), entra::CLOUD_NAME)?;
        let mut environment: BTreeMap<OsString, OsString> =
            entra.az_environment(&home).into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        // The config directory is the default one, below the home.
        environment.remove(&OsString::from("AZURE_CONFIG_DIR"));
        environment.extend([
            ("HOME".into(), home.into()),
            ("LANG".into(), "C.UTF-8".into()),
            ("TMPDIR".into(), root.join("tmp").into()),
            // Where a session bus would be looked for: the demo leaves the keyring of whoever runs it alone.
            ("XDG_RUNTIME_DIR".into(), root.join("run").into()),
        ]);
        let scratch = Self {
            directory,
            root,
            real_az: real_az.to_owned(),
            programs: programs.to_owned(),
            entra,
            environment: RefCell::new(environment),
            searched: Cell::new(0),
        };
        scratch.set_path(&[scratch.real_az_directory()?])?;
        Ok(scratch)
    }

    /// Puts directories on PATH, before the system's.
    pub(crate) fn set_path(&self, first: &[&Path]) -> Result<()> {
        let system = [Path::new("/usr/bin"), Path::new("/bin")];
        let path = std::env::join_paths(first.iter().copied().chain(system))?;
        self.environment.borrow_mut().insert("PATH".into(), path);
        Ok(())
    }

    pub(crate) fn real_az_directory(&self) -> Result<&Path> {
        self.real_az.parent().context("the real az is in no directory")
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    /// The home's own Azure config directory.
    pub(crate) fn config(&self) -> ConfigDir {
        ConfigDir::at(self.home().join(".azure"))
    }

    pub(crate) fn azward_home(&self) -> PathBuf {
        self.home().join(".azward")
    }

    /// A copy of the Azure config directory as it is now.
    pub(crate) fn copy_config(&self, name: &str) -> ConfigDir {
        self.config().copy_to(self.root.join(name))
    }

    /// A path as a person at home here would write it.
    pub(crate) fn shown(&self, path: &Path) -> String {
        path.strip_prefix(self.home())
            .map_or_else(|_| path.display().to_string(), |rest| format!("~/{}", rest.display()))
    }

    /// Types `az` and these words.
    pub(crate) fn az(&self, screen: &mut Screen, words: &[&str]) -> Result<Answer> {
        screen.command(&format!("az {}", words.join(" ")), || self.run(Path::new("az"), words, None))
    }

    /// Runs `az` as [`Self::az`] does and takes nothing but success.
    pub(crate) fn az_ok(&self, screen: &mut Screen, words: &[&str]) -> Result<Answer> {
        let answer = self.az(screen, words)?;
        ensure!(answer.is_success, "untrue: `az {}` succeeds; it said: {}", words.join(" "), answer.stderr.trim());
        Ok(answer)
    }

    /// Runs the real az, without azward, on a config directory: this home's or a copy.
    pub(crate) fn real_az(&self, screen: &mut Screen, config: &ConfigDir, words: &[&str]) -> Result<Answer> {
        let name = self.shown(config.path());
        let name = name.rsplit_once("/copy-").map_or(name.clone(), |_| "the-copy".to_owned());
        let line = format!("AZURE_CONFIG_DIR={name} real-az {}", words.join(" "));
        screen.command(&line, || self.run(&self.real_az, words, Some(config.path())))
    }

    /// Runs a program of azward's and takes nothing but success; `line` is what is shown.
    pub(crate) fn azward(&self, screen: &mut Screen, program: &Path, words: &[&str]) -> Result<Answer> {
        let answer = screen.command(&format!("azward {}", words.join(" ")), || self.run(program, words, None))?;
        ensure!(answer.is_success, "untrue: `azward {}` succeeds; it said: {}", words.join(" "), answer.stderr.trim());
        Ok(answer)
    }

    /// Runs a command without showing it.
    pub(crate) fn run(&self, program: &Path, words: &[&str], config: Option<&Path>) -> Result<(Answer, Duration)> {
        let mut command = Command::new(program);
        command.args(words).env_clear().envs(self.environment.borrow().iter()).current_dir(self.home());
        if let Some(config) = config {
            command.env("AZURE_CONFIG_DIR", config);
        }
        let began = Instant::now();
        let output =
            command.stdin(Stdio::null()).output().with_context(|| format!("cannot start `{}`", program.display()))?;
        let took = began.elapsed();
        if sys::pending_signal().is_some() {
            bail!("interrupted");
        }
        for text in [&output.stdout, &output.stderr] {
            self.searched.set(self.searched.get() + text.len());
            ensure!(!canary::is_in(text), "untrue: no output has a refresh token in it: `{}`", program.display());
        }
        let text = |bytes| String::from_utf8(bytes).context("az did not answer with text");
        let is_success = output.status.success();
        Ok((Answer { is_success, stdout: text(output.stdout)?, stderr: text(output.stderr)? }, took))
    }

    /// Searches every file of the home for refresh tokens in the clear.
    pub(crate) fn search(&self) -> Search {
        Search::below(&self.home(), &[])
    }

    /// How many bytes of output were searched so far.
    pub(crate) fn output_searched(&self) -> usize {
        self.searched.get()
    }

    /// Stops the stand-in, removes everything, and says what was removed.
    pub(crate) fn remove(self) -> Result<PathBuf> {
        let Self { directory, root, entra, .. } = self;
        drop(entra);
        directory.close().with_context(|| format!("cannot remove `{}`", root.display()))?;
        Ok(root)
    }
}
