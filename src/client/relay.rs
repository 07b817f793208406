//! A port of loopback that leads to an endpoint elsewhere: a container that has a network of its own reaches the socket that is
//! mounted there, and the SDKs in it know only ports. Every connection is passed on as it is; there are a bounded number of them, and they
//! end with the program that they are for.

use std::ffi::OsString;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::{Endpoint, Place, Stream};
use crate::failure::{Failure, Result};
use crate::serve::Told;

/// How many connections are passed on at once.
const MOST: usize = 256;

/// How long one that says nothing is kept, and how long to wait where there are too many.
const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(20);

/// A port that leads to an endpoint.
#[derive(Debug)]
pub struct Relay {
    listener: TcpListener,
    endpoint: Endpoint,
}

impl Relay {
    /// Listens on `port` of loopback, 0 for one that is free.
    ///
    /// # Errors
    /// `Storage` where that cannot be listened on.
    pub fn open(endpoint: Endpoint, port: u16) -> Result<Self> {
        let listener = TcpListener::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port));
        let listener = listener
            .map_err(|error| Failure::refused(format!("cannot listen on port {port}: {error}"), error.kind()))?;
        Ok(Self { listener, endpoint })
    }

    /// The variables of a program that finds the endpoint at that port.
    #[must_use]
    pub fn variables(&self) -> Vec<(OsString, OsString)> {
        let port = self.listener.local_addr().map_or(0, |address| address.port());
        Told::identity(&self.endpoint.secret, port)
    }

    /// Passes on whatever comes, for as long as this process is there.
    pub fn pass_on(&self) {
        let count = Arc::new(AtomicUsize::new(0));
        loop {
            let Ok((client, _)) = self.listener.accept() else {
                std::thread::sleep(PAUSE);
                continue;
            };
            while count.load(Ordering::SeqCst) >= MOST {
                std::thread::sleep(PAUSE);
            }
            count.fetch_add(1, Ordering::SeqCst);
            let (place, passing) = (self.endpoint.place.clone(), Passing(count.clone()));
            let pass = move || {
                let _passing = passing;
                // Whoever asks finds that it hung up.
                let _ = pass_both_ways(Stream::Tcp(client), &place);
            };
            let _ = std::thread::Builder::new().name("relay".to_owned()).spawn(pass);
        }
    }
}

/// One of those that are passed on.
struct Passing(Arc<AtomicUsize>);

impl Drop for Passing {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Copies what `client` says to the endpoint, and what that says back; the answer's end is the end.
fn pass_both_ways(mut client: Stream, place: &Place) -> io::Result<()> {
    let mut there = Stream::connect(place)?;
    client.set_patience(PATIENCE)?;
    there.set_patience(PATIENCE)?;
    let (mut back, mut from) = (client.duplicate()?, there.duplicate()?);
    std::thread::Builder::new().name("relay-up".to_owned()).spawn(move || {
        let _ = io::copy(&mut client, &mut there);
        there.shut(Shutdown::Write);
    })?;
    let copied = io::copy(&mut from, &mut back);
    back.shut(Shutdown::Both);
    copied.map(|_| ())
}
