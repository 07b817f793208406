//! azure-cli 2.29.2, the last with ADAL, made once like the other releases (`releases`). It does not run on a Python later than
//! 3.10, which no registry of the system has: one comes from the Go module proxy, in a module that packs whole Pythons for Go
//! programs. Of the commands there are those of accounts and of resource groups.
//!
//! ADAL asks the endpoint of the public cloud about every authority that it does not know by heart; a `sitecustomize` tells it of
//! the stand-in's host. Nothing else of it is changed.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{provision, releases};

/// The release.
pub(crate) const VERSION: &str = "2.29.2";

/// What its core leaves open, each of the release's own time; and the last urllib3 that its `requests` takes.
const PINS: [&str; 6] = [
    "adal==1.2.7",
    "azure-mgmt-resource==19.0.0",
    "msrestazure==0.6.4",
    "packaging==20.9",
    "semver==2.13.0",
    "urllib3<2",
];

/// The command modules that are kept.
const MODULES: [&str; 5] = ["cloud", "config", "profile", "resource", "util"];

/// The Python, as its module is called, and the digest of the module.
const PYTHON: &str = "v0.0.0-3.10.16-20241219-1";
const DIGEST: &str = "b51a1325f4aef595562ba4cff37550a53d9da7f5936175234b515b92b0f72fe3";

/// Takes the Python of one processor out of the module, whose files are packed one by one.
const FETCH: &str = r#"
import gzip, hashlib, io, json, os, sys, urllib.request, zipfile
version, digest, processor, directory = sys.argv[1:]
module = "github.com/kluctl/go-embed-python"
archive = urllib.request.urlopen(f"https://proxy.golang.org/{module}/@v/{version}.zip", timeout=120).read()
if hashlib.sha256(archive).hexdigest() != digest:
    sys.exit("the module is another than it was")
root = f"{module}@{version}/python/internal/data/linux-{processor}/"
with zipfile.ZipFile(io.BytesIO(archive)) as module:
    for item in json.loads(module.read(root + "files.json"))["files"]:
        path = os.path.join(directory, item["name"])
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if item.get("symlink"):
            os.symlink(item["symlink"], path)
        elif item["perm"] & 1 << 31:
            os.makedirs(path, exist_ok=True)
        else:
            packed = item.get("compressed")
            data = module.read(root + item["name"] + (".gz" if packed else ""))
            with open(path, "wb") as out:
                out.write(gzip.decompress(data) if packed else data)
            os.chmod(path, item["perm"] & 0o777 | 0o200)
"#;

/// The az, made first if it is missing; `None`, and told, on a processor for which there is no such Python.
///
/// # Panics
/// With what to do about it, when it cannot be made.
pub(crate) fn adal_az() -> Option<PathBuf> {
    let processor = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => {
            provision::announce(&format!(
                "MISSING: there is no Python 3.10 for {other}, so azure-cli {VERSION} is not tested"
            ));
            return None;
        }
    };
    let directory = provision::cache_dir().join(format!("azure-cli-{VERSION}-account-python3.10"));
    let stamp = format!("{VERSION} {PYTHON} {PINS:?} {MODULES:?}");
    provision::make_once(
        &directory,
        &stamp,
        |directory| provision::has_stamp(directory, &stamp),
        |directory| make(directory, processor),
    );
    Some(directory.join("az/bin/az"))
}

fn make(directory: &Path, processor: &str) {
    provision::announce(&format!("making azure-cli {VERSION} in `{}`: about 40 s, once", directory.display()));
    let log = provision::with_suffix(directory, ".log");
    let _ = std::fs::remove_file(&log);
    let step = |name: &str, command: &mut Command| {
        provision::step(name, &log, command)
            .unwrap_or_else(|trouble| panic!("missing: azure-cli {VERSION}: {trouble}"));
    };
    let (python, az, pip) = (directory.join("python"), directory.join("az"), directory.join("pip"));
    let fetch = ["-c", FETCH, PYTHON, DIGEST, processor];
    step("fetching Python 3.10", Command::new("python3").args(fetch).arg(&python));
    step(
        "Python 3.10 -m venv",
        Command::new(python.join("bin/python3.10")).args(["-m", "venv", "--without-pip"]).arg(&az),
    );
    // That Python has no pip, and takes another's.
    step("python3 -m venv", Command::new("python3").args(["-m", "venv"]).arg(&pip));
    let install = |arguments: &[&str]| {
        let mut command = Command::new(pip.join("bin/python3"));
        command.args(["-m", "pip", "--python"]).arg(az.join("bin/python"));
        command.args(["install", "--no-compile", "--progress-bar=off", "--only-binary=:all:"]).args(arguments);
        command
    };
    let core = format!("azure-cli-core=={VERSION}");
    step("pip install azure-cli-core", &mut install(&[&[core.as_str()][..], &PINS].concat()));
    step("pip install azure-cli", &mut install(&["--no-deps", &format!("azure-cli=={VERSION}")]));
    let packages = az.join("lib/python3.10/site-packages");
    releases::leave_out_services(&packages.join("azure/cli/command_modules"), &MODULES);
    let known = "import adal.constants\nadal.constants.AADConstants.WELL_KNOWN_AUTHORITY_HOSTS.append(\"localhost\")\n";
    std::fs::write(packages.join("sitecustomize.py"), known).expect("it was just made");
    // A file that this Python cannot compile is one that it never imports.
    let compile = ["-m", "compileall", "-q", "-j", "0"];
    let _ = provision::step("compileall", &log, Command::new(az.join("bin/python")).args(compile).arg(az.join("lib")));
}
