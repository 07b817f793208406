//! What a guardian is told of the az that it is to watch, and of what is exposed to it: one line, and the files that it needs
//! to settle that, each with its role. It goes from one execution of a program to another of the very same program, so that
//! both know its form.

use std::fs::File;

use serde::{Deserialize, Serialize};

use crate::azure::command::Group;
use crate::run::exposure::kind::ExposureKind;
use crate::sys;

/// What a guardian is told of the az that it is to watch.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Manifest {
    /// az's process.
    pub(super) process: u32,
    /// When that started, to tell it from a later one with the same id.
    pub(super) start: u64,
    /// How the secrets are exposed to it.
    pub(super) exposure: ExposureKind,
    /// What the files that come along are for, in their order: two messages may arrive as one. Where none can (on Windows), what
    /// the run holds.
    pub(super) files: Vec<Role>,
    /// Its command; none as long as that has done nothing, whatever it is.
    pub(super) command: Option<Group>,
    /// The variables that it is given and the shim itself was not: which config directory it has is among them. In bytes, for a
    /// path may be anything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) added: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What a file that comes along is for.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Role {
    /// The run's private copy of the token cache.
    Copy,
    /// What that was made of.
    Base,
    /// The run's mount lock.
    MountLock,
    /// The run's share in the lease.
    Lease,
    /// The run's mount namespace; only to be kept: az and the shim are not to wait until the kernel has taken it down.
    Namespace,
    /// The run's watch; only to be kept, for the same reason.
    Watch,
    /// The run's private copy of the list of service principals.
    PrincipalsCopy,
    /// What that was made of.
    PrincipalsBase,
    /// The lock of the file that an az before 2.30 has for itself; held for as long as that az lives.
    OwnFile,
}

impl Role {
    const ALL: [Self; 9] = [
        Self::Copy,
        Self::Base,
        Self::MountLock,
        Self::Lease,
        Self::Namespace,
        Self::Watch,
        Self::PrincipalsCopy,
        Self::PrincipalsBase,
        Self::OwnFile,
    ];
}

// Each comes once at the most, so whatever there is to be told fits into one message.
const _: () = assert!(Role::ALL.len() <= sys::MOST_FILES);

/// The files that came along, by what they are for.
#[derive(Debug, Default)]
pub(crate) struct Files(Vec<(Role, File)>);

impl Files {
    /// The first `roles.len()` of the files that arrived; `None` when there are fewer: then nobody knows which is which.
    pub(super) fn of(roles: &[Role], arrived: &mut Vec<File>) -> Option<Self> {
        let are_all_there = arrived.len() >= roles.len();
        let own = arrived.drain(..roles.len().min(arrived.len()));
        let own = roles.iter().copied().zip(own).collect();
        are_all_there.then_some(Self(own))
    }

    /// The file of that role, if it came and was not taken yet.
    #[must_use]
    pub(crate) fn take(&mut self, role: Role) -> Option<File> {
        let place = self.0.iter().position(|(other, _)| *other == role)?;
        Some(self.0.swap_remove(place).1)
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::io::{Read, Seek, Write};

    use super::*;
    use crate::azure::Command;

    #[test]
    fn what_is_told_of_the_command_is_its_words_and_what_it_does() {
        let arguments = ["logout", "--username", "secret"].map(OsString::from);
        let command = Some(Command::parse(&arguments).group().clone());
        let told = Manifest {
            process: 7,
            start: 8,
            exposure: ExposureKind::Private,
            files: vec![Role::Copy],
            command,
            added: Vec::new(),
        };
        let line = serde_json::to_string(&told).unwrap();
        assert_eq!(
            line,
            "{\"process\":7,\"start\":8,\"exposure\":\"private\",\"files\":[\"copy\"],\
             \"command\":{\"words\":\"logout\",\"effect\":\"sign-out\"}}"
        );
        let heard: Manifest = serde_json::from_str(&line).unwrap();
        assert_eq!(heard.exposure, ExposureKind::Private);
        assert_eq!(heard.command, told.command);
        let waiting: Manifest =
            serde_json::from_str(&line.replace("{\"words\":\"logout\",\"effect\":\"sign-out\"}", "null")).unwrap();
        assert_eq!(waiting.command, None);
    }

    #[test]
    fn files_are_known_by_their_roles_and_none_is_taken_for_another() {
        let named = |names: &[&str]| -> Vec<File> {
            let file = |name: &&str| {
                let mut file = tempfile::tempfile().unwrap();
                file.write_all(name.as_bytes()).unwrap();
                file.rewind().unwrap();
                file
            };
            names.iter().map(file).collect()
        };
        let text = |file: Option<File>| {
            let mut text = String::new();
            file.map(|mut file| file.read_to_string(&mut text).unwrap()).map(|_| text)
        };
        let mut arrived = named(&["watch", "copy", "next message's"]);
        let mut files = Files::of(&[Role::Watch, Role::Copy], &mut arrived).unwrap();
        assert_eq!(text(files.take(Role::Copy)).as_deref(), Some("copy"));
        assert_eq!(text(files.take(Role::MountLock)), None);
        assert_eq!(text(files.take(Role::Watch)).as_deref(), Some("watch"));
        assert_eq!(arrived.len(), 1);
        // One that was dropped on the way leaves nobody to know which the others are.
        assert!(Files::of(&[Role::Copy, Role::Base], &mut arrived).is_none() && arrived.is_empty());
    }
}
