//! The lookup of the endpoint's name. The C library's knows no deadline, so it gets a thread of its own; one that cannot be
//! had (a limit on processes) fails the request, where ureq's own resolver would panic, and az does the asking.

use std::sync::mpsc;
use std::thread;

use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;
use ureq::unversioned::transport::time::Duration;

#[cfg(unix)]
use crate::sys;

/// Looks names up on a thread.
#[derive(Debug)]
pub(super) struct OnThread;

impl Resolver for OnThread {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let (uri, config) = (uri.clone(), config.clone());
        let patient = NextTimeout { after: Duration::NotHappening, ..timeout };
        let (sender, receiver) = mpsc::channel();
        // Nobody may be listening any more.
        let look_up = move || {
            #[cfg(unix)]
            sys::keep_lookups_built_in();
            drop(sender.send(DefaultResolver::default().resolve(&uri, &config, patient)));
        };
        thread::Builder::new().spawn(look_up)?;
        receiver.recv_timeout(*timeout.after).unwrap_or(Err(Error::Timeout(timeout.reason)))
    }
}
