//! A real container, by podman, with a file system and a network of its own: it has the session's tokens, and nothing else of the host.
//! Where podman cannot start any (no namespaces, no cgroups that it likes) that is told, and the test is not run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use entra::SUBSCRIPTION_2;

use super::SESSION;
use crate::support::native::claims;
use crate::support::{Invocation, Sandbox};

/// What podman needs where this runs in a container itself: limits that it may set, and no cgroup that it would have to make.
const OPTIONS: &str = "--rm --cgroups=disabled --network=none --ulimit=nofile=1024:1024 --ulimit=nproc=1000:1000 \
                       --volume=/lib:/lib:ro --volume=/lib64:/lib64:ro --rootfs";

/// The same podman, whatever it is to do: cgroups of version 2 alone, for crun knows no mixture.
const MOUNTS: &str =
    "umount -l /sys/fs/cgroup 2>/dev/null; mount -t cgroup2 none /sys/fs/cgroup || exit 1; exec \"$@\"";

/// The file system of a container: a shell, and room for what is mounted.
fn root_of_container(sandbox: &Sandbox) -> PathBuf {
    let root = sandbox.root().join("container");
    for directory in ["bin", "lib", "lib64", "run", "proc", "dev", "sys", "tmp", "etc", "usr/local/bin"] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    fs::copy("/bin/sh", root.join("bin/sh")).unwrap();
    root
}

fn words(root: &Path, storage: &Path) -> Vec<String> {
    let storage = ["--storage-driver=vfs".to_owned(), format!("--root={}", storage.display())];
    let words = OPTIONS.split_whitespace().map(str::to_owned);
    let program = ["podman".to_owned()].into_iter().chain(storage).chain(["run".to_owned()]);
    program.chain(words).chain([root.display().to_string()]).collect()
}

/// Whether podman can start a container here.
fn can_start(root: &Path, storage: &Path) -> bool {
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", MOUNTS, "sh"]).args(words(root, storage)).args(["/bin/sh", "-c", "exit 7"]);
    command.output().is_ok_and(|output| output.status.code() == Some(7))
}

#[test]
fn a_container_has_the_session_s_tokens_and_nothing_else() {
    let (sandbox, _entra) = Sandbox::logged_in();
    let (root, storage) = (root_of_container(&sandbox), sandbox.root().join("storage"));
    if !can_start(&root, &storage) {
        println!("not run: podman starts no container here");
        return;
    }
    let script = "az account show --query id -o tsv; \
                  az account get-access-token --query accessToken -o tsv; \
                  az group list 2>/dev/null || echo refused; \
                  azward-inside sh -c 'echo ${IDENTITY_ENDPOINT%%:[0-9]*}'; \
                  set -- /run/azward/*; echo $*";
    let azward = env!("CARGO_BIN_EXE_azward");
    let ran = Invocation::new(&sandbox, "unshare")
        .args(["--mount", "sh", "-c", MOUNTS, "sh", azward, "exec", "--serve", SESSION, "--"])
        .args(words(&root, &storage))
        .args(["/bin/sh", "-c", script])
        .run()
        .ok();
    let out = ran.out();
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 5, "{ran:?}");
    assert_eq!(lines[0], SUBSCRIPTION_2.id);
    assert_eq!(claims(lines[1])["tid"], entra::TENANT_A.id);
    assert_eq!(lines[2..4], ["refused", "http://127.0.0.1"]);
    assert!(lines[4].contains("/run/azward/socket") && !lines[4].contains("vault"), "{}", lines[4]);
    sandbox.assert_nothing_in_the_clear();
}
