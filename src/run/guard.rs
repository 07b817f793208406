//! What a guardian does: it listens until its shim is gone, waits for the az that it was told of, and settles that az's
//! exposure in the shim's place.

use std::fs::File;

use crate::app::App;
use crate::azure::ConfigDir;
use crate::azure::command::{AccountEffect, Group};
use crate::context::Context;
use crate::credentials::origin::Origin;
use crate::credentials::{CredentialFile, MsalLock};
use crate::failure::Result;
use crate::journal::{Action, Event};
use crate::run::adal::AdalPlace;
use crate::run::exposure::kind::ExposureKind;
use crate::run::exposure::{self, AzEnd, Ending, GivenCredentials};
use crate::run::guardian::DISMISSED;
#[cfg(windows)]
use crate::run::guardian::GIVE_UP;
use crate::run::manifest::{Files, Manifest, Role};
use crate::settings::Settings;
#[cfg(windows)]
use crate::store::lease::Lease;
use crate::store::{CredentialStore, Forgetting};
use crate::sys;

/// Is the guardian of the run whose shim is at the other end of the channel. Returns when there is nothing left to guard.
pub fn guard(context: Context) {
    let Ok(channel) = sys::Channel::of_detached(c"azward-guardian") else { return };
    let Some((manifest, files)) = hear_out(&channel, &context) else { return };
    sys::wait_for_end_of(manifest.process, manifest.start);
    let context = context_of_run(&context, &manifest);
    let settings = Settings::load(&context.azward_home).unwrap_or_default();
    let app = App::with(context, settings);
    let App { context, journal, .. } = &app;
    let config_dir = ConfigDir::of(context);
    let store = CredentialStore::new(&app, &config_dir);
    match settle(&store, &manifest, files) {
        Ok(()) => {
            journal.record(&Event::new(context.now(), Action::Run, "its shim was killed; the guardian cleaned up"));
        }
        Err(failure) => journal.warn(context.now(), &failure),
    }
}

/// The shim's own.
fn context_of_run(context: &Context, manifest: &Manifest) -> Context {
    let text = |bytes: &[u8]| sys::path_from_bytes(bytes).into_os_string();
    context.with(manifest.added.iter().map(|(name, value)| (text(name), text(value))))
}

/// Listens until the shim is gone: what it left behind, or `None` when all is settled. `context` is this process's own.
fn hear_out(channel: &sys::Channel, context: &Context) -> Option<(Manifest, Files)> {
    let mut last = None;
    let mut heard = Vec::new();
    let mut attached: Vec<File> = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let (count, files) = channel.receive(&mut buffer).ok()?;
        if count == 0 {
            return last;
        }
        heard.extend_from_slice(&buffer[..count]);
        attached.extend(files);
        while let Some(end) = heard.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = heard.drain(..=end).collect();
            if line == DISMISSED {
                // Nobody is to wait until the kernel has taken down what is still open here.
                channel.hang_up();
                return None;
            }
            #[cfg(windows)]
            if line == GIVE_UP {
                last = last.map(|(manifest, _)| (manifest, Files::default()));
                channel.answer();
                continue;
            }
            if let Ok(manifest) = serde_json::from_slice::<Manifest>(&line) {
                let before = last.take().map(|(_, files)| files);
                last = Some(match files_for(&manifest, &mut attached, before, channel, context) {
                    Some(files) => (manifest, files),
                    // What lies in the real cache can still be settled.
                    None => (Manifest { exposure: ExposureKind::InPlace, ..manifest }, Files::default()),
                });
            }
        }
    }
}

/// Those of the files that came along that are this message's, with every lock that the shim has on them; `None` when one did
/// not come.
#[cfg(unix)]
fn files_for(
    manifest: &Manifest,
    attached: &mut Vec<File>,
    _before: Option<Files>,
    _channel: &sys::Channel,
    _context: &Context,
) -> Option<Files> {
    Files::of(&manifest.files, attached)
}

/// The shim's locks are its alone here, and end with it: a share of this process's own, that of `before` or a new one, if the shim
/// has one. The shim waits until it is here, and exposes nothing before.
#[cfg(windows)]
fn files_for(
    manifest: &Manifest,
    _attached: &mut Vec<File>,
    before: Option<Files>,
    channel: &sys::Channel,
    context: &Context,
) -> Option<Files> {
    let take = || {
        let context = context_of_run(context, manifest);
        let lease = Lease::of(&context, &ConfigDir::of(&context));
        Some(GivenCredentials::to(effect_of(manifest)).share_in(&lease).ok()?.into_file())
    };
    let before = before.and_then(|mut files| files.take(Role::Lease));
    let share = if manifest.files.contains(&Role::Lease) { before.or_else(take) } else { None };
    if !manifest.files.is_empty() {
        channel.answer();
    }
    Files::of(&[Role::Lease], &mut vec![share?])
}

/// What the az does to the accounts.
fn effect_of(manifest: &Manifest) -> AccountEffect {
    manifest.command.as_ref().map_or(AccountEffect::Nothing, Group::effect)
}

fn settle(store: &CredentialStore<'_>, manifest: &Manifest, mut files: Files) -> Result<()> {
    let origin = manifest.command.as_ref().map_or(Origin::Run, Origin::Command);
    let effect = effect_of(manifest);
    // How az ended is only told to its parent.
    let forgetting = match effect {
        AccountEffect::SignOut | AccountEffect::Clear | AccountEffect::Unknown => Forgetting::IfProven,
        AccountEffect::Nothing | AccountEffect::SignIn => Forgetting::Never,
    };
    let given = GivenCredentials::to(effect);
    // Until now, as its az lived.
    let own_file = files.take(Role::OwnFile);
    let ending = Ending { forgetting, origin, az: AzEnd::Failed };
    store.blank_kept_answers();
    let Some(exposure) = exposure::handed_over(manifest.exposure, given, &mut files) else { return Ok(()) };
    let settled = exposure.settle(store, ending).map(drop);
    if MsalLock::is_taken(store.cache.path()) {
        // The shim was killed with it in hand, where there is nothing to settle: whoever takes it over gives it up.
        drop(store.lock_cache());
    }
    if MsalLock::is_taken(store.principals.path()) {
        drop(store.lock_principals());
    }
    if own_file.is_some() {
        drop(own_file);
        AdalPlace::of(&store.app.context, store.config_dir).map_or(Ok(()), |place| place.sweep(store))?;
    }
    if settled.is_err() && !manifest.exposure.is_shared() {
        // A shim that was killed while it wiped the copy left it torn, and MSAL's lock behind.
        let in_place = exposure::handed_over(ExposureKind::InPlace, given, &mut Files::default());
        let ending = Ending { forgetting: Forgetting::Never, ..ending };
        in_place.map_or(Ok(()), |in_place| in_place.settle(store, ending).map(drop))?;
    }
    settled
}
