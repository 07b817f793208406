//! The real Azure CLI for Windows, made once into the tests' cache: CPython as Maven Central has it for Windows
//! (`org.bytedeco:cpython`), the Python of the Azure CLI that the other tests run, and from PyPI what of it is compiled, for
//! Windows. It lies as Microsoft's installer lays it: `python.exe` above `wbin\az.cmd`. What cannot be fetched fails the test
//! with what the tool said.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::support::provision::{AZURE_CLI_VERSION, announce, cache_dir, make_once, real_az, step, with_suffix};

/// The build of CPython: its own version, and that of the project that packs it.
const CPYTHON: &str = "3.11.3-1.5.9";

/// The Python that it is, of which the Azure CLI of the other tests has to be too.
const PYTHON: &str = "3.11";

/// Which way of making it this is.
const MADE: &str = "2";

/// What of the Azure CLI is compiled.
const COMPILED: [&str; 8] =
    ["bcrypt", "cffi", "charset-normalizer", "cryptography", "psutil", "PyNaCl", "PyYAML", "wrapt"];

/// What it needs on Windows only.
const FOR_WINDOWS: [&str; 3] = ["colorama", "pymsalruntime", "pywin32"];

/// Python's DLL for extensions that work with several versions, which that build lacks: each of its names is the other DLL's.
const STABLE: &str = "python3";

/// The directory that the installer would make.
pub(crate) fn windows_az() -> PathBuf {
    let name = format!("azure-cli-{AZURE_CLI_VERSION}-windows-cpython-{CPYTHON}");
    let directory = cache_dir().join(name);
    let is_whole = |directory: &Path| fs::read_to_string(directory.join("made.stamp")).is_ok_and(|text| text == MADE);
    make_once(&directory, MADE, is_whole, make);
    directory
}

fn make(directory: &Path) {
    announce(&format!(
        "making azure-cli {AZURE_CLI_VERSION} for Windows in `{}`: half a minute, once",
        directory.display()
    ));
    let log = with_suffix(directory, ".log");
    let _ = fs::remove_file(&log);
    let fetched =
        tempfile::tempdir_in(directory.parent().expect("it is below the cache")).expect("the cache can be written");
    let fetched = fetched.path();
    let run =
        |name: &str, command: &mut Command| step(name, &log, command).unwrap_or_else(|trouble| panic!("{trouble}"));
    let artifact = format!("-Dartifact=org.bytedeco:cpython:{CPYTHON}:jar:windows-x86_64");
    let plugin = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy";
    let into = format!("-DoutputDirectory={}", fetched.display());
    run("mvn (CPython for Windows)", Command::new("mvn").args(["-q", "-B", plugin, &artifact, &into]));
    let jar = fetched.join(format!("cpython-{CPYTHON}-windows-x86_64.jar"));
    run(
        "unzip",
        Command::new("unzip")
            .args(["-q", "-o"])
            .arg(jar)
            .arg("org/bytedeco/cpython/windows-x86_64/*")
            .arg("-d")
            .arg(fetched),
    );
    fs::rename(fetched.join("org/bytedeco/cpython/windows-x86_64"), directory).expect("both are in the cache");
    fs::rename(directory.join("bin/python.exe"), directory.join("python.exe")).expect("that build has it there");
    let site_packages = directory.join("lib/site-packages");
    put_azure_cli(&site_packages, fetched, &run);
    put_stable_dll(directory, fetched, &run);
    // Wine's cmd does not know what Microsoft's has beside this: an IF with brackets behind an `@`.
    fs::create_dir(directory.join("wbin")).expect("the directory is ours");
    let az = "@echo off\r\n\"%~dp0..\\python.exe\" -IBm azure.cli %*\r\n";
    fs::write(directory.join("wbin/az.cmd"), az).expect("the directory is ours");
}

/// The Python files are the same on every system, and shared with those of the other tests by hard links.
fn put_azure_cli(site_packages: &Path, fetched: &Path, run: &dyn Fn(&str, &mut Command)) {
    let az = real_az();
    let venv = az.parent().and_then(Path::parent).expect("it is in the `bin` of a virtual environment");
    let theirs = venv.join(format!("lib/python{PYTHON}/site-packages"));
    assert!(theirs.is_dir(), "there is no Azure CLI with Python {PYTHON} in `{}`", venv.display());
    let _ = fs::remove_dir_all(site_packages);
    run("cp", Command::new("cp").arg("-al").arg(&theirs).arg(site_packages));
    let python = venv.join("bin/python3");
    let listed = Command::new(&python).args(["-m", "pip", "list", "--format", "freeze"]).output().expect("pip runs");
    let listed = String::from_utf8_lossy(&listed.stdout).to_lowercase().replace('_', "-");
    let versioned = |name: &&str| {
        let wanted = format!("{}==", name.to_lowercase());
        let line = listed.lines().find(|line| line.starts_with(&wanted));
        line.unwrap_or_else(|| panic!("the Azure CLI has no {name}")).to_owned()
    };
    let wanted = COMPILED.iter().map(versioned).chain(FOR_WINDOWS.map(str::to_owned));
    let wheels = fetched.join("wheels");
    let only = ["--platform", "win_amd64", "--python-version", PYTHON, "--only-binary=:all:", "--no-deps"];
    let pip = ["-m", "pip", "download", "--quiet", "--progress-bar=off"];
    run("pip download", Command::new(&python).args(pip).args(only).arg("--dest").arg(&wheels).args(wanted));
    for wheel in fs::read_dir(&wheels).expect("pip made it").flatten() {
        let unpacked = fetched.join("unpacked");
        run("unzip", Command::new("unzip").args(["-q", "-o"]).arg(wheel.path()).arg("-d").arg(&unpacked));
        // What is replaced is removed first: it is a hard link.
        for part in fs::read_dir(&unpacked).expect("it was just made").flatten() {
            let place = site_packages.join(part.file_name());
            let _ = fs::remove_dir_all(&place).or_else(|_| fs::remove_file(&place));
            fs::rename(part.path(), place).expect("both are in the cache");
        }
        fs::remove_dir_all(&unpacked).expect("it is ours");
    }
    run("find", Command::new("find").arg(site_packages).args(["-name", "*.so", "-delete"]));
}

fn put_stable_dll(directory: &Path, fetched: &Path, run: &dyn Fn(&str, &mut Command)) {
    let whole = format!("python{}", PYTHON.replace('.', ""));
    let dump =
        Command::new("x86_64-w64-mingw32-objdump").arg("-p").arg(directory.join(format!("{whole}.dll"))).output();
    let dump = String::from_utf8_lossy(&dump.expect("binutils for Windows are installed").stdout).into_owned();
    let names = dump.split_once("[Ordinal/Name Pointer] Table").expect("a DLL has one").1;
    let names =
        names.lines().skip(1).take_while(|line| !line.is_empty()).filter_map(|line| line.split_whitespace().last());
    let names: Vec<String> = names
        .filter(|name| name.starts_with("Py") || name.starts_with("_Py"))
        .map(|name| format!("{name} = {whole}.{name}"))
        .collect();
    assert!(names.len() > 1000, "`{whole}.dll` has no names: {names:?}");
    let definition = fetched.join("python3.def");
    fs::write(&definition, format!("EXPORTS\n{}\n", names.join("\n"))).expect("the directory is ours");
    let link: [OsString; 5] = ["-shared", "-nostdlib", "-Wl,-e,0", "-o"]
        .map(OsString::from)
        .into_iter()
        .chain([directory.join(format!("{STABLE}.dll")).into()])
        .collect::<Vec<_>>()
        .try_into()
        .expect("five");
    run("x86_64-w64-mingw32-gcc", Command::new("x86_64-w64-mingw32-gcc").args(link).arg(definition));
}
