//! What Azure Arc's agent wants to see before it gives a token: it writes a key where only its group reads, names the file in a challenge,
//! and takes the request that comes with what is in there, once. A test says where it writes, and what becomes of the key.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde_json::json;

use crate::http::{Request, Response};
use crate::knobs::Knobs;
use crate::{locked, random};

/// The text that every key starts with.
pub const ARC_KEY_CANARY: &str = "CANARYARCKEY";

/// Where az looks for keys.
pub const ARC_KEYS: &str = "/var/opt/azcmagent/tokens";

/// What becomes of a key once it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArcKey {
    /// Nothing.
    Own,
    /// It is another one.
    Another,
    /// It is of so many bytes.
    Long(usize),
    /// Its line is ended.
    Ended,
    /// It is gone.
    Missing,
    /// It is somewhere else, with a link in its place.
    Linked,
    /// It is a directory.
    Directory,
}

/// The keys that were written and not sent yet, each with its file.
#[derive(Debug, Default)]
pub(crate) struct Agent(Mutex<Vec<(String, PathBuf)>>);

impl Agent {
    /// Writes a key and asks for it.
    pub(crate) fn challenge(&self, knobs: &Knobs) -> Response {
        let name = format!("{}.key", random::guid());
        if let Some(directory) = &knobs.arc_keys {
            let path = directory.join(&name);
            let length = if let ArcKey::Long(length) = knobs.arc_key { length } else { 64 };
            let key = format!("{ARC_KEY_CANARY}{}", random::text(length - ARC_KEY_CANARY.len()));
            write(&path, &key, knobs.arc_key).expect("the agent can write its keys");
            locked(&self.0).push((key, path));
        }
        let realm = knobs.arc_realm.replace("$KEY", &name);
        Response::json(401, &json!({"error": "unauthorized_client"}))
            .with("WWW-Authenticate", format!("Basic realm={realm}"))
    }

    /// Whether a request has a key that was asked for, which it is not again.
    pub(crate) fn takes(&self, request: &Request) -> bool {
        let Some(sent) = request.header("authorization").and_then(|value| value.strip_prefix("Basic ")) else {
            return false;
        };
        let mut keys = locked(&self.0);
        let Some(place) = keys.iter().position(|(key, _)| key == sent) else { return false };
        let (_, path) = keys.swap_remove(place);
        // A test may have been quicker.
        let _ = fs::remove_file(path);
        true
    }
}

fn write(path: &Path, key: &str, fate: ArcKey) -> io::Result<()> {
    match fate {
        ArcKey::Own | ArcKey::Long(_) => fs::write(path, key),
        ArcKey::Another => fs::write(path, format!("{ARC_KEY_CANARY}{}", random::text(52))),
        ArcKey::Ended => fs::write(path, format!("{key}\n")),
        ArcKey::Missing => Ok(()),
        ArcKey::Linked => {
            let elsewhere = path.with_extension("elsewhere");
            fs::write(&elsewhere, key)?;
            symlink(elsewhere.file_name().unwrap_or_default(), path)
        }
        ArcKey::Directory => fs::create_dir(path),
    }
}
