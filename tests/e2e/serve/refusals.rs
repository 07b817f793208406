//! What the endpoint refuses, and that whatever is thrown at it costs nobody else his answer.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{ARM, Server, read_response, serve};
use crate::support::Sandbox;

const VAULT: &str = "https://vault.azure.net";

#[test]
fn without_the_secret_of_this_start_there_is_nothing() {
    let (sandbox, _entra) = Sandbox::logged_in();
    let old = serve(&sandbox, &[]).secret().to_owned();
    let server = serve(&sandbox, &[]);
    let path = format!("/msi/token?api-version=2019-08-01&resource={ARM}");
    let secret = server.secret().to_owned();
    assert_eq!(secret.len(), 64, "32 bytes");
    assert_ne!(secret, old);
    let almost = format!("{}{}", &secret[..63], if secret.ends_with('0') { '1' } else { '0' });
    for wrong in ["", "0", &old, &almost, &secret[..63], &format!("{secret}0"), &secret.to_uppercase()] {
        if wrong != secret {
            server.get(&path, &[("X-IDENTITY-HEADER", wrong)]).refused(401, "invalid_client");
            server.get(&format!("/{wrong}{path}"), &[]).refused(401, "invalid_client");
        }
    }
    server.get(&path, &[]).refused(401, "invalid_client");
    server.get(&path, &[("Authorization", &format!("Bearer {secret}"))]).refused(401, "invalid_client");
    // Two of them can be read in two ways.
    let twice = [("X-IDENTITY-HEADER", &*secret), ("X-IDENTITY-HEADER", "no")];
    server.get(&path, &twice).refused(401, "invalid_client");
    // That somebody was refused is written down, and not what he said.
    let refused = sandbox.journal().into_iter().filter(|event| event["outcome"] == "refused: 401").count();
    assert!((1..5).contains(&refused), "{refused}");
    server.get(&path, &[("X-IDENTITY-HEADER", &secret)]).granted();
}

#[test]
fn only_tokens_for_what_was_allowed_are_given() {
    let (sandbox, _entra) = Sandbox::logged_in();
    let server = serve(&sandbox, &[]);
    server.token(VAULT).refused(403, "access_denied");
    server.token(&format!("{ARM}evil")).refused(403, "access_denied");
    server.token(ARM).granted();
    let server = serve(&sandbox, &["--allow-resource", "https://vault.azure.net/"]);
    server.token(VAULT).granted();
    server.token("https://vault.azure.net//").granted();
    server.token(ARM).refused(403, "access_denied");
    let server = serve(&sandbox, &["--allow-resource", VAULT, "--allow-resource", "https://management.azure.com"]);
    server.token(VAULT).granted();
    server.token(ARM).granted();
    let server = serve(&sandbox, &["--allow-resource", "*"]);
    server.token(VAULT).granted();
}

#[test]
fn a_refusal_says_why_where_each_protocol_s_clients_look_for_it() {
    let (sandbox, _entra) = Sandbox::logged_in();
    let server = serve(&sandbox, &[]);
    let secret = server.secret().to_owned();
    let entitled = [("X-IDENTITY-HEADER", &*secret)];
    for (path, headers, status, word) in [
        (format!("/msi/token?resource={VAULT}"), &entitled[..], 403, "--allow-resource"),
        (format!("/msi/token/?resource={VAULT}"), &entitled, 403, "--allow-resource"),
        (format!("/{secret}/msi/token?resource={VAULT}"), &[], 403, "--allow-resource"),
        ("/msi/token".to_owned(), &entitled, 400, "resource"),
        (format!("/msi/token?resource={VAULT}"), &[], 401, "secret"),
    ] {
        let refused = server.get(&path, headers).json();
        assert_eq!(refused["statusCode"], status, "{refused}");
        assert!(refused["message"].as_str().unwrap().contains(word), "{refused}");
        assert_eq!(refused["message"], refused["error_description"]);
    }
    // The machines' is told in OAuth's words alone.
    let path = format!("/{secret}/metadata/identity/oauth2/token?resource={VAULT}");
    let refused = server.get(&path, &[("Metadata", "true")]).json();
    assert!(refused["error_description"].as_str().unwrap().contains("--allow-resource"), "{refused}");
    assert_eq!((&refused["message"], &refused["statusCode"]), (&Value::Null, &Value::Null));
}

#[test]
fn what_is_no_request_for_a_token_is_told_so() {
    let (sandbox, _entra) = Sandbox::logged_in();
    let server = serve(&sandbox, &[]);
    let secret = server.secret().to_owned();
    let entitled = [("X-IDENTITY-HEADER", &*secret)];
    server.get("/", &entitled).refused(404, "invalid_request");
    server.get("/msi/token/more", &entitled).refused(404, "invalid_request");
    for query in ["", "?resource=", "?resource=a%20b", "?resource=a&resource=b", "?resource=%ff", "?scope=x"] {
        server.get(&format!("/msi/token{query}"), &entitled).refused(400, "invalid_request");
    }
    for (method, path) in [("POST", "/msi/token"), ("DELETE", "/msi/token"), ("GET", "/az"), ("PUT", "/az")] {
        let path = format!("{path}?resource={ARM}");
        server.request(method, &path, &entitled, b"").refused(405, "invalid_request");
    }
    for raw in ["\r\n\r\n", "GET\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00", "GET / HTTP/1.1\r\nno header\r\n\r\n"] {
        let mut stream = connect(&server);
        stream.write_all(raw.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        if let Ok(response) = read_response(stream) {
            response.refused(400, "invalid_request");
        }
    }
    server.token(ARM).granted();
}

#[test]
fn a_request_that_is_too_long_is_refused_whole() {
    let (sandbox, _entra) = Sandbox::logged_in();
    let server = serve(&sandbox, &[]);
    let secret = server.secret().to_owned();
    let ten_megabytes = vec![b'x'; 10 * 1024 * 1024];
    let long = server.request("POST", "/az", &[("X-IDENTITY-HEADER", &secret)], &ten_megabytes);
    long.refused(413, "invalid_request");
    let header = "y".repeat(20 * 1024);
    server.get("/msi/token", &[("X-Long", &header)]).refused(413, "invalid_request");
    let many: Vec<(String, &str)> = (0..200).map(|number| (format!("X-{number}"), "y")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    server.get("/msi/token", &many).refused(413, "invalid_request");
    // One that only says that it is long is refused before anything of it comes.
    let mut stream = connect(&server);
    stream.write_all(b"POST /az HTTP/1.1\r\nContent-Length: 10485760\r\n\r\n").unwrap();
    read_response(stream).unwrap().refused(413, "invalid_request");
    server.token(ARM).granted();
}

#[test]
fn a_request_that_never_ends_is_hung_up_on_and_keeps_nobody_waiting() {
    let (sandbox, _entra) = Sandbox::logged_in();
    let server = serve(&sandbox, &[]);
    let mut slow = connect(&server);
    slow.write_all(b"GET /msi/token HTTP/1.1\r\nX-Slow: ").unwrap();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        slow.write_all(b"x").unwrap();
        server.token(ARM).granted();
        std::thread::sleep(Duration::from_millis(300));
    }
    // It is over in the end, whatever it goes on to send.
    slow.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut reader = slow.try_clone().unwrap();
    let writer = std::thread::spawn(move || {
        while slow.write_all(b"x").is_ok() {
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    let mut text = String::new();
    let _ = reader.read_to_string(&mut text);
    assert!(text.starts_with("HTTP/1.1 408 ") || text.is_empty(), "{text}");
    drop(reader);
    writer.join().unwrap();
}

#[test]
fn a_thousand_connections_at_once_keep_nobody_from_his_token() {
    let (sandbox, entra) = Sandbox::logged_in();
    let server = serve(&sandbox, &[]);
    let idle: Vec<TcpStream> = (0..1000).map(|_| connect(&server)).collect();
    server.token(ARM).granted();
    drop(idle);
    // And a thousand who all ask, when the token has expired: one request, and all have it.
    super::protocols::age(&sandbox, -60);
    entra.clear_journal();
    let tokens: Vec<String> = std::thread::scope(|scope| {
        let server = &server;
        let ask = || scope.spawn(move || server.token(ARM).granted());
        let asking: Vec<_> = (0..1000).map(|_| ask()).collect();
        asking.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(tokens.iter().all(|token| *token == tokens[0]));
    assert_eq!((tokens.len(), entra.refreshes()), (1000, 1));
    sandbox.assert_nothing_in_the_clear();
}

#[test]
#[cfg(target_os = "linux")]
fn another_user_gets_nothing_even_with_the_secret() {
    if !rustix::process::geteuid().is_root() {
        println!("not run: only root can be somebody else");
        return;
    }
    let (sandbox, _entra) = Sandbox::logged_in();
    let path = sandbox.root().join("here.sock");
    let by_port = serve(&sandbox, &[]);
    let by_socket = serve(&sandbox, &["--socket", path.to_str().unwrap()]);
    let script = format!(
        "import socket,sys\n\
         def ask(s,where,secret):\n\
        \x20   s.settimeout(20)\n\
        \x20   s.connect(where)\n\
        \x20   s.sendall(('GET /msi/token?resource={ARM} HTTP/1.1\\r\\nX-IDENTITY-HEADER: '+secret+'\\r\\n\\r\\n').encode())\n\
        \x20   print(s.makefile().readline().strip())\n\
         ask(socket.socket(),('127.0.0.1',{}),'{}')\n\
         try: ask(socket.socket(socket.AF_UNIX),'{}','{}')\n\
         except PermissionError: print('not connected')\n",
        by_port.port(),
        by_port.secret(),
        path.display(),
        by_socket.variable("AZWARD_ENDPOINT_SECRET"),
    );
    // The box is nobody's to look into; the socket's own mode is to keep him out.
    let mut root = sandbox.root().to_owned();
    loop {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&root).unwrap().permissions().mode();
        std::fs::set_permissions(&root, std::fs::Permissions::from_mode(mode | 0o011)).unwrap();
        if root == std::env::temp_dir() || !root.pop() || root.as_os_str() == "/" {
            break;
        }
    }
    let asked = std::process::Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3", "-c", &script])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&asked.stdout).into_owned();
    assert_eq!(said, "HTTP/1.1 403 Forbidden\nnot connected\n", "{asked:?}");
}

fn connect(server: &Server<'_>) -> TcpStream {
    TcpStream::connect(("127.0.0.1", server.port())).unwrap()
}
