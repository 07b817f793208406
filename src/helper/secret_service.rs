//! What the Secret Service is asked before the keyring library asks it for a key: is it there, and would it have to
//! prompt? The library prompts on its own when something is locked, and cannot be told not to. Nothing is started but
//! what D-Bus starts by itself when a service is called; without `DBUS_SESSION_BUS_ADDRESS` zbus takes
//! `$XDG_RUNTIME_DIR/bus`, else `/run/user/<uid>/bus`. The caller sees to the deadline.

use std::collections::HashMap;

use zbus::blocking::{Connection, Proxy};
use zbus::message::Body;
use zbus::zvariant::{DynamicType, ObjectPath, OwnedObjectPath, OwnedValue};

use super::Prompting;
use super::Refusal;

const NAME: &str = "org.freedesktop.secrets";
const PATH: &str = "/org/freedesktop/secrets";
const SERVICE: &str = "org.freedesktop.Secret.Service";
const COLLECTION: &str = "org.freedesktop.Secret.Collection";
const PROMPT: &str = "org.freedesktop.Secret.Prompt";

/// Where the Secret Service has nothing, it says so with this path.
const NO_OBJECT: &str = "/";

type Asked<T> = std::result::Result<T, Refusal>;

/// Sees to it that reading or writing the entry of `service` and `user` needs no prompt: with a person there by unlocking
/// what is locked, else by refusing.
pub(super) fn make_ready(service: &str, user: &str, prompting: Prompting) -> Asked<()> {
    let bus = Connection::session().map_err(|_| Refusal::Absent)?;
    let (locked, refusal) = locked(&bus, service, user)?;
    match (locked.is_empty(), prompting) {
        (true, _) => Ok(()),
        (false, Prompting::Never) => Err(refusal),
        (false, Prompting::Allowed) => unlock(&bus, &locked),
    }
}

/// What would have to be unlocked: the entry itself where there is one, else the collection that it would be made in; and
/// what it is to be refused with.
fn locked(bus: &Connection, service: &str, user: &str) -> Asked<(Vec<OwnedObjectPath>, Refusal)> {
    let attributes = HashMap::from([("service", service), ("username", user)]);
    let found = call(bus, PATH, SERVICE, "SearchItems", &(attributes,))?;
    let (open, locked): (Vec<OwnedObjectPath>, Vec<OwnedObjectPath>) = read(&found)?;
    if !open.is_empty() || !locked.is_empty() {
        return Ok((locked, Refusal::Locked));
    }
    let alias: OwnedObjectPath = read(&call(bus, PATH, SERVICE, "ReadAlias", &("default",))?)?;
    if alias.as_str() == NO_OBJECT {
        // A service without a keyring to put anything into: to make one would prompt for a new password.
        return Err(Refusal::Absent);
    }
    let property = call(bus, alias.as_str(), "org.freedesktop.DBus.Properties", "Get", &(COLLECTION, "Locked"))?;
    let is_locked = bool::try_from(read::<OwnedValue>(&property)?).map_err(|_| Refusal::Refused)?;
    Ok((if is_locked { vec![alias] } else { Vec::new() }, Refusal::LockedAndEmpty))
}

/// Has the service ask the person for the password, and waits for the answer.
fn unlock(bus: &Connection, locked: &[OwnedObjectPath]) -> Asked<()> {
    let paths: Vec<&ObjectPath<'_>> = locked.iter().map(|path| &**path).collect();
    let answer = call(bus, PATH, SERVICE, "Unlock", &(paths,))?;
    let (_, prompt): (Vec<OwnedObjectPath>, OwnedObjectPath) = read(&answer)?;
    if prompt.as_str() == NO_OBJECT {
        return Ok(());
    }
    let prompt = Proxy::new(bus, NAME, prompt, PROMPT).map_err(|_| Refusal::Refused)?;
    // Listened to first, or an answer could come before we listen.
    let mut completed = prompt.receive_signal("Completed").map_err(|_| Refusal::Refused)?;
    prompt.call_method("Prompt", &("",)).map_err(|_| Refusal::Locked)?;
    let signal = completed.next().ok_or(Refusal::Locked)?;
    let (dismissed, _): (bool, OwnedValue) = read(&signal.body())?;
    if dismissed { Err(Refusal::Locked) } else { Ok(()) }
}

fn call(
    bus: &Connection,
    path: &str,
    interface: &str,
    method: &str,
    arguments: &(impl serde::Serialize + DynamicType),
) -> Asked<Body> {
    // A service that is neither running nor startable and one that does not know its own interface are the same to us.
    let answer = bus.call_method(Some(NAME), path, Some(interface), method, arguments).map_err(|_| Refusal::Absent)?;
    Ok(answer.body())
}

fn read<T: serde::de::DeserializeOwned + zbus::zvariant::Type>(body: &Body) -> Asked<T> {
    body.deserialize().map_err(|_| Refusal::Refused)
}
