//! `install --system`, with the real dpkg, in a mount namespace in which `/etc`, `/opt`, `/usr/bin`, `/usr/local` and dpkg's database are the
//! machine's own under a layer that goes with the test.

#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::support::fake_az::{ALICE, fake_az};
use crate::support::{Invocation, Sandbox, in_shell, provision};

/// What is under a layer here.
const PLACES: &str = "etc opt usr/bin usr/local var/lib/dpkg";

/// Lays the layers, says so, and keeps the namespace until its stdin ends.
const LAYERS: &str = r#"
    set -e
    mount --make-rprivate /
    mount -t tmpfs none "$1"
    for place in $3; do
        mkdir -p "$1/$place/upper" "$1/$place/work"
        mount -t overlay none -o "lowerdir=/$place,upperdir=$1/$place/upper,workdir=$1/$place/work" "/$place"
    done
    printf 'tester:x:0:0::%s:/bin/sh\n' "$2" >/etc/passwd
    echo ready
    exec cat
"#;

/// What is where: names, modes, links, what is in files that the test changed, and diversions.
const STATE: &str = "places='/etc /opt /usr/bin /usr/local /var/lib/dpkg/info'; find $places -printf '%y %m %p %l\\n' | sort; \
    find $places -type f -newer \"$0\" -exec cksum {} + | sort; dpkg-divert --list '*/az'";

/// A machine of its own.
pub(super) struct Machine<'a> {
    sandbox: &'a Sandbox,
    holder: Child,
}

impl<'a> Machine<'a> {
    /// Nothing where this process is not root, or there is no dpkg.
    fn new(sandbox: &'a Sandbox) -> Option<Self> {
        Self::with(sandbox, PLACES)
    }

    /// The same with other places under a layer.
    pub(super) fn with(sandbox: &'a Sandbox, places: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() || !std::path::Path::new("/usr/bin/dpkg-divert").exists() {
            provision::announce("MISSING: `install --system` is only tested by root, and where there is dpkg");
            return None;
        }
        let layers = sandbox.root().join("layers");
        fs::create_dir(&layers).unwrap();
        let mut holder = Command::new("unshare")
            .args(["--mount", "--", "/bin/sh", "-c", LAYERS, "layers"])
            .args([layers, sandbox.home()])
            .arg(places)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "this machine lays no layers");
        fs::write(sandbox.root().join("began"), "").unwrap();
        Some(Self { sandbox, holder })
    }

    /// A line of shell in it, with a PATH as cron has it.
    pub(super) fn shell(&self, line: &str) -> Invocation<'a> {
        let words =
            ["--target", &self.holder.id().to_string(), "--mount", "--", "/bin/sh", "-c", line].map(str::to_owned);
        let began = self.sandbox.root().join("began").into_os_string();
        let words = words.into_iter().map(Into::into).chain([began]);
        Invocation::new(self.sandbox, "nsenter").args(words).env("PATH", "/usr/bin:/bin").cwd("/")
    }

    pub(super) fn said(&self, line: &str) -> String {
        self.shell(line).run().ok().out()
    }

    fn azward(&self, words: &str) -> Invocation<'a> {
        self.shell(&format!("exec {} {words}", in_shell(env!("CARGO_BIN_EXE_azward"))))
    }

    /// The package, in a version: a script that says which, and goes on as the fake az.
    fn package(&self, version: u32) -> PathBuf {
        let tree = self.sandbox.root().join(format!("package-{version}"));
        fs::create_dir_all(tree.join("DEBIAN")).unwrap();
        fs::create_dir_all(tree.join("usr/bin")).unwrap();
        let control = format!(
            "Package: azure-cli\nVersion: {version}\nArchitecture: all\nMaintainer: t <t@e.example>\nDescription: az\n"
        );
        fs::write(tree.join("DEBIAN/control"), control).unwrap();
        let script = format!("[ \"$1\" = which ] && exec echo {version}; exec {} \"$@\"", in_shell(fake_az()));
        self.sandbox.make_script(&tree.join("usr/bin/az"), &script);
        let package = tree.with_extension("deb");
        let build = ["--root-owner-group", "--build"];
        let status = Command::new("dpkg-deb").args(build).args([&tree, &package]).stdout(Stdio::null()).status();
        assert!(status.unwrap().success());
        package
    }

    fn dpkg(&self, words: &str) {
        self.shell(&format!("PATH=/usr/sbin:/usr/bin:/sbin:/bin exec dpkg {words} >/dev/null")).run().ok();
    }

    fn state(&self) -> BTreeSet<String> {
        self.said(STATE).lines().map(str::to_owned).collect()
    }
}

impl Drop for Machine<'_> {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

#[track_caller]
fn assert_same(after: &BTreeSet<String>, before: &BTreeSet<String>) {
    let difference: Vec<_> = after.symmetric_difference(before).collect();
    assert!(difference.is_empty(), "{difference:#?}");
}

#[test]
fn everybody_s_az_is_the_shim_and_the_package_s_again_afterwards() {
    let sandbox = Sandbox::new();
    let Some(machine) = Machine::new(&sandbox) else { return };
    machine.dpkg(&format!("--install {}", in_shell(machine.package(1))));
    assert_eq!(machine.said("az which"), "1\n");
    let before = machine.state();
    let said = machine.azward("install --system").run().ok().silent().out();
    assert!(said.contains("diverted `/usr/bin/az`: the packaged az is `/usr/bin/az.distrib`"), "{said}");
    let installed = machine.state();
    let said = machine.azward("install --system").run().ok().silent().out();
    assert!(said.contains("already diverted") && !said.contains("wrote"), "{said}");
    assert_same(&machine.state(), &installed);

    let aids =
        "cd /usr/local/share; ls bash-completion/completions/azward zsh/site-functions/_azward man/man1/azward-list.1";
    assert_eq!(machine.said(aids).lines().count(), 3);

    // With the PATH of cron or of `ssh host az`, in a login shell, and among the variables of users' services.
    assert_eq!(machine.said("az which; readlink /usr/bin/az"), "1\n/opt/azward/bin/az\n");
    machine.shell(&format!("az login {ALICE}")).run().ok().silent();
    sandbox.assert_nothing_in_the_clear();
    assert!(sandbox.azward_home().join("vaults").is_dir());
    let login = "env -i HOME=\"$HOME\" sh -l -c 'command -v az; az which'";
    assert_eq!(machine.said(login), "/opt/azward/bin/az\n1\n");
    let generator = "/usr/lib/systemd/user-environment-generators/30-systemd-environment-d-generator";
    if std::path::Path::new(generator).exists() {
        let variables = machine.said(&format!("env -i PATH=/usr/bin {generator}"));
        assert!(variables.contains("PATH=/opt/azward/bin:"), "{variables}");
    }
    let status = machine.shell("exec /opt/azward/bin/azward status").run().ok().out();
    assert!(status.contains("/usr/bin/az.distrib") && status.contains("/usr/bin/az, first on PATH"), "{status}");

    // An upgrade goes where the package's az is now.
    machine.dpkg(&format!("--install {}", in_shell(machine.package(2))));
    assert_eq!(machine.said("az which; readlink /usr/bin/az"), "2\n/opt/azward/bin/az\n");
    machine.shell("az look").run().ok().silent();

    // Whoever has a login in a vault gets it back before the last program goes.
    let refused = machine.azward("uninstall --system").run().exited(1);
    assert!(refused.err().contains("there are logins in vaults of tester"), "{refused:?}");
    assert_eq!(machine.said("az which; ls /opt/azward/bin"), "2\nazward\n");
    machine.shell("exec /opt/azward/bin/azward uninstall").run().ok().silent();
    sandbox.expect_clear(sandbox.config_dir());
    assert_eq!(sandbox.config().refresh_token_count(), 1);
    machine.azward("uninstall --system").run().ok().silent();
    machine.dpkg(&format!("--install {}", in_shell(sandbox.root().join("package-1.deb"))));
    assert_same(&machine.state(), &before);
}

#[test]
fn a_package_that_comes_later_gives_way_and_one_that_goes_leaves_nothing() {
    let sandbox = Sandbox::new();
    let Some(machine) = Machine::new(&sandbox) else { return };
    let before = machine.state();
    machine.azward("install --system").run().ok().silent();
    let none = machine.shell("az which").run().exited(127);
    assert!(none.err().starts_with("az: command not found"), "{none:?}");
    machine.dpkg(&format!("--install {}", in_shell(machine.package(3))));
    assert_eq!(machine.said("az which; readlink /usr/bin/az"), "3\n/opt/azward/bin/az\n");
    machine.dpkg("--purge azure-cli");
    machine.shell("az which").run().exited(127);
    machine.azward("uninstall --system").run().ok().silent();
    assert_same(&machine.state(), &before);
    machine.azward("uninstall --system").run().ok().silent();
}

#[test]
fn what_is_somebody_else_s_is_left() {
    let sandbox = Sandbox::new();
    let Some(machine) = Machine::new(&sandbox) else { return };
    machine.said(
        "echo '#!/bin/sh' >/usr/bin/az; chmod 755 /usr/bin/az; echo mine >/etc/profile.d/zz-azward.sh; \
         mkdir -p /usr/local/share/zsh/site-functions; echo mine >/usr/local/share/zsh/site-functions/_azward",
    );
    let said = machine.azward("install --system").run().ok().silent().out();
    assert!(
        said.contains("`/usr/bin/az` is no package's") && said.contains("left `/etc/profile.d/zz-azward.sh`"),
        "{said}"
    );
    let said = machine.azward("uninstall --system").run().ok().silent().out();
    assert!(said.contains("left `/etc/profile.d/zz-azward.sh`"), "{said}");
    assert_eq!(
        machine.said("cat /etc/profile.d/zz-azward.sh /usr/bin/az /usr/local/share/zsh/site-functions/_azward"),
        "mine\n#!/bin/sh\nmine\n"
    );
    machine.said("rm /usr/bin/az; dpkg-divert --quiet --local --no-rename --divert /usr/bin/az.mine --add /usr/bin/az");
    let said = machine.azward("install --system").run().ok().silent().out();
    assert!(said.contains("is diverted to `/usr/bin/az.mine`"), "{said}");
    machine.azward("uninstall --system").run().ok().silent();
    assert!(machine.said("dpkg-divert --truename /usr/bin/az").contains("az.mine"));
}

#[test]
fn it_is_for_root_to_do() {
    let sandbox = Sandbox::new();
    let azward = sandbox.azward(["install", "--system"]);
    let azward = if rustix::process::geteuid().is_root() {
        azward.in_script("exec unshare --user --map-user=1000 --map-group=1000 -- \"$0\" \"$@\"")
    } else {
        azward
    };
    let refused = azward.run().exited(2);
    assert!(
        refused.err().contains("only root can") && refused.err().contains("\nhint: run this with sudo"),
        "{refused:?}"
    );
}
