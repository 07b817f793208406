//! Programs that reach nothing but what they are given: `azward exec --serve`, a network of their own, and containers.

use std::fs;

use super::{ARM, SESSION, serve};
use crate::support::{End, Sandbox, wait_until};

#[test]
fn a_program_has_the_session_s_tokens_for_as_long_as_it_runs() {
    let (sandbox, _entra) = Sandbox::logged_in();
    let script = "import os,urllib.request as u\n\
                  q=os.environ['IDENTITY_ENDPOINT']+'?api-version=2019-08-01&resource='+'https://management.azure.com/'\n\
                  r=u.Request(q,headers={'X-IDENTITY-HEADER':os.environ['IDENTITY_HEADER']})\n\
                  print(len(u.urlopen(r).read())>100, os.environ['AZWARD_SESSION'])\n\
                  print('AZWARD_ENDPOINT' in os.environ)\n";
    let ran = sandbox.azward(["exec", "--serve", SESSION, "--", "python3", "-c", script]).run().ok();
    assert_eq!(ran.out(), format!("True {SESSION}\nFalse\n"));
    // It is the program itself, with its own end, and no child that it did not start.
    let ran = sandbox.azward([
        "exec",
        "--serve",
        SESSION,
        "--",
        "sh",
        "-c",
        "read c < /proc/$$/task/$$/children; echo [$c]; kill -TERM $$",
    ]);
    let ran = ran.run();
    assert_eq!((ran.end(), ran.out()), (End::Signal(15), "[]\n".to_owned()), "{ran:?}");
    wait_until("the endpoint has ended, too", || {
        let place = sandbox.azward_home().join("serve").join(SESSION);
        fs::read_dir(place).unwrap().all(|entry| entry.unwrap().file_name() == "lock")
    });
    let wrong = sandbox.azward(["exec", "--serve", "no-such-session", "--", "true"]).run();
    assert_eq!(wrong.end(), End::Code(2), "{wrong:?}");
    let usage = sandbox.azward(["exec", "--serve", "--", "true"]).run();
    assert_eq!(usage.end(), End::Code(2), "{usage:?}");
}

#[test]
fn what_reaches_nothing_else_has_the_socket() {
    let (sandbox, _entra) = Sandbox::logged_in();
    let server = serve(&sandbox, &[]);
    let inside = env!("CARGO_BIN_EXE_azward-inside");
    let script = format!(
        "import os,urllib.request as u\n\
         r=u.Request(os.environ['IDENTITY_ENDPOINT']+'?resource={ARM}',headers={{'X-IDENTITY-HEADER':os.environ['IDENTITY_HEADER']}})\n\
         print(len(u.urlopen(r).read())>100)\n\
         try: u.urlopen('http://127.0.0.1:{}/')\n\
         except OSError as e: print('nothing else')\n",
        server.port()
    );
    fs::write(sandbox.root().join("ask.py"), script).unwrap();
    let line = format!(
        "unshare --map-root-user --net sh -c 'ip link set lo up 2>/dev/null || ifconfig lo up; exec {inside} python3 ask.py'"
    );
    let ran = sandbox
        .shell(&line)
        .cwd(sandbox.root())
        .env("AZWARD_ENDPOINT", server.variable("AZWARD_ENDPOINT"))
        .env("AZWARD_ENDPOINT_SECRET", server.secret())
        .run()
        .ok();
    assert_eq!(ran.out(), "True\nnothing else\n", "{ran:?}");
}

#[test]
fn what_it_is_told_for_is_what_each_reads() {
    let (sandbox, _entra) = Sandbox::logged_in();
    let server = serve(&sandbox, &[]);
    let place = server.socket().parent().unwrap().to_owned();
    let env = fs::read_to_string(place.join("env")).unwrap();
    assert!(env.lines().any(|line| line == format!("IDENTITY_HEADER={}", server.secret())), "{env}");
    let container = fs::read_to_string(place.join("container.env")).unwrap();
    assert!(container.lines().any(|line| line == "AZWARD_ENDPOINT=unix:/run/azward/socket"), "{container}");
    assert!(!container.contains(server.secret()), "what a container is started with is seen by who inspects it");
    assert_eq!(fs::read_to_string(place.join("secret")).unwrap(), server.secret());
    drop(server);
    let told = |format: &str| {
        let running = sandbox.azward(["serve", SESSION, "--format", format]).start();
        running.wait_for("/usr/local/bin/az");
        wait_until("it is said", || running.said().ends_with('\n'));
        running.said()
    };
    let docker = told("docker");
    for option in ["'--env-file=", "container.env'", ":/run/azward:ro'", ":/usr/local/bin/az:ro'"] {
        assert!(docker.contains(option), "{docker}");
    }
    let devcontainer: serde_json::Value = serde_json::from_str(&told("devcontainer")).unwrap();
    assert_eq!(devcontainer["runArgs"].as_array().unwrap().len(), 3);
    let shell = sandbox.azward(["serve", SESSION, "--format", "sh"]).start();
    shell.wait_for("export ARM_MSI_ENDPOINT=");
    assert!(!shell.said().contains("AZWARD_ENDPOINT"), "az itself has the session there: {}", shell.said());
    drop(shell);
    assert!(told("compose").starts_with("env_file:\n  - \""));
    // Of a socket elsewhere nothing goes with it that lies beside it.
    let socket = sandbox.home().join("here.sock");
    let running =
        sandbox.azward(["serve", SESSION, "--format", "docker", "--socket", socket.to_str().unwrap()]).start();
    running.wait_for("/usr/local/bin/az");
    let docker = running.said();
    assert!(
        docker.contains("here.sock:/run/azward/socket:ro'") && docker.contains("secret:/run/azward/secret:ro'"),
        "{docker}"
    );
    assert!(!docker.contains(":/run/azward:"), "{docker}");
}
