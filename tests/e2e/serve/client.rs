//! The az in a container: the same bytes as from the az on the host, and nothing that is not of that session.

use std::path::Path;

use entra::SUBSCRIPTION_2;

use super::{SESSION, Server, serve};
use crate::support::{End, Invocation, Sandbox, wait_until};

/// Beside the shim is what containers have.
fn inside() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_azward-inside"))
}

/// An az as a container has it: no home with a login, no azward, no other az.
fn az_inside<'a>(sandbox: &'a Sandbox, server: &Server<'_>, arguments: &[&str]) -> Invocation<'a> {
    let az = sandbox.root().join("inside/az");
    if !az.exists() {
        std::fs::create_dir_all(sandbox.root().join("inside/empty")).unwrap();
        std::fs::copy(inside(), &az).unwrap();
    }
    let empty = sandbox.root().join("inside/empty");
    Invocation::new(sandbox, az)
        .args(arguments)
        .only_path()
        .env("PATH", &empty)
        .env("HOME", &empty)
        .env("AZWARD_ENDPOINT", server.variable("AZWARD_ENDPOINT"))
        .env("AZWARD_ENDPOINT_SECRET", server.variable("AZWARD_ENDPOINT_SECRET"))
}

#[test]
fn an_az_inside_says_what_the_one_on_the_host_says() {
    let (sandbox, _entra) = Sandbox::logged_in();
    let server = serve(&sandbox, &[]);
    for line in [
        "account get-access-token",
        "account get-access-token --output json --resource https://management.azure.com/",
        "account get-access-token --query accessToken -o tsv --scope https://management.core.windows.net//.default",
        "account show",
        "account show --query id -o tsv",
        "account list -o table",
        "version",
        "cloud show --query name -o tsv",
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let ours = az_inside(&sandbox, &server, &words).run().ok();
        let theirs = sandbox.azward(["exec", SESSION, "--", "az"]).args(&words).run().ok();
        assert_eq!(ours.visible(), theirs.visible(), "{line}");
    }
    for caller in ["--tenant", "--subscription"] {
        let value = if caller == "--tenant" { entra::TENANT_A.id } else { SUBSCRIPTION_2.id };
        az_inside(&sandbox, &server, &["account", "get-access-token", caller, value]).run().ok();
    }
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn what_is_not_that_session_s_is_refused_and_nothing_else_is_looked_for() {
    let (sandbox, _entra) = Sandbox::logged_in();
    let server = serve(&sandbox, &[]);
    for line in [
        "account get-access-token --resource https://vault.azure.net",
        "account get-access-token --resource-type ms-graph",
        "account get-access-token --tenant 00000000-0000-0000-0000-000000000000",
        "account get-access-token --subscription other",
        "account show --subscription other",
        "account list --refresh",
        "group list",
        "login --identity",
        "account clear",
        "account get-access-token --debug",
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let refused = az_inside(&sandbox, &server, &words).run();
        assert_eq!(refused.end(), End::Code(1), "{line}: {refused:?}");
        assert_eq!(refused.out(), "", "{line}");
        assert!(refused.err().starts_with("azward: ") && refused.err().contains("\nhint: "), "{refused:?}");
    }
    // What needs no login is an az's that is there, and there is none.
    let none = az_inside(&sandbox, &server, &["cloud", "list"]).run();
    assert_eq!(none.end(), End::Code(127), "{none:?}");
    let without = az_inside(&sandbox, &server, &["version"]).env("AZWARD_ENDPOINT", "").run();
    assert_eq!(without.end(), End::Code(2), "{without:?}");
    let wrong = az_inside(&sandbox, &server, &["version"]).env("AZWARD_ENDPOINT_SECRET", "00").run();
    assert_eq!(wrong.end(), End::Code(1), "{wrong:?}");
    drop(server);
}

#[test]
fn the_shim_itself_asks_an_endpoint_that_it_is_told_of() {
    let (sandbox, _entra) = Sandbox::logged_in();
    let server = serve(&sandbox, &[]);
    let shown = || {
        sandbox
            .az(["account", "show", "--query", "id", "-o", "tsv"])
            .env("AZWARD_ENDPOINT", server.variable("AZWARD_ENDPOINT"))
            .env("AZWARD_ENDPOINT_SECRET", server.variable("AZWARD_ENDPOINT_SECRET"))
    };
    assert_eq!(shown().run().ok().out(), format!("{}\n", SUBSCRIPTION_2.id));
    // The secret lies beside the socket for who has the directory.
    assert_eq!(shown().env("AZWARD_ENDPOINT_SECRET", "").run().ok().out(), format!("{}\n", SUBSCRIPTION_2.id));
    // Nobody falls back to a login of his own.
    let port = format!("http://127.0.0.1:{}", unused_port());
    let silent = shown().env("AZWARD_ENDPOINT", port).run();
    assert_eq!((silent.end(), silent.out()), (End::Code(1), String::new()), "{silent:?}");
}

#[test]
fn a_thousand_az_inside_with_a_token_that_has_expired_cause_one_request() {
    let (sandbox, entra) = Sandbox::logged_in();
    let server = serve(&sandbox, &[]);
    az_inside(&sandbox, &server, &["account", "get-access-token"]).run().ok();
    super::protocols::age(&sandbox, -60);
    entra.clear_journal();
    let mut tokens = Vec::new();
    // As many as a machine starts at once without trouble of its own; a thousand in all.
    for _ in 0..10 {
        let callers: Vec<_> = (0..100)
            .map(|_| {
                az_inside(&sandbox, &server, &["account", "get-access-token", "-o", "tsv", "--query", "accessToken"])
                    .start()
            })
            .collect();
        tokens.extend(callers.into_iter().map(|caller| caller.finish().ok().out()));
    }
    assert!(tokens.iter().all(|token| *token == tokens[0]));
    assert_eq!((tokens.len(), entra.refreshes()), (1000, 1));
}

#[test]
fn a_program_inside_finds_the_endpoint_on_loopback_and_ends_as_itself() {
    let (sandbox, _entra) = Sandbox::logged_in();
    let server = serve(&sandbox, &[]);
    let script = "import os,sys,urllib.request as u\n\
                  q=os.environ['IDENTITY_ENDPOINT']+'?api-version=2019-08-01&resource=https://management.azure.com/'\n\
                  r=u.Request(q,headers={'X-IDENTITY-HEADER':os.environ['IDENTITY_HEADER']})\n\
                  print(len(u.urlopen(r).read())>100)\n\
                  q=os.environ['AZURE_POD_IDENTITY_AUTHORITY_HOST']+'/metadata/identity/oauth2/token?resource=https://management.azure.com/'\n\
                  print(len(u.urlopen(u.Request(q,headers={'Metadata':'true'})).read())>100)\n\
                  sys.exit(7)\n";
    let run = |words: &[&str]| {
        Invocation::new(&sandbox, inside())
            .args(words)
            .env("AZWARD_ENDPOINT", server.variable("AZWARD_ENDPOINT"))
            .env("AZWARD_ENDPOINT_SECRET", server.variable("AZWARD_ENDPOINT_SECRET"))
    };
    let ran = run(&["python3", "-c", script]).run();
    assert_eq!((ran.end(), ran.out()), (End::Code(7), "True\nTrue\n".to_owned()), "{ran:?}");
    assert_eq!(run(&["--", "sh", "-c", "kill -TERM $$"]).run().end(), End::Signal(15));
    assert_eq!(run(&["no-such-program"]).run().end(), End::Code(127));
    assert_eq!(run(&["--port", "x"]).run().end(), End::Code(2));
    // Alone it says where it is, and stays.
    let port = unused_port();
    let mut alone = run(&["--port", &port.to_string()]).start();
    alone.wait_for(&format!("127.0.0.1:{port}/msi/token"));
    wait_until("it answers", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    assert!(alone.is_running());
}

/// A port that nobody listens on, a moment ago.
fn unused_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
