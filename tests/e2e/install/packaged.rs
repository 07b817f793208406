//! A package of the system, the Debian one or the RPM, put in, used with the real az and the stand-in, upgraded and taken out, in a
//! namespace in which the machine's directories are under layers that go with the test. `.ci/packages` makes the package and names
//! it in `AZWARD_PACKAGE`.

use std::fs;
use std::path::{Path, PathBuf};

use entra::User;

use super::system::Machine;
use super::{KEY_VAULT, bin, contents};
use crate::support::{Outcome, Sandbox, in_shell};

/// Where packages put things, and keep their books.
const PLACES: &str = "etc usr var/cache var/lib/dpkg var/lib/rpm";

/// The programs that the package's azward has linked.
const PROGRAMS: [&str; 3] = ["az", "azward", "azward-inside"];

/// A package, and the program that handles its kind.
struct Package<'a> {
    machine: &'a Machine<'a>,
    file: PathBuf,
    is_deb: bool,
}

impl Package<'_> {
    fn manage(&self, words: &str) -> Outcome {
        self.machine.shell(&format!("PATH=/usr/sbin:/usr/bin:/sbin:/bin exec {words}")).run().ok()
    }

    fn put_in(&self) -> Outcome {
        let file = in_shell(&self.file);
        self.manage(&match self.is_deb {
            true => format!("dpkg --install {file}"),
            // The libraries that it wants are dpkg's here.
            false => format!("rpm --upgrade --force --nodeps {file}"),
        })
    }

    fn take_out(&self) -> Outcome {
        self.manage(if self.is_deb { "dpkg --purge azward" } else { "rpm --erase azward" })
    }

    /// The files of it, directories left out.
    fn files(&self) -> Vec<String> {
        let list = if self.is_deb { "dpkg --listfiles azward" } else { "rpm --query --list azward" };
        let line = format!("{list} | while read -r f; do [ -d \"$f\" ] && [ ! -L \"$f\" ] || echo \"$f\"; done");
        self.machine.said(&line).lines().map(str::to_owned).collect()
    }

    /// The same as a package of a later version.
    fn newer(&self, sandbox: &Sandbox) -> Self {
        let (tree, file) = (sandbox.root().join("newer"), sandbox.root().join("newer.deb"));
        let (old, tree, new) = (in_shell(&self.file), in_shell(&tree), in_shell(&file));
        self.machine.said(&format!(
            "dpkg-deb -R {old} {tree} && sed -i 's/^Version: .*/Version: 99.0.0-1/' {tree}/DEBIAN/control && \
             dpkg-deb --root-owner-group -b {tree} {new}"
        ));
        Package { machine: self.machine, file, is_deb: true }
    }
}

#[test]
#[ignore = "of .ci/packages, which makes the package"]
fn a_package_is_put_in_used_upgraded_and_taken_out() {
    let file = PathBuf::from(std::env::var_os("AZWARD_PACKAGE").expect("AZWARD_PACKAGE names the package"));
    let sandbox = Sandbox::new().with_real_az();
    let machine = Machine::with(&sandbox, PLACES).expect("only root can do this");
    let is_deb = file.extension().is_some_and(|extension| extension == "deb");
    let package = Package { machine: &machine, file, is_deb };
    let entra = sandbox.start_entra(|_| {});
    sandbox.plain_login(&entra, User::Alice);
    let real = in_shell(sandbox.wrapped_az().parent().unwrap());
    // As a terminal has it before and after `azward install`.
    let before = format!("PATH={real}:/usr/bin:/bin;");
    let after = format!("PATH={}:{real}:/usr/bin:/bin;", in_shell(bin(&sandbox)));

    package.put_in();
    let files = package.files();
    for wanted in [
        "/usr/bin/azward",
        "/usr/lib/azward/bin/az",
        "/usr/share/man/man1/azward.1.gz",
        "/usr/share/man/man1/azward-vault-move.1.gz",
        "/usr/share/bash-completion/completions/azward",
        "/usr/share/fish/vendor_completions.d/azward.fish",
    ] {
        assert!(files.iter().any(|file| file == wanted), "{wanted} is not in {files:?}");
    }
    let untouched = contents(&sandbox.home());
    let real_az = format!("{}\n", sandbox.wrapped_az().display());
    assert_eq!(machine.said(&format!("{before} command -v az")), real_az, "the package alone is in nobody's way");
    let version = machine.said(&format!("{before} azward --version"));
    assert!(version.starts_with(concat!("azward ", env!("CARGO_PKG_VERSION"), " (")), "{version}");
    let page = machine.said("man --where azward-vault-move");
    assert_eq!(page, "/usr/share/man/man1/azward-vault-move.1.gz\n");
    let complete = "BASH_COMPLETION_USER_DIR=/nonexistent; source /usr/share/bash-completion/completions/azward; complete -p azward";
    let complete = machine.said(&format!("{before} exec bash -c {}", in_shell(complete)));
    assert!(complete.contains("_clap_complete_azward"), "{complete}");
    assert_eq!(contents(&sandbox.home()), untouched);

    let said = machine.said(&format!("{before} azward install"));
    assert!(said.contains("adopted 1 login(s)") && said.contains("linked `"), "{said}");
    for program in PROGRAMS {
        assert_eq!(fs::read_link(bin(&sandbox).join(program)).unwrap(), Path::new("/usr/lib/azward/bin").join(program));
    }
    assert!(!machine.said(&format!("{before} azward install")).contains("linked `"), "the second changes nothing");
    let token = || {
        let line = format!("{after} exec az {}", KEY_VAULT.join(" "));
        assert!(machine.shell(&line).run().ok().silent().json()["accessToken"].is_string());
        sandbox.assert_nothing_in_the_clear();
    };
    token();
    let status = machine.said(&format!("{after} azward status"));
    assert!(status.contains("first on PATH"), "{status}");

    // An upgrade reaches who installed before it, and says nothing of vaults.
    let upgrade = if is_deb { package.newer(&sandbox).put_in() } else { package.put_in() };
    assert!(!upgrade.err().contains("in a vault"), "{upgrade:?}");
    token();

    // What is taken out is the package's; az is the real one again, and the vault is where it was.
    let vaults = contents(&sandbox.azward_home().join("vaults"));
    let gone = package.take_out();
    assert!(gone.err().contains("azward: tester has a login in a vault") && gone.err().contains("hint: "), "{gone:?}");
    for file in &files {
        machine.said(&format!("[ ! -e {file} ] && [ ! -L {file} ]", file = in_shell(file)));
    }
    machine.said("[ ! -e /usr/lib/azward ] && [ ! -e /usr/share/doc/azward ]");
    assert_eq!(contents(&sandbox.azward_home().join("vaults")), vaults);
    assert_eq!(machine.said(&format!("hash -r; {after} command -v az")), real_az);

    // Put in again, all is as before; and what an uninstall takes away is the user's alone.
    package.put_in();
    token();
    let said = machine.said(&format!("{after} azward uninstall"));
    assert!(said.contains("gave 1 login(s) back"), "{said}");
    assert!(!sandbox.azward_home().exists());
    sandbox.expect_clear(sandbox.config().token_cache_path());
    assert_eq!(sandbox.config().refresh_token_count(), 1);
    let again = package.files();
    assert_eq!(again, files);
    machine.said("[ -x /usr/lib/azward/bin/az ] && [ -x /usr/bin/azward ]");
    let gone = package.take_out();
    assert!(!gone.err().contains("in a vault"), "{gone:?}");
}
