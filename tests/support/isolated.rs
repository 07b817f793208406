//! The poorest surroundings that a caller gives az: an environment of PATH alone and the working directory `/bin`, as the
//! C++ SDK does. The home directory is then that of the passwd database, so the command runs in a mount namespace in which
//! `/etc/passwd` says that the box's home is the user's, `/run/user` (with anybody's session bus) is empty, and, where a
//! stand-in is given, the real az trusts it without a variable saying so. The system's own certificates are not there, as in
//! a slim image: az looks at certifi's. `with_directory` changes one directory and nothing else.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use entra::Entra;

use super::invocation::Invocation;
use super::provision;
use super::sandbox::Sandbox;

/// Sets the mounts up as the namespace's root, then becomes the user again in a namespace within, and the command.
const SCRIPT: &str = r#"
    set -e
    mount --bind "$1" /etc/passwd
    if [ -d /run/user ]; then mount -t tmpfs none /run/user; fi
    for roots in /etc/ssl /etc/pki /usr/share/ca-certificates; do
        if [ -d "$roots" ]; then mount -t tmpfs none "$roots"; fi
    done
    if [ -n "$3" ]; then mount --bind "$2" "$3"; fi
    user=$4 group=$5
    shift 5
    cd /bin
    exec unshare --user --map-user="$user" --map-group="$group" -- env -i PATH="$PATH" "$@""#;

/// The same for a directory alone: all that is at `$1` is hidden, and what is at `$3` is at `$2`.
const DIRECTORY: &str = r#"
    set -e
    mount -t tmpfs none "$1"
    mkdir -p "$2"
    mount --bind "$3" "$2"
    user=$4 group=$5
    shift 5
    exec unshare --user --map-user="$user" --map-group="$group" -- "$@""#;

impl Invocation<'_> {
    /// The same command where `directory` is at `place`, and nothing else below `root`; nobody else sees it there.
    pub(crate) fn with_directory(self, directory: &Path, place: &str, root: &str) -> Self {
        require_namespaces();
        let user = rustix::process::getuid().as_raw();
        let group = rustix::process::getgid().as_raw();
        let directory = directory.display();
        self.in_script(&format!(
            "exec unshare --map-root-user --mount -- /bin/sh -c '{DIRECTORY}' sh {root} {place} '{directory}' {user} {group} \
             \"$0\" \"$@\""
        ))
    }
}

impl Sandbox {
    /// A command with an environment of PATH alone, the working directory `/bin` and the box's home as the user's.
    pub(crate) fn isolated<'a>(&'a self, entra: Option<&Entra>, command: &[&str]) -> Invocation<'a> {
        require_namespaces();
        let passwd = self.root().join("passwd");
        fs::write(&passwd, passwd_with_home(&self.home())).expect("the box can be written");
        let (bundle, trusted) = entra.map_or_else(Default::default, |entra| {
            let trusted = certificate_bundle();
            let bundle = self.root().join("trusted.pem");
            let text = fs::read_to_string(&trusted).unwrap_or_else(|error| panic!("`{}`: {error}", trusted.display()));
            fs::write(&bundle, format!("{text}\n{}", entra.ca_pem())).expect("the box can be written");
            (bundle, trusted)
        });
        let user = rustix::process::getuid().as_raw().to_string();
        let group = rustix::process::getgid().as_raw().to_string();
        Invocation::new(self, "unshare")
            .only_path()
            .args(["--map-root-user", "--mount", "--", "/bin/sh", "-c", SCRIPT, "isolated"])
            .args([&passwd, &bundle, &trusted])
            .args([user, group])
            .args(command)
    }
}

/// The machine's passwd database with another home for the user who runs the tests.
fn passwd_with_home(home: &Path) -> String {
    let user = rustix::process::getuid().as_raw().to_string();
    let mut text = String::new();
    let mut is_known = false;
    for line in fs::read_to_string("/etc/passwd").unwrap_or_default().lines() {
        let mut fields: Vec<&str> = line.split(':').collect();
        let home = home.to_string_lossy();
        if fields.len() == 7 && fields[2] == user {
            fields[5] = &home;
            is_known = true;
        }
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", fields.join(":"));
    }
    if !is_known {
        let group = rustix::process::getgid().as_raw();
        let _ = writeln!(text, "tester:x:{user}:{group}::{}:/bin/sh", home.display());
    }
    text
}

/// The certificates that the real az trusts when no variable names others: certifi's.
fn certificate_bundle() -> PathBuf {
    let az = provision::real_az();
    let lib = az.parent().and_then(Path::parent).map(|venv| venv.join("lib")).unwrap_or_default();
    let versions = fs::read_dir(&lib).map(|entries| entries.flatten().map(|entry| entry.path()).collect());
    let mut bundles = versions
        .unwrap_or_else(|_| Vec::new())
        .into_iter()
        .map(|version: PathBuf| version.join("site-packages/certifi/cacert.pem"));
    bundles
        .find(|bundle| bundle.is_file())
        .unwrap_or_else(|| panic!("no certifi below `{}`: an isolated az needs a virtual environment", lib.display()))
}

fn require_namespaces() {
    static REFUSAL: OnceLock<Option<String>> = OnceLock::new();
    let refusal =
        REFUSAL.get_or_init(|| match Command::new("unshare").args(["--map-root-user", "--mount", "true"]).output() {
            Ok(output) if output.status.success() => None,
            Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Some(format!("unshare(1): {error}")),
        });
    if let Some(refusal) = refusal {
        panic!(
            "this test needs user and mount namespaces, and this machine refuses them ({refusal}): allow them (sysctl \
             kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns; in a container \
             --security-opt seccomp=unconfined) or run the tests as root"
        );
    }
}
