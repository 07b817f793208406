//! Callers of every kind, and what a process can know of itself.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use super::{ALICE, look};
use crate::support::{Invocation, Sandbox};

/// Who calls az.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Whoever runs the tests.
    Own,
    /// An ordinary user, for whom only root can speak.
    User,
    /// One who is in other groups too.
    UserInGroups,
}

/// Nobody's ids.
pub(crate) const USER: u32 = 54_321;
pub(crate) const GROUP: u32 = 54_322;
pub(crate) const OTHER_GROUP: u32 = 54_323;

impl Caller {
    /// All of whom the tests can speak for here.
    pub(crate) fn all() -> Vec<Self> {
        let mut all = vec![Self::Own];
        if rustix::process::geteuid().is_root() {
            all.extend([Self::User, Self::UserInGroups]);
        }
        all
    }

    /// The same command, as this caller gives it.
    pub(crate) fn calls<'a>(self, invocation: Invocation<'a>) -> Invocation<'a> {
        let groups = match self {
            Self::Own => return invocation,
            Self::User => "--clear-groups".to_owned(),
            Self::UserInGroups => format!("--groups={OTHER_GROUP}"),
        };
        // None of root's capabilities is left to anything it starts.
        invocation.in_script(&format!("exec setpriv --reuid={USER} --regid={GROUP} {groups} \"$0\" \"$@\""))
    }

    /// A box with a login of this caller's in the vault, and the script that is az from now on.
    pub(crate) fn logged_in(self, script: &str) -> (Sandbox, PathBuf) {
        let sandbox = Sandbox::new().with_fake_az();
        sandbox.set_exposure("private");
        self.own(&sandbox);
        self.calls(sandbox.az(["login", ALICE])).run().ok().silent();
        self.calls(sandbox.az(["look"])).run().ok().silent();
        let az = sandbox.root().join("facts/az");
        fs::create_dir(sandbox.root().join("facts")).unwrap();
        fs::set_permissions(sandbox.root().join("facts"), fs::Permissions::from_mode(0o755)).unwrap();
        sandbox.make_script(&az, script);
        let path = [sandbox.root().join("bin"), sandbox.root().join("facts"), "/usr/bin".into(), "/bin".into()];
        sandbox.set_env("PATH", std::env::join_paths(path).unwrap());
        (sandbox, az)
    }

    /// Gives the box to this caller, but for the programs in it, which are links.
    fn own(self, sandbox: &Sandbox) {
        if self == Self::Own {
            return;
        }
        let owner = format!("{USER}:{GROUP}");
        let all = ["home", "tmp", "run"].map(|name| sandbox.root().join(name));
        for (options, paths) in [(&["-R"][..], &all[..]), (&[], &[sandbox.root().to_owned()])] {
            let status = Command::new("chown").args(options).arg(&owner).args(paths).status();
            assert!(status.is_ok_and(|status| status.success()), "root can give away what it likes");
        }
    }
}

/// A script that prints all that a process can know of itself, but for what no two processes share. The shell reads its own
/// status without a child, for whose start it would block every signal.
pub(crate) const FACTS: &str = r#"
    p=/proc/$$
    echo "ids: $(id -u) $(id -g) $(id -ru) $(id -rg)"
    while read -r line; do
        case $line in Uid:*|Gid:*|Groups:*|Umask:*|CapInh:*|CapPrm:*|CapEff:*|CapAmb:*|NoNewPrivs:*|Seccomp*|Speculation*|Cpus_allowed_list:*|SigBlk:*|SigIgn:*|SigCgt:*)
            echo "$line";;
        esac
    done <$p/status
    umask
    readlink $p/cwd; readlink $p/root; pwd
    ulimit -a
    cat $p/oom_score_adj $p/cgroup
    for n in net pid uts ipc cgroup time; do readlink $p/ns/$n; done
    for descriptor in $p/fd/*; do printf '%s ' "${descriptor##*/}"; done; echo
    tty
    grep -v ' - tmpfs azward ' $p/mountinfo | cut -d ' ' -f 3-6 | sort
    grep -v ' - tmpfs azward ' $p/mountinfo | sed 's/.* - //' | sort
    nice
    env | grep -v -e AZWARD_RUN -e '^_=' | sort
    ls -ldn "$HOME" "$HOME/.azure" "$HOME/.azure/azureProfile.json" | cut -d ' ' -f 1-4
    : >"$HOME/made"; stat -c '%a %u %g' "$HOME/made"; rm "$HOME/made""#;

/// How many refresh tokens this caller's az sees, and by which exposure; the fake az is its az.
pub(crate) fn looks(sandbox: &Sandbox, caller: Caller) -> (String, u64) {
    if caller == Caller::Own {
        return look(sandbox);
    }
    caller.calls(sandbox.az(["look"])).run().ok().silent();
    let line = super::last_look(sandbox);
    (super::exposure_of(&line), line["cache"]["refresh_tokens"].as_u64().unwrap_or(0))
}
