//! Who calls: the program above this process that had it started, through shells that were given a line and programs that only
//! start others. It is known by the path and the owner of its file, and one whose code is in another file by that as well: never
//! by what it calls itself. A shell that reads from the terminal which is this process's own is a person.
//!
//! A program whose file is no longer under its path, or is another there, is not the one that is known by that path. Of one
//! that lets nobody look (another user's, as cron, sshd and sudo are) the name and the user count, which it cannot choose
//! either. What has lost its parent counts as what took it over. A process can write another command line over its own:
//! which file an interpreter has its code in is believed.

use std::fmt;
use std::fs::Metadata;
use std::path::{Path, PathBuf};

use super::command_line::{Code, Kind, kind_of, of_shell};
use super::known::Callers;
use crate::sys;
use crate::text;

/// More than any tree is deep.
const DEPTH: usize = 4096;

/// Where programs are that only root put there.
const DIRECTORIES: [&str; 6] = ["/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/opt/homebrew/bin"];

/// Where Nix has them.
const STORE: &str = "/nix/store";

/// Who had this process started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    /// Somebody at a shell, or what he is known to have started for this.
    Person,
    /// A program.
    Program(Program),
}

/// A program that calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Program {
    /// The path of its file; of one that lets nobody look, its name.
    pub(crate) path: String,
    /// The path of the file that its code is in, or `module:` and its name, where it is an interpreter.
    pub(crate) script: Option<String>,
    /// Whose its code is: the user's id.
    pub(crate) owner: String,
}

impl Program {
    /// Whether the system let nobody see its file.
    pub(crate) fn is_hidden(&self) -> bool {
        !self.path.contains('/')
    }

    /// What it is to be called in few words: the name of the file that its code is in.
    pub(crate) fn name(&self) -> String {
        let path = self.script.as_ref().unwrap_or(&self.path);
        path.rsplit('/').next().unwrap_or_default().to_owned()
    }

    /// As words of a command line.
    pub(crate) fn words(&self) -> String {
        let word = |path: &str| {
            let path = text::path(Path::new(path));
            let is_plain = |letter: char| letter.is_alphanumeric() || "/._-+:@,=".contains(letter);
            if path.chars().all(is_plain) { path } else { format!("'{}'", path.replace('\'', r"'\''")) }
        };
        let script = self.script.iter().map(|script| format!(" {}", word(script)));
        std::iter::once(word(&self.path)).chain(script).collect()
    }
}

impl fmt::Display for Program {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = text::path(Path::new(&self.path));
        match &self.script {
            Some(script) => write!(formatter, "`{}` (by `{path}`)", text::path(Path::new(script))),
            None if self.is_hidden() => write!(formatter, "`{path}` of user {}", text::name(&self.owner)),
            None => write!(formatter, "`{path}`"),
        }
    }
}

/// Who had this process started. `callers` knows for whom that was answered already.
pub(super) fn of_this_process(callers: &Callers) -> Caller {
    let ancestors = || std::iter::successors(Some(sys::parent_id()), |id| sys::parent_of(*id)).take(DEPTH);
    let is_there = |id: &u32| *id != 0;
    if ancestors().take_while(is_there).any(|id| callers.is_covered(id)) {
        return Caller::Person;
    }
    let terminal = sys::process_terminal(std::process::id());
    let mut outermost = None;
    for id in ancestors().take_while(is_there) {
        match Role::of(id, terminal) {
            Role::Person => return Caller::Person,
            Role::Program(program) => return Caller::Program(program),
            Role::Between(program) => outermost = Some(program),
        }
    }
    // It is outside of what can be seen from here: of this container.
    let outside = || Program { path: "outside".to_owned(), script: None, owner: "?".to_owned() };
    Caller::Program(outermost.unwrap_or_else(outside))
}

/// What a process above us is to us.
#[derive(Debug, PartialEq, Eq)]
enum Role {
    /// A shell that somebody types at.
    Person,
    /// Who calls.
    Program(Program),
    /// It does what the one above it said.
    Between(Program),
}

impl Role {
    fn of(id: u32, terminal: Option<u64>) -> Self {
        let file = match File::of(id) {
            Ok(file) => file,
            Err(hidden) => {
                let is_wrapper = || kind_of(&hidden.path, &[]).0 == Kind::Wrapper;
                let is_root_s = hidden.owner == "0" && sys::user_id() != "0";
                return if is_root_s && is_wrapper() { Self::Between(hidden) } else { Self::Program(hidden) };
            }
        };
        let arguments = sys::process_arguments(id).unwrap_or_default();
        let program = || Program { path: file.shown(), script: None, owner: file.owner.clone() };
        let name = file.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let (kind, words) = if file.is_itself { kind_of(&name, &arguments) } else { (Kind::Program, &[][..]) };
        let code = match kind {
            Kind::Program => return Self::Program(program()),
            Kind::Wrapper if file.is_the_system_s() => return Self::Between(program()),
            Kind::Wrapper => return Self::Program(program()),
            Kind::Shell => of_shell(words),
            Kind::Interpreter(family) => family.code_of(words),
        };
        match &code {
            Code::File(path) => return Self::Program(with_file(program(), id, path)),
            Code::Module(name) => {
                return Self::Program(Program { script: Some(format!("module:{name}")), ..program() });
            }
            Code::Words | Code::Input => {}
        }
        let is_shell = kind == Kind::Shell && file.is_the_system_s();
        if is_shell && code == Code::Words {
            return Self::Between(program());
        }
        if is_shell && code == Code::Input {
            let reads_it = |terminal: u64| {
                sys::process_terminal(id) == Some(terminal) && sys::reads_from(id, terminal) != Some(false)
            };
            if terminal.is_some_and(reads_it) {
                return Self::Person;
            }
            // A part of a pipeline that somebody typed.
            if sys::parent_of(id).is_some_and(|parent| sys::is_fork_of(id, parent)) {
                return Self::Between(program());
            }
        }
        Self::Program(program())
    }
}

/// The file that a process executes.
struct File {
    path: PathBuf,
    /// Whether that is what lies under the path.
    is_itself: bool,
    owner: String,
    metadata: Metadata,
}

impl File {
    /// That of a process; of one that lets nobody look, the program by its name.
    fn of(id: u32) -> Result<Self, Program> {
        let seen = || {
            let (path, opened) = (sys::program_path(id)?, sys::program_of(id)?);
            let metadata = std::fs::metadata(&opened)?;
            let is_itself =
                sys::file_identity(&opened).ok().is_some_and(|own| sys::file_identity(&path).ok() == Some(own));
            Ok::<_, std::io::Error>(Self { path, is_itself, owner: sys::owner_id(&metadata), metadata })
        };
        seen().map_err(|_| {
            let name = sys::process_name(id).unwrap_or_default().replace('/', "?");
            let owner = sys::process_user(id).unwrap_or_else(|| "?".to_owned());
            Program { path: if name.is_empty() { "?".to_owned() } else { name }, script: None, owner }
        })
    }

    fn shown(&self) -> String {
        let path = self.path.to_string_lossy();
        if self.is_itself { path.into_owned() } else { format!("{path} (another file)") }
    }

    /// Whether it is one of the system's own, which nobody but root can have put there.
    fn is_the_system_s(&self) -> bool {
        let is_in = |directory: &Path| {
            DIRECTORIES.iter().any(|known| directory == Path::new(known)) || directory.starts_with(STORE)
        };
        self.path.parent().is_some_and(is_in) && is_closed(&self.metadata)
    }
}

fn is_closed(metadata: &Metadata) -> bool {
    /// What others may do with it, by its mode.
    const OTHERS_WRITE: u32 = 0o022;
    sys::owner_id(metadata) == "0" && sys::mode_of(metadata) & OTHERS_WRITE == 0
}

/// Whether a file, and the directory that it is in, are root's, and nobody else can write them.
pub(super) fn is_writable_by_root_alone(path: &Path) -> bool {
    let Ok(path) = path.canonicalize() else { return false };
    [Some(&*path), path.parent()].into_iter().all(|path| {
        let metadata = path.and_then(|path| path.metadata().ok());
        metadata.is_some_and(|metadata| is_closed(&metadata))
    })
}

/// The program with its code in the file that a process was given by this path.
fn with_file(program: Program, id: u32, given: &[u8]) -> Program {
    let given = sys::path_from_bytes(given);
    let path = sys::process_directory(id).map_or_else(|| given.clone(), |directory| directory.join(&given));
    with_script(&program, &path).unwrap_or_else(|| Program {
        // It cannot be known by a path under which nothing is.
        script: Some(format!("{} (not there)", path.to_string_lossy())),
        ..program
    })
}

fn with_script(program: &Program, path: &Path) -> Option<Program> {
    let path = path.canonicalize().ok()?;
    let owner = sys::owner_id(&path.metadata().ok()?);
    Some(Program { script: Some(path.to_string_lossy().into_owned()), owner, ..program.clone() })
}

impl Program {
    /// The one that lies at `path`, with `script` as its code; `None` where nothing is there.
    pub(crate) fn at(path: &Path, script: Option<&str>) -> Option<Self> {
        let path = path.canonicalize().ok()?;
        let owner = sys::owner_id(&path.metadata().ok()?);
        let program = Self { path: path.to_string_lossy().into_owned(), script: None, owner };
        match script {
            None => Some(program),
            Some(module) if module.starts_with("module:") => Some(Self { script: Some(module.to_owned()), ..program }),
            Some(script) => with_script(&program, Path::new(script)),
        }
    }
}

/// The words after `#!` in a file: the interpreter and what it is given; `None` for a program that needs none.
pub(crate) fn interpreter_of(path: &Path) -> Option<Vec<String>> {
    use std::io::Read;
    let mut beginning = Vec::new();
    std::fs::File::open(path).ok()?.take(256).read_to_end(&mut beginning).ok()?;
    let line = beginning.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    Some(String::from_utf8_lossy(line).split_whitespace().map(str::to_owned).collect())
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::process::{Child, Command, Stdio};

    use super::*;

    /// Starts it. A program that was copied a moment ago may still be open for writing, in a child that another test is
    /// about to start.
    fn start(command: &mut Command) -> Child {
        loop {
            match command.spawn() {
                Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => std::thread::yield_now(),
                child => return child.unwrap(),
            }
        }
    }

    /// What a child is to us that ends when its input does.
    fn role_of(command: &mut Command) -> Role {
        let mut child = start(command.stdin(Stdio::piped()).stdout(Stdio::null()));
        let own = sys::program_path(std::process::id()).unwrap();
        // Until it is what it is going to be.
        let is_begun = || sys::process_arguments(child.id()).is_some_and(|arguments| !arguments.is_empty());
        while sys::program_path(child.id()).is_ok_and(|path| path == own) || !is_begun() {
            std::thread::yield_now();
        }
        let role = Role::of(child.id(), Some(1));
        drop(child.stdin.take());
        child.kill().unwrap();
        child.wait().unwrap();
        role
    }

    #[test]
    fn a_program_is_its_file_whatever_it_calls_itself() {
        use std::os::unix::process::CommandExt;
        let Role::Program(cat) = role_of(Command::new("cat").arg0("bash")) else { panic!("it is a program") };
        assert!(cat.path.ends_with("/cat") && cat.script.is_none(), "{cat:?}");
        let Role::Between(shell) = role_of(Command::new("sh").args(["-c", "read x; read y"])) else { panic!("a line") };
        assert!(shell.path.starts_with('/'), "{shell:?}");
        // It reads what nobody types.
        assert!(matches!(role_of(&mut Command::new("sh")), Role::Program(_)));
    }

    #[test]
    fn a_copy_of_a_shell_or_of_a_wrapper_is_a_program_of_its_own() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["sh", "timeout"] {
            let copy = directory.path().join(name);
            std::fs::copy("/bin/sh", &copy).unwrap();
            let Role::Program(program) = role_of(Command::new(&copy).args(["-c", "read x; read y"])) else {
                panic!("{name} is none of the system's")
            };
            assert_eq!(Path::new(&program.path), copy.canonicalize().unwrap());
        }
    }

    #[test]
    fn a_file_that_is_gone_or_another_is_not_the_one_that_is_known() {
        let directory = tempfile::tempdir().unwrap();
        let copy = directory.path().join("program");
        std::fs::copy("/bin/cat", &copy).unwrap();
        let mut child = start(Command::new(&copy).stdin(Stdio::piped()));
        while sys::program_path(child.id()).is_ok_and(|path| !path.ends_with("program")) {
            std::thread::yield_now();
        }
        let known = Program::at(&copy, None).unwrap();
        assert_eq!(Role::of(child.id(), None), Role::Program(known.clone()));
        std::fs::remove_file(&copy).unwrap();
        std::fs::copy("/bin/cat", &copy).unwrap();
        let Role::Program(now) = Role::of(child.id(), None) else { panic!("it is a program") };
        assert_ne!(now, known);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_program_is_told_by_its_code_and_its_words_are_those_of_a_command_line() {
        let program = |path: &str, script: Option<&str>| Program {
            path: path.to_owned(),
            script: script.map(str::to_owned),
            owner: "1000".to_owned(),
        };
        let script = program("/usr/bin/python3.11", Some("/home/a/my script.py"));
        assert_eq!(script.to_string(), "`/home/a/my script.py` (by `/usr/bin/python3.11`)");
        assert_eq!(
            (script.name().as_str(), script.words().as_str()),
            ("my script.py", "/usr/bin/python3.11 '/home/a/my script.py'",)
        );
        assert_eq!(program("sshd", None).to_string(), "`sshd` of user 1000");
    }
}
