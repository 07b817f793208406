//! What proves to Azure Arc's agent that a caller may have a token: it answers 401 with the name of a file that it has just written where
//! only the machine's administrators and the agent's group read, and the request is sent again with what is in that (msal 1.39.0,
//! `managed_identity.py`, `_obtain_token_on_arc`). MSAL takes the file's name and looks for it in the agent's directory, whatever was
//! said of that; here the agent's own directory has to be named. What is not as the agent does it is no key, and the matter is az's.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::context::Context;
use crate::helper::Reply;
use crate::secret::Secret;
use crate::sys;

/// The endpoint where the agent is there and no variable names another.
pub(super) const ENDPOINT: &str = "http://localhost:40342/metadata/identity/oauth2/token";

/// What the agent is known by.
const AGENT: &str = "/opt/azcmagent/bin/himds";
const AGENT_ON_WINDOWS: &str = r"AzureConnectedMachineAgent\himds.exe";

/// Where it writes its keys.
const KEYS: &str = "/var/opt/azcmagent/tokens";
const KEYS_ON_WINDOWS: &str = r"AzureConnectedMachineAgent\Tokens";

/// What a key's file ends in.
const SUFFIX: &str = ".key";

/// The largest of them, in bytes.
const LARGEST: u64 = 4096;

/// Where requests have a user and a password of their own from, for any host (requests 2.34.2, `utils.py`, `get_netrc_auth`).
const NETRC: [&str; 2] = [".netrc", "_netrc"];

/// Whether the agent is on this machine.
pub(super) fn is_agent_here(context: &Context) -> bool {
    match cfg!(windows) {
        true => context.variable("ProgramFiles").is_some_and(|files| Path::new(files).join(AGENT_ON_WINDOWS).exists()),
        // MSAL looks on no other system.
        false => cfg!(target_os = "linux") && Path::new(AGENT).exists(),
    }
}

/// Whether az might send something else in the place of the key: requests puts what a netrc says above what it is told.
pub(super) fn may_netrc_say_otherwise(context: &Context) -> bool {
    context.has_variable("NETRC") || NETRC.iter().any(|name| context.home.join(name).exists())
}

/// The directory that has the agent's keys.
#[derive(Debug)]
pub(super) struct Keys(PathBuf);

impl Keys {
    /// The one of this machine; `None` on a system that Arc is not for.
    pub(super) fn of(context: &Context) -> Option<Self> {
        match cfg!(windows) {
            true => context.variable("ProgramData").map(|data| Self(Path::new(data).join(KEYS_ON_WINDOWS))),
            false => cfg!(target_os = "linux").then(|| Self(KEYS.into())),
        }
    }

    /// The key that an answer asks for.
    ///
    /// # Errors
    /// Why there is none, in a clause.
    pub(super) fn of_challenge(&self, reply: &Reply) -> Result<Secret, &'static str> {
        // With that MSAL takes the answer for the next request's as well.
        if reply.headers("retry-after").next().is_some() {
            return Err("asks for time with its challenge");
        }
        let mut challenges = reply.headers("www-authenticate");
        let challenge = challenges.next().filter(|_| challenges.next().is_none());
        let realm = challenge.and_then(realm);
        let name = realm.and_then(|realm| self.name(realm)).ok_or("has a challenge that is not understood")?;
        key(&self.0.join(name)).ok_or("has a key that cannot be used")
    }

    /// The name of the file in this directory that a realm is.
    fn name<'a>(&self, realm: &'a str) -> Option<&'a str> {
        let (directory, name) = realm.rsplit_once(std::path::is_separator)?;
        let is_own = self.0.to_str().is_some_and(|own| match cfg!(windows) {
            true => own.eq_ignore_ascii_case(directory),
            false => own == directory,
        });
        let stem = name.strip_suffix(SUFFIX)?;
        let is_plain =
            !stem.is_empty() && stem.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        (is_own && is_plain).then_some(name)
    }
}

/// The realm of a challenge, as MSAL reads it.
fn realm(challenge: &str) -> Option<&str> {
    let (scheme, realm) = challenge.split_once('=')?;
    (scheme.eq_ignore_ascii_case("basic realm") && !realm.contains('=')).then_some(realm)
}

/// What is in the key's file, as it may stand in a header. Whose it is says nothing: it is the agent's, and read through its group.
fn key(path: &Path) -> Option<Secret> {
    let file = sys::open_itself(path).ok()?;
    let metadata = file.metadata().ok()?;
    if !metadata.is_file() || metadata.len() > LARGEST {
        return None;
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(LARGEST).unwrap_or_default() + 1));
    file.take(LARGEST + 1).read_to_end(&mut bytes).ok()?;
    let is_whole = !bytes.is_empty() && bytes.len() as u64 <= LARGEST;
    (is_whole && bytes.iter().all(u8::is_ascii_graphic)).then(|| Secret::new(std::mem::take(&mut *bytes)))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn challenge(text: &str) -> Reply {
        Reply::with_headers([("www-authenticate", text)])
    }

    #[test]
    fn the_key_is_what_is_in_the_file_that_the_challenge_names() {
        let directory = tempfile::tempdir().unwrap();
        let keys = Keys(directory.path().to_owned());
        let here = directory.path().display();
        fs::write(directory.path().join("0a-1_B.key"), "c2VjcmV0==").unwrap();
        let found = |reply: &Reply| keys.of_challenge(reply).ok().map(|key| key.expose_text().to_owned());
        for scheme in ["Basic realm", "basic realm", "BASIC REALM"] {
            let headers = challenge(&format!("{scheme}={here}/0a-1_B.key"));
            assert_eq!(found(&headers).as_deref(), Some("c2VjcmV0=="), "{scheme}");
        }
        let directory = directory.path();
        fs::write(directory.join("a.b.key"), "k").unwrap();
        fs::write(directory.join("a.txt"), "k").unwrap();
        fs::create_dir(directory.join("below")).unwrap();
        fs::write(directory.join("below/0a.key"), "k").unwrap();
        for text in [
            String::new(),
            "Basic".to_owned(),
            format!("Bearer realm={here}/0a-1_B.key"),
            format!("Basic  realm={here}/0a-1_B.key"),
            format!("Basic realm=\"{here}/0a-1_B.key\""),
            format!("Basic realm={here}/0a-1_B.key, charset=x"),
            format!("Basic realm={here}/0a-1_B.key="),
            format!("Basic realm={here}/0a-1_B"),
            format!("Basic realm={here}/0a-1_B.KEY"),
            format!("Basic realm={here}/a.b.key"),
            format!("Basic realm={here}/a.txt"),
            format!("Basic realm={here}/.key"),
            format!("Basic realm={here}/below/0a.key"),
            format!("Basic realm={here}/below/../0a-1_B.key"),
            format!("Basic realm={here}/../0a-1_B.key"),
            format!("Basic realm={here}//0a-1_B.key"),
            "Basic realm=/etc/0a-1_B.key".to_owned(),
            "Basic realm=0a-1_B.key".to_owned(),
            format!("Basic realm={here}/missing.key"),
        ] {
            assert!(found(&challenge(&text)).is_none(), "{text}");
        }
        let own = format!("Basic realm={here}/0a-1_B.key");
        let twice = Reply::with_headers([("www-authenticate", &own), ("www-authenticate", "Basic realm=x")]);
        assert!(found(&twice).is_none());
        let later = Reply::with_headers([("www-authenticate", &own), ("retry-after", "1")]);
        assert!(found(&later).is_none());
        assert!(found(&Reply::with_headers([])).is_none());
    }

    #[test]
    fn a_key_that_is_no_plain_file_or_fits_no_header_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.key");
        for (bytes, is_key) in [
            (&b"k"[..], true),
            (&[b'k'; 4096], true),
            (&[b'k'; 4097], false),
            (b"", false),
            (b"k\n", false),
            (b"k\r\nX: y", false),
            (b" k", false),
            (b"a b", false),
            (b"k\0", false),
            ("\u{e9}".as_bytes(), false),
        ] {
            fs::write(&path, bytes).unwrap();
            assert_eq!(key(&path).map(|key| key.expose() == bytes), is_key.then_some(true), "{} bytes", bytes.len());
        }
        fs::remove_file(&path).unwrap();
        assert!(key(&path).is_none());
        fs::create_dir(&path).unwrap();
        assert!(key(&path).is_none());
        fs::remove_dir(&path).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_is_a_link_a_pipe_or_a_device_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.key");
        let other = directory.path().join("b.key");
        fs::write(&other, "k").unwrap();
        for target in [other.as_path(), Path::new("/dev/zero"), Path::new("missing")] {
            std::os::unix::fs::symlink(target, &path).unwrap();
            assert!(key(&path).is_none(), "{}", target.display());
            fs::remove_file(&path).unwrap();
        }
        assert!(key(Path::new("/dev/zero")).is_none());
        // Nobody writes to it: who waited for that would wait for ever.
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success() && key(&path).is_none());
    }
}
