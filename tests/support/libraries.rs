//! The Azure libraries that get their tokens from az, as they come from their registries, each made once like the real az
//! (`provision`) and kept under a name with its version. That needs the language, and the network or a mirror.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

use super::provision;

/// azure-identity for Python.
pub(crate) const PYTHON: &str = "1.27.0";
/// @azure/identity for JavaScript.
pub(crate) const JAVASCRIPT: &str = "4.13.1";
/// @azure/ms-rest-nodeauth, which came before it.
pub(crate) const NODEAUTH: &str = "3.1.1";
/// github.com/Azure/kubelogin.
pub(crate) const KUBELOGIN: &str = "0.2.21";

/// The Python of a virtual environment with azure-identity in it.
pub(crate) fn python() -> PathBuf {
    let venv =
        provision::cache_dir().join(format!("azure-identity-python-{PYTHON}-python{}", provision::python_version()));
    let is_whole = |venv: &Path| provision::has_stamp(venv, PYTHON) && venv.join("bin/python3").exists();
    provision::make_once(&venv, PYTHON, is_whole, |venv| {
        provision::announce(&format!("installing azure-identity {PYTHON} for Python: some seconds, once"));
        let need = "the SDK's test needs python3 with its venv module (Debian: apt-get install python3-venv) and PyPI";
        step(Command::new("python3").args(["-m", "venv"]).arg(venv), need);
        let package = format!("azure-identity=={PYTHON}");
        let pip = ["-m", "pip", "install", "--quiet", "--progress-bar=off", &package];
        step(Command::new(venv.join("bin/python3")).args(pip), need);
    });
    venv.join("bin/python3")
}

/// A directory whose `node_modules` has @azure/identity in it.
pub(crate) fn javascript() -> PathBuf {
    node_modules("azure-identity-javascript", "@azure/identity", JAVASCRIPT)
}

/// A directory whose `node_modules` has @azure/ms-rest-nodeauth in it.
pub(crate) fn nodeauth() -> PathBuf {
    node_modules("ms-rest-nodeauth-javascript", "@azure/ms-rest-nodeauth", NODEAUTH)
}

fn node_modules(name: &str, package: &str, version: &str) -> PathBuf {
    let directory = provision::cache_dir().join(format!("{name}-{version}"));
    make(&directory, version, |directory| {
        provision::announce(&format!("installing {package} {version} for Node.js: some seconds, once"));
        let need = "the SDK's test needs Node.js 20 or newer with npm (Debian: apt-get install nodejs npm) and the npm registry";
        std::fs::create_dir_all(directory).unwrap_or_else(|error| panic!("`{}`: {error}", directory.display()));
        let package = format!("{package}@{version}");
        let npm = ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", &package];
        step(Command::new("npm").args(npm).arg("--prefix").arg(directory), need);
    });
    directory.join("node_modules")
}

/// A program of `tests/callers/go`, `ask` or `credential`, with the libraries that its `go.mod` names.
pub(crate) fn go(program: &str) -> PathBuf {
    let source = source("go");
    let directory = provision::cache_dir().join(format!("callers-go-{}", fingerprint(&source)));
    make(&directory, "1", |directory| {
        provision::announce("building the callers in Go: a minute, once");
        let build = ["build", "-mod=readonly", "-trimpath", "-o"];
        for (program, package) in [("ask", "."), ("credential", "./credential")] {
            step(go_command().args(build).arg(directory.join(program)).arg(package).current_dir(&source), NEED_GO);
        }
    });
    directory.join(program)
}

/// kubelogin.
pub(crate) fn kubelogin() -> PathBuf {
    let directory = provision::cache_dir().join(format!("kubelogin-{KUBELOGIN}"));
    make(&directory, KUBELOGIN, |directory| {
        provision::announce(&format!("building kubelogin {KUBELOGIN}: two minutes, once"));
        let package = format!("github.com/Azure/kubelogin@v{KUBELOGIN}");
        step(go_command().args(["install", "-trimpath", &package]).env("GOBIN", directory), NEED_GO);
    });
    directory.join("kubelogin")
}

pub(super) const NEED_GO: &str = "the callers in Go need the Go module proxy";

/// The Go that the callers are built with, and, for each processor, its name and the digest of its archive.
const GO: &str = "1.26.6";
const GO_FOR: [(&str, &str, &str); 2] = [
    ("x86_64", "amd64", "6347bdd1fdc7c659d955d8034cd82ec23a5b776bf48b9dfc3a75088d2dacfe0e"),
    ("aarch64", "arm64", "a2313f15b100a99fd202aaf11adce2cbeec3c684317eef414fc97054dc644d11"),
];

/// A Go, whichever this machine has or can have.
pub(super) fn go_command() -> Command {
    let found = on_path("go").filter(|go| knows_toolchains(go));
    let mut go = Command::new(found.unwrap_or_else(fetched_go));
    // One that is too old gets itself a newer one, from the module proxy.
    go.env("GOTOOLCHAIN", "auto").env("GOFLAGS", "-buildvcs=false").env("CGO_ENABLED", "0");
    go
}

/// Whether this machine has a Go, or is one for which it can be fetched.
pub(crate) fn has_go() -> bool {
    let is_known = GO_FOR.iter().any(|(processor, ..)| *processor == std::env::consts::ARCH);
    on_path("go").is_some_and(|go| knows_toolchains(&go)) || is_known
}

/// Whether a Go can get itself a newer one: since 1.21.
fn knows_toolchains(go: &Path) -> bool {
    let answer = Command::new(go).args(["env", "GOTOOLCHAIN"]).output();
    answer.is_ok_and(|answer| answer.status.success() && !answer.stdout.trim_ascii().is_empty())
}

/// Fetches a Go as Go itself does, from the module proxy.
fn fetched_go() -> PathBuf {
    const FETCH: &str = r#"
import hashlib, io, os, sys, urllib.request, zipfile
name, digest, directory = sys.argv[1:]
url = f"https://proxy.golang.org/golang.org/toolchain/@v/{name}.zip"
archive = urllib.request.urlopen(url, timeout=60).read()
if hashlib.sha256(archive).hexdigest() != digest:
    sys.exit("the archive is another than it was")
prefix = f"golang.org/toolchain@{name}/"
with zipfile.ZipFile(io.BytesIO(archive)) as files:
    for file in files.infolist():
        path = os.path.join(directory, file.filename.removeprefix(prefix))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as out:
            out.write(files.read(file))
        if "/bin/" in file.filename or "/pkg/tool/" in file.filename:
            os.chmod(path, 0o755)
"#;
    let known = GO_FOR.iter().find(|(processor, ..)| *processor == std::env::consts::ARCH);
    let (_, processor, digest) = known.expect("there is no Go here, and none is known for this processor");
    let directory = provision::cache_dir().join(format!("go-{GO}-{processor}"));
    make(&directory, GO, |directory| {
        provision::announce(&format!("fetching Go {GO}: some seconds, once"));
        let name = format!("v0.0.1-go{GO}.linux-{processor}");
        step(Command::new("python3").args(["-c", FETCH, &name, digest]).arg(directory), NEED_GO);
    });
    directory.join("bin/go")
}

/// The class path of the programs `Ask` and `Credential` of `tests/callers/java`, with the libraries that their `pom.xml` names.
pub(crate) fn java() -> String {
    let source = source("java");
    let directory = provision::cache_dir().join(format!("callers-java-{}", fingerprint(&source)));
    let libraries = directory.join("lib");
    make(&directory, "1", |directory| {
        provision::announce("building the callers in Java: a minute, once");
        let need = "the callers in Java need a JDK 17 or newer and Maven (Debian: apt-get install default-jdk-headless \
                    maven) and Maven Central";
        let copy = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";
        let mut to = std::ffi::OsString::from("-DoutputDirectory=");
        to.push(&libraries);
        step(Command::new("mvn").args(["-q", "-B", copy]).arg(to).arg("-f").arg(source.join("pom.xml")), need);
        let class_path = format!("{}/*", libraries.display());
        let javac = ["-cp", class_path.as_str(), "-d"];
        let sources = ["Ask.java", "Credential.java"].map(|name| source.join(name));
        step(Command::new("javac").args(javac).arg(directory).args(sources), need);
    });
    format!("{}:{}/*", directory.display(), libraries.display())
}

/// A program of `tests/callers/rust`, `ask` or `credential`, with the libraries that its `Cargo.toml` names.
pub(crate) fn rust(program: &str) -> PathBuf {
    let source = source("rust");
    let directory = provision::cache_dir().join(format!("callers-rust-{}", fingerprint(&source)));
    make(&directory, "1", |directory| {
        provision::announce("building the callers in Rust: two minutes, once");
        let mut cargo = Command::new("nice");
        cargo.arg(env!("CARGO")).args(["build", "--quiet", "--locked", "--manifest-path"]);
        cargo.arg(source.join("Cargo.toml")).arg("--target-dir").arg(directory.join("target"));
        // What cargo says of the package that is being tested is not of this one.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CARGO_") && name != "CARGO_HOME" {
                cargo.env_remove(name);
            }
        }
        step(&mut cargo, "the callers in Rust need crates.io and a C compiler");
        for program in ["ask", "credential"] {
            let built = directory.join("target/debug").join(program);
            std::fs::rename(&built, directory.join(program)).expect("cargo has built it");
        }
        std::fs::remove_dir_all(directory.join("target")).expect("the directory is ours");
    });
    directory.join(program)
}

fn source(language: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/callers").join(language)
}

/// What tells the files below `directory` from any others.
pub(super) fn fingerprint(directory: &Path) -> String {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(directory).expect("the sources are there").flatten().map(|e| e.path()).collect();
    files.sort();
    let mut digest = Sha256::new();
    while let Some(path) = files.pop() {
        match std::fs::read_dir(&path) {
            Ok(entries) => files.extend(entries.flatten().map(|entry| entry.path())),
            Err(_) => digest.update(std::fs::read(&path).expect("a source can be read")),
        }
    }
    digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn make(directory: &Path, stamp: &str, how: impl FnOnce(&Path)) {
    provision::make_once(directory, stamp, |directory| provision::has_stamp(directory, stamp), how);
}

fn step(command: &mut Command, need: &str) {
    for variable in ["PYTHONHOME", "PYTHONPATH"] {
        command.env_remove(variable);
    }
    let output = command.stdin(Stdio::null()).env("PIP_USER", "0").output();
    let output = output.unwrap_or_else(|error| panic!("cannot start {command:?}: {error}\n{need}"));
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "{command:?}: {}\n{said}\n{need}", output.status);
}

/// Where a program is on the PATH of the person who runs the tests: a box has the system's directories only.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|directory| directory.join(program)).find(|program| program.is_file())
}
