//! A proxy through which `login.microsoftonline.com` is this server: before an authority that it does not know, an MSAL that
//! cannot be told otherwise (azure-cli before 2.54) asks there whether that is one. Whatever else it is asked for is refused.

use std::io::{self, Read, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::thread;

/// The host that is taken for this server.
pub(crate) const HOST: &str = "login.microsoftonline.com";

/// Starts one that leads to the server at `port`, for as long as this process lives; its address.
pub(crate) fn start(port: u16) -> io::Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = format!("http://{}", listener.local_addr()?);
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            // Whoever goes away is not served.
            thread::spawn(move || serve(client, port));
        }
    });
    Ok(address)
}

fn serve(mut client: TcpStream, port: u16) -> io::Result<()> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && head.len() < 4096 && client.read(&mut byte)? > 0 {
        head.push(byte[0]);
    }
    if !head.starts_with(format!("CONNECT {HOST}:443 ").as_bytes()) {
        return client.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    let (from_client, to_client) = (client.try_clone()?, client);
    let (from_server, to_server) = (server.try_clone()?, server);
    let there = thread::spawn(move || hand_on(from_client, to_server));
    hand_on(from_server, to_client)?;
    there.join().unwrap_or(Ok(()))
}

fn hand_on(mut from: TcpStream, mut to: TcpStream) -> io::Result<()> {
    io::copy(&mut from, &mut to)?;
    to.shutdown(Shutdown::Write)
}
