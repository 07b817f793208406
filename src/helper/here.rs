//! What a helper is asked for, done in this process. It waits as long as it takes: who asked has a deadline.

use super::transit::InTransit;
use super::{Answer, Asked, Request, Said, http, keyring};

/// Does what is asked.
#[must_use]
pub fn here(request: Request) -> Answer {
    Answer(match request.0 {
        Asked::Exchange(exchange) => Said::Replied(http::send(exchange)),
        Asked::MakeReady(user, prompting) => Said::Done(keyring::make_ready(&user, prompting)),
        Asked::Read(users, prompting) => found(keyring::read(&users, prompting)),
        Asked::Write(user, secret) => found(keyring::write_and_read_back(&user, &secret.0)),
        Asked::Remove(user) => Said::Done(keyring::remove(&user)),
        Asked::ReadItem(item) => found(item.read().map(|secret| secret.into_iter().collect())),
        Asked::WriteItem(item, text) => Said::Done(item.write(&text.0)),
        Asked::RemoveItem(item) => Said::Done(item.remove()),
    })
}

fn found(secrets: Result<Vec<crate::secret::Secret>, super::Refusal>) -> Said {
    Said::Found(secrets.map(|secrets| secrets.into_iter().map(InTransit).collect()))
}
