//! The PEM files of service principals, taken into the vault and given back. One is taken in on demand and no sooner: what else uses
//! that file does not find it any more. It is removed when the vault with it is on the disk; whoever is killed in between has both,
//! and the file counts. From then on az is handed an assertion for each run (`tokens::hand_over_assertions`). What azward
//! cannot sign with stays where it is, and that is said.

use std::path::Path;

use crate::credentials::origin::{Order, Origin};
use crate::credentials::service_principals::{Principal, Replaced, file_of, pem_in, record_of};
use crate::failure::{Failure, Kind, Result};
use crate::home_lock::Alone;
use crate::run::whole_files::{put_back, remove};
use crate::secret::Secret;
use crate::store::CredentialStore;
use crate::text;
use crate::tokens;
use crate::vault::{Contents, CredentialKind};

/// A certificate that was taken in or given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovedCertificate {
    /// The application that signs in with it.
    pub client_id: String,
    /// Its PEM file, which is gone, or there again.
    pub path: String,
}

impl CredentialStore<'_> {
    /// Takes in the PEM files of all service principals of this directory, or of `client_id` and whoever has the same file, while
    /// nobody is at work who could still read one. None where they have all been taken in before.
    ///
    /// # Errors
    /// `Usage` where there is none, or one that azward cannot sign with; whatever keeps the vault from being written: the file
    /// is there still.
    pub fn seal_certificates(&self, client_id: Option<&str>, _alone: &Alone) -> Result<Vec<MovedCertificate>> {
        if !self.principals.is_there() {
            return Err(nobody_is_meant());
        }
        let (vault, section) = self.prepared()?.enter_principals()?;
        let list = section.parse()?;
        let own: Vec<(&str, &Principal<'_>, &str)> =
            list.raw_entries().filter_map(|(raw, own)| Some((raw, own, &*own.certificate.as_ref()?.path))).collect();
        let is_there = |path: &str| Path::new(path).symlink_metadata().is_ok();
        let is_meant = |own: &Principal<'_>| client_id.is_none_or(|id| own.client_id.eq_ignore_ascii_case(id));
        let meant: Vec<&str> =
            own.iter().filter(|(_, own, path)| is_meant(own) && is_there(path)).map(|(.., path)| *path).collect();
        if meant.is_empty() {
            let contents = vault.open_unasked()?;
            let is_sealed = |own: &Principal<'_>, path: &str| pem_in(contents.contents(), &own.id, path).is_some();
            return match own.iter().any(|(_, own, path)| is_meant(own) && is_sealed(own, path)) {
                true => Ok(Vec::new()),
                false => Err(nobody_is_meant()),
            };
        }
        let mut taken = Vec::new();
        for (raw, own, path) in own.into_iter().filter(|(.., path)| meant.contains(path)) {
            let pem = usable_pem(path)?;
            taken.push((record_of(raw, own, pem.expose_text(), self.app.context.now()), own.client_id.clone(), path));
        }
        let mut opened = vault.open_or_replace(&list)?;
        opened.harvest_principals(&list, Origin::Run, Order::Unknown, Replaced::IsBack)?;
        // The file of a certificate that one had before goes back to its owner.
        for (record, _, path) in &taken {
            let before = opened.contents().get(record.kind, &record.id).and_then(file_of);
            if let Some((other, pem)) = before.filter(|(other, _)| other != path) {
                let other = Path::new(&other);
                put_back(other, &pem, &called(other))?;
            }
        }
        let mut moved = Vec::new();
        opened.change(|contents| {
            for (record, client_id, path) in taken {
                contents.put(record);
                moved.push(MovedCertificate { client_id, path: path.to_owned() });
            }
            Ok(true)
        })?;
        opened.commit().stored?;
        for path in meant {
            remove(Path::new(path))?;
        }
        Ok(moved)
    }

    /// Puts the PEM files of all service principals of this directory back where they were.
    ///
    /// # Errors
    /// `NoPlace` where another file is in the place of one, `Storage`: the vault has them all still.
    pub fn unseal_certificates(&self) -> Result<Vec<MovedCertificate>> {
        if !self.vault.exists() {
            return Ok(Vec::new());
        }
        let vault = self.prepared()?.enter_vault()?;
        let mut opened = vault.open()?;
        let moved = put_back_certificates(opened.contents())?;
        opened.change(|contents| {
            contents.records.retain(|record| record.kind != CredentialKind::ClientCertificate);
            Ok(!moved.is_empty())
        })?;
        opened.commit().stored?;
        Ok(moved)
    }
}

fn nobody_is_meant() -> Failure {
    Failure::new(
        Kind::Usage,
        "no service principal that is meant signs in here with the file of a certificate",
        "one that does is signed in with `--service-principal --certificate FILE`",
    )
}

/// Writes every PEM file that the vault has back where it was.
///
/// # Errors
/// `NoPlace`, `Storage`.
pub(super) fn put_back_certificates(contents: &Contents) -> Result<Vec<MovedCertificate>> {
    let mut moved = Vec::new();
    for record in contents.of(CredentialKind::ClientCertificate) {
        let Some((path, pem)) = file_of(record) else { continue };
        put_back(Path::new(&path), &pem, &called(path.as_ref()))?;
        let client_id = record.owner.home_account_id.split('.').next().unwrap_or_default().to_owned();
        moved.push(MovedCertificate { client_id, path });
    }
    Ok(moved)
}

/// What people know a PEM file as.
fn called(path: &Path) -> String {
    format!("the certificate's file `{}`", text::path(path))
}

/// The PEM file at `path`, if it is one that may be taken in.
fn usable_pem(path: &str) -> Result<Secret> {
    let refused = |why: &str, hint: &str| Failure::new(Kind::Usage, format!("{} {why}", called(path.as_ref())), hint);
    let file = Path::new(path);
    if !file.is_absolute() {
        let hint = "sign in again with its whole path, then run this again";
        return Err(refused("is named by a relative path, which is another one in every directory", hint));
    }
    if !file.symlink_metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Err(refused("is a link or no plain file", "sign in again with the path of the file itself"));
    }
    let hint = "it stays where it is: an RSA key without a passphrase and its certificate can be taken in";
    tokens::read_pem(path)
        .filter(|pem| tokens::can_sign_with(pem.expose()))
        .ok_or_else(|| refused("has no key that azward can sign with", hint))
}
