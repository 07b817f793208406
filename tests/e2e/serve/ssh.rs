//! Another host, by a real sshd on loopback: the socket is forwarded to it, and an az there has the session's tokens for as long as the
//! connection is. Where there is no sshd that is told, and the test is not run.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use entra::SUBSCRIPTION_2;

use super::serve;
use crate::support::{Invocation, Sandbox, wait_until};

const SSHD: &str = "/usr/sbin/sshd";

/// An sshd of this test's own.
struct Sshd {
    child: Child,
    port: u16,
    directory: PathBuf,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start_sshd(directory: &Path) -> Sshd {
    for key in ["host", "user"] {
        let made =
            Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(directory.join(key)).status();
        assert!(made.unwrap().success());
    }
    fs::copy(directory.join("user.pub"), directory.join("authorized")).unwrap();
    fs::set_permissions(directory.join("authorized"), fs::Permissions::from_mode(0o600)).unwrap();
    // What a distribution's service makes before it starts one as root.
    let _ = fs::create_dir_all("/run/sshd");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let shown = directory.display();
    let options = [
        format!("Port={port}"),
        "ListenAddress=127.0.0.1".to_owned(),
        format!("HostKey={shown}/host"),
        format!("AuthorizedKeysFile={shown}/authorized"),
        "StrictModes=no".to_owned(),
        "PasswordAuthentication=no".to_owned(),
        "UsePAM=no".to_owned(),
        "PidFile=none".to_owned(),
    ];
    let mut command = Command::new(SSHD);
    command.args(["-D", "-e", "-f", "/dev/null"]).stdin(Stdio::null()).stderr(Stdio::null());
    for option in &options {
        command.args(["-o", option]);
    }
    let child = command.spawn().unwrap();
    wait_until("sshd listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    Sshd { child, port, directory: directory.to_owned() }
}

impl Sshd {
    fn ssh<'a>(&self, sandbox: &'a Sandbox, options: &[&str], line: &str) -> Invocation<'a> {
        let (key, port) = (self.directory.join("user"), self.port.to_string());
        Invocation::new(sandbox, "ssh")
            .args(["-F", "/dev/null", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"])
            .args(["-o", "LogLevel=ERROR", "-o", "ExitOnForwardFailure=yes", "-p", &port, "-i"])
            .args([key])
            .args(options)
            .args(["127.0.0.1", line])
    }
}

#[test]
fn another_host_has_the_session_s_tokens_over_a_forwarded_socket() {
    if !Path::new(SSHD).exists() {
        println!("not run: there is no sshd here");
        return;
    }
    let (sandbox, _entra) = Sandbox::logged_in();
    let server = serve(&sandbox, &[]);
    let directory = sandbox.root().join("ssh");
    let there = sandbox.root().join("there");
    for made in [&directory, &there] {
        fs::create_dir_all(made).unwrap();
    }
    fs::copy(env!("CARGO_BIN_EXE_azward-inside"), there.join("az")).unwrap();
    let sshd = start_sshd(&directory);
    let shown = there.display();
    // As docs/containers.md has it: the secret goes over in a file, and in nobody's arguments.
    let place = server.socket().parent().unwrap().to_owned();
    let secret = fs::read(place.join("secret")).unwrap();
    sshd.ssh(&sandbox, &[], &format!("umask 077; cat > {shown}/secret")).input(secret).run().ok();
    let forward = format!("{shown}/socket:{}", server.socket().display());
    let line = format!(
        "stat -c %a {shown}/socket; export AZWARD_ENDPOINT=unix:{shown}/socket PATH={shown}:$PATH; \
         az account show --query id -o tsv; az account get-access-token --query tokenType -o tsv"
    );
    let ran = sshd.ssh(&sandbox, &["-R", &forward], &line).run().ok();
    assert_eq!(ran.out(), format!("600\n{}\nBearer\n", SUBSCRIPTION_2.id), "{ran:?}");
    // Without the connection there is nobody.
    let line = format!("AZWARD_ENDPOINT=unix:{shown}/socket {shown}/az account show || echo nobody");
    let ran = sshd.ssh(&sandbox, &[], &line).run();
    assert_eq!(ran.out(), "nobody\n", "{ran:?}");
}
