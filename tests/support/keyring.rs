//! A Secret Service for one box: a session bus of its own and a gnome-keyring-daemon on it, with the keyring beside the box's
//! home, which a test may put back as it was. It can be locked and unlocked as a log-off and a log-on do, by starting the daemon again without the password or
//! with it; the bus stays where it is.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Once;

use super::invocation::{Invocation, wait_until};
use super::provision;
use super::sandbox::Sandbox;

const PASSWORD: &[u8] = b"keyring password";

/// A session bus that starts nothing by itself: whoever asks for a keyring that was stopped, as the guardian of the last
/// run may, would get a second daemon, and the box would have two.
pub(crate) const BUS_CONFIG: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
    "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
    <type>session</type>
    <listen>unix:tmpdir=/tmp</listen>
    <policy context="default">
        <allow send_destination="*" eavesdrop="true"/>
        <allow eavesdrop="true"/>
        <allow own="*"/>
    </policy>
</busconfig>
"#;

/// Whether the keyring can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Unlocked,
    /// There is a keyring, and nobody has given its password. (No prompter can start either: there is no display.)
    Locked,
}

/// The D-Bus address of a socket: whatever is no letter of a plain name is escaped (D-Bus specification, "Server Addresses").
pub(crate) fn bus_address(socket: &Path) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_/.".contains(&byte);
    let escaped = socket
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .map(|byte| if is_plain(*byte) { char::from(*byte).to_string() } else { format!("%{byte:02x}") });
    format!("unix:path={}", escaped.collect::<String>())
}

/// A running Secret Service; it ends when dropped.
pub(crate) struct SecretService<'a> {
    sandbox: &'a Sandbox,
    bus: Child,
    daemon: Option<Child>,
}

impl<'a> SecretService<'a> {
    /// Starts one and tells the box's commands where it is.
    pub(crate) fn start(sandbox: &'a Sandbox, state: State) -> Self {
        require_programs();
        let config = sandbox.root().join("bus.conf");
        std::fs::write(&config, BUS_CONFIG).expect("the box can be written");
        let config = format!("--config-file={}", config.display());
        let arguments = [&*config, "--nofork", "--nopidfile", "--print-address"];
        let mut bus = command(sandbox, "dbus-daemon", &arguments, Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("dbus-daemon");
        let mut address = String::new();
        BufReader::new(bus.stdout.take().expect("it is a pipe"))
            .read_line(&mut address)
            .expect("dbus-daemon says its address");
        assert!(address.starts_with("unix:"), "dbus-daemon did not say its address but `{address}`");
        sandbox.set_env("DBUS_SESSION_BUS_ADDRESS", address.trim());
        let mut service = Self { sandbox, bus, daemon: None };
        // Also makes the keyring, without which there is nothing to lock.
        service.unlock();
        if state == State::Locked {
            service.lock();
        }
        service
    }

    /// Locks the keyring.
    pub(crate) fn lock(&mut self) {
        self.restart(&["--foreground", "--components=secrets"], b"");
    }

    /// Unlocks the keyring.
    pub(crate) fn unlock(&mut self) {
        self.restart(&["--foreground", "--components=secrets", "--unlock"], PASSWORD);
    }

    /// Ends the daemon and leaves the bus: a session without a Secret Service.
    pub(crate) fn stop(&mut self) {
        let Some(mut daemon) = self.daemon.take() else { return };
        let _ = daemon.kill();
        let _ = daemon.wait();
        wait_until("the Secret Service leaves the bus", || !self.is_on_bus());
    }

    fn restart(&mut self, arguments: &[&str], password: &[u8]) {
        self.stop();
        let mut daemon = command(self.sandbox, "gnome-keyring-daemon", arguments, Stdio::piped())
            .spawn()
            .expect("gnome-keyring-daemon");
        // The password ends where the input ends.
        daemon
            .stdin
            .take()
            .expect("it is a pipe")
            .write_all(password)
            .expect("gnome-keyring-daemon takes the password");
        self.daemon = Some(daemon);
        wait_until("the Secret Service is on the bus", || self.is_on_bus());
    }

    fn is_on_bus(&self) -> bool {
        let method = "org.freedesktop.DBus.NameHasOwner";
        let arguments = [
            "--session",
            "--print-reply",
            "--dest=org.freedesktop.DBus",
            "/",
            method,
            "string:org.freedesktop.secrets",
        ];
        let reply = command(self.sandbox, "dbus-send", &arguments, Stdio::null()).stdout(Stdio::piped()).output();
        reply.is_ok_and(|reply| String::from_utf8_lossy(&reply.stdout).contains("boolean true"))
    }
}

impl Drop for SecretService<'_> {
    fn drop(&mut self) {
        for child in self.daemon.iter_mut().chain([&mut self.bus]) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// One of the service's programs, in the box, with its chatter thrown away.
fn command(sandbox: &Sandbox, program: &str, arguments: &[&str], stdin: Stdio) -> Command {
    let mut command = Invocation::new(sandbox, program).args(arguments).command();
    command.stdin(stdin).stdout(Stdio::null()).stderr(Stdio::null());
    command.env("XDG_DATA_HOME", sandbox.root().join("keyring"));
    command
}

fn require_programs() {
    static ONCE: Once = Once::new();
    let is_there = || {
        ["gnome-keyring-daemon", "dbus-daemon", "dbus-send"]
            .iter()
            .all(|name| Path::new("/usr/bin").join(name).exists())
    };
    ONCE.call_once(|| {
        if is_there() {
            return;
        }
        let directory = provision::cache_dir().join("keyring-programs");
        provision::make_once(&directory, "installed", |_| is_there(), |directory| {
            let is_root = rustix::process::geteuid().is_root();
            let advice = "the keyring tests need gnome-keyring-daemon and dbus-daemon: apt-get install gnome-keyring dbus dbus-bin";
            assert!(is_root && Path::new("/usr/bin/apt-get").exists(), "{advice}");
            provision::announce("installing gnome-keyring and dbus with apt-get for the keyring tests");
            let script = "apt-get -q update && apt-get -q -y install --no-install-recommends gnome-keyring dbus dbus-bin";
            let output = Command::new("/bin/sh").args(["-c", script]).env("DEBIAN_FRONTEND", "noninteractive").output();
            let output = output.expect("/bin/sh starts");
            assert!(output.status.success() && is_there(), "{advice}\n{}", String::from_utf8_lossy(&output.stderr));
            std::fs::create_dir_all(directory).expect("the cache can be written");
        });
    });
}
