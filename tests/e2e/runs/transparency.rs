//! Transparency: az is started with everything the caller gave the shim, and nothing else; the shim adds nothing to what
//! comes out, and leaves nothing behind. Wherever it can be, plain az is the measure.

#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use entra::User;
use serde_json::Value;

use crate::support::fake_az::logged_in;
use crate::support::{ConfigDir, End, Invocation, Sandbox, Terminal, in_shell, wait_until};

/// A command that is a run, and one that is passed.
const KINDS: [&str; 2] = ["group", "version"];

/// The last line that the fake az wrote down.
fn last(sandbox: &Sandbox) -> Value {
    sandbox.fake_log().pop().unwrap()
}

/// How a command ended, its stdout and its stderr.
type Visible = (End, String, String);

/// Runs `az KIND` with us and without us.
fn both<'a>(sandbox: &'a Sandbox, kind: &str, change: impl Fn(Invocation<'a>) -> Invocation<'a>) -> [Visible; 2] {
    [sandbox.az([kind]), sandbox.plain_az([kind])].map(|invocation| change(invocation).run().visible())
}

#[test]
fn arguments_arrive_byte_for_byte() {
    let sandbox = Sandbox::new().with_script_az("printf '%s\\0' \"$@\"");
    let odd: [&[u8]; 12] = [
        b"",
        b"a b",
        b"new\nline\r\n",
        b"\xff\xfe\x80",
        b"-",
        b"--",
        b"*",
        b"$HOME `id`",
        b"'\"\\",
        b"@file",
        "\u{e9}\u{1f510}".as_bytes(),
        b"",
    ];
    for kind in KINDS {
        let run = |invocation: Invocation<'_>| invocation.args(odd.map(OsStr::from_bytes)).run().ok().silent().stdout;
        let (wrapped, plain) = (run(sandbox.az([kind])), run(sandbox.plain_az([kind])));
        assert_eq!(wrapped, plain);
        assert_eq!(
            wrapped,
            [&[kind.as_bytes()][..], &odd].concat().join(&0_u8).into_iter().chain([0]).collect::<Vec<_>>()
        );
    }
}

#[test]
fn the_environment_arrives_with_the_marker_added() {
    let sandbox = Sandbox::new().with_script_az("cat /proc/$$/environ");
    for kind in KINDS {
        let variables = |invocation: Invocation<'_>| -> BTreeSet<Vec<u8>> {
            let odd = invocation.env("EMPTY", "").env("LINES", "a\nb=c").env("a.b-c", "=x=");
            let odd = odd.env("ODD", OsString::from_vec(vec![0xff, b'=', 0x80]));
            odd.run().ok().stdout.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect()
        };
        let (wrapped, plain) = (variables(sandbox.az([kind])), variables(sandbox.plain_az([kind])));
        assert!(wrapped.is_superset(&plain) && plain.contains(&b"ODD=\xff=\x80"[..]));
        let added: Vec<_> = wrapped.difference(&plain).map(|v| String::from_utf8_lossy(v).into_owned()).collect();
        // A run is also told where its tokens are.
        let (marker, storage) = added.split_last().unwrap();
        assert!(marker.starts_with("AZWARD_RUN="), "{added:?}");
        let expected: &[&str] = if kind == "group" { &["AZURE_CORE_ENCRYPT_TOKEN_CACHE=false"] } else { &[] };
        assert_eq!(storage, expected);
    }
}

#[test]
fn the_place_in_the_tree_of_processes_is_the_caller_s_own() {
    let sandbox = logged_in();
    sandbox.plain_az(["print", "x"]).run().ok();
    let session = last(&sandbox)["session"].clone();
    let run = sandbox.az(["print", "x"]).start();
    let shim = run.pid().as_raw_pid();
    run.finish().ok();
    let line = last(&sandbox);
    assert_eq!((&line["process_group"], &line["parent"], &line["session"]), (&shim.into(), &shim.into(), &session));
    let pass = sandbox.az(["version"]).start();
    let shim = pass.pid().as_raw_pid();
    pass.finish().ok();
    let line = last(&sandbox);
    assert_eq!((&line["pid"], &line["process_group"], &line["session"]), (&shim.into(), &shim.into(), &session));
}

#[test]
fn the_terminal_is_az_s_own() {
    let facts = "set -- $(sed 's/.*) //' /proc/$$/stat)
        [ $3 = $6 ] && echo in the foreground; tty <&0; stty size; [ -t 1 ] && [ -t 2 ] && echo terminals";
    let sandbox = Sandbox::new().with_script_az(facts);
    for kind in KINDS {
        let wrapped = Terminal::start(&sandbox.az([kind])).finish().ok();
        let lines: Vec<String> = wrapped.out().lines().map(str::to_owned).collect();
        assert!(lines[0] == "in the foreground" && lines[1].starts_with("/dev/pts/"), "{wrapped:?}");
        assert_eq!(lines[2..], ["24 80", "terminals"]);
    }
}

#[test]
fn the_working_directory_and_the_umask_are_the_caller_s() {
    let sandbox = Sandbox::new().with_script_az("readlink /proc/$$/cwd; umask; : >\"$HOME/made-$#\"; ls /proc/$$/cwd");
    let odd = sandbox.home().join(OsStr::from_bytes(b"sp ace\n\xff"));
    fs::create_dir(&odd).unwrap();
    for kind in KINDS {
        for mask in ["000", "027", "077"] {
            let line = format!("umask {mask}; exec \"$0\" \"$@\"");
            let [wrapped, plain] = [sandbox.az([kind]), sandbox.plain_az([kind])]
                .map(|invocation| invocation.cwd(&odd).in_script(&line).run().ok().stdout);
            assert_eq!(wrapped, plain);
            assert!(String::from_utf8_lossy(&wrapped).contains(&format!("\n0{mask}\n")));
        }
        // One that was removed.
        let [wrapped, plain] =
            both(&sandbox, kind, |i| i.in_script("mkdir gone; cd gone; rmdir ../gone; exec \"$0\" \"$@\""));
        assert_eq!(wrapped, plain);
        assert!(wrapped.1.contains("gone (deleted)"), "{wrapped:?}");
    }
    let open: Vec<_> = ["", "vaults", "run"].map(|name| sandbox.azward_home().join(name)).into();
    for path in open.iter().filter(|path| path.exists()) {
        assert_eq!(fs::metadata(path).unwrap().mode() & 0o077, 0, "`{}` was made under umask 000", path.display());
    }
}

#[test]
fn descriptors_are_passed() {
    let sandbox = logged_in();
    let line = "exec \"$0\" \"$@\" 3</dev/null 4</dev/null 5>/dev/null 6<&0 7>&1 8>&1 9>&2";
    for words in [["print", "x"], ["version", "-ojson"]] {
        let descriptors = |invocation: Invocation<'_>| {
            invocation.in_script(line).run().ok();
            last(&sandbox)["descriptors"].clone()
        };
        let (wrapped, plain) = (descriptors(sandbox.az(words)), descriptors(sandbox.plain_az(words)));
        assert_eq!(wrapped, plain, "{words:?}");
        assert!((0..=9).all(|number| wrapped.as_array().unwrap().contains(&number.into())), "{wrapped}");
    }
}

#[test]
fn closed_descriptors_stay_closed() {
    let report =
        "s=; for n in 0 1 2 3; do [ -e /proc/$$/fd/$n ] && s=\"$s $n\"; done; echo \"open:$s\" >>\"$HOME/report\"";
    let sandbox = Sandbox::new().with_script_az(report);
    for kind in KINDS {
        for (closing, open) in
            [("<&-", "1 2"), (">&-", "0 2"), ("2>&-", "0 1"), ("<&- >&- 2>&-", ""), ("3<&-", "0 1 2")]
        {
            let [wrapped, plain] = both(&sandbox, kind, |i| i.in_script(&format!("exec \"$0\" \"$@\" {closing}")));
            assert_eq!(wrapped, plain);
            let text = fs::read_to_string(sandbox.home().join("report")).unwrap();
            let expected = format!("open: {open}").trim_end().to_owned();
            assert_eq!(text.lines().collect::<Vec<_>>(), [&expected, &expected], "{kind} {closing}");
            fs::remove_file(sandbox.home().join("report")).unwrap();
        }
    }
}

#[test]
fn the_real_az_misses_a_closed_stdout_as_it_would_without_us() {
    let sandbox = Sandbox::new().with_real_az();
    let entra = sandbox.start_entra(|_| {});
    sandbox.login(&entra, User::Alice);
    for (words, closing) in
        [(&["version"][..], ">&-"), (&["version"], "<&- 2>&-"), (&["account", "get-access-token"], ">&-")]
    {
        let [wrapped, plain] = [sandbox.az(words), sandbox.plain_az(words)]
            .map(|az| az.in_script(&format!("exec \"$0\" \"$@\" {closing}")).run().visible());
        assert_eq!(wrapped, plain, "{words:?} {closing}");
    }
    // A reader that is gone by the time az has something to say.
    for words in [&["version"][..], &["group", "list"], &["account", "get-access-token"]] {
        let [wrapped, plain] = [sandbox.az(words), sandbox.plain_az(words)].map(|az| {
            let line = format!("{{ sleep 0.5; {}; }} | :; echo \"${{PIPESTATUS[0]}}\"", az.line());
            Invocation::new(&sandbox, "bash").args(["-c", &line]).run().ok().visible()
        });
        assert_eq!(wrapped, plain, "{words:?}");
    }
}

#[test]
fn stdin_is_az_s_to_read() {
    let sandbox = logged_in();
    let large: Vec<u8> = (0..5_000_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for invocation in [sandbox.az(["cat"]), sandbox.az(["version"]).env("FAKE_AZ_DO", "cat")] {
        assert!(invocation.input(large.clone()).run().ok().silent().stdout == large);
    }
    // What az leaves unread is there for the next command.
    let sandbox = sandbox_with_reader();
    let shared = sandbox.az(["group"]).input("one\ntwo\nthree\n").in_script("\"$0\" \"$@\"; \"$0\" version; cat");
    assert_eq!(shared.run().ok().out(), "got one\ngot two\nthree\n");
}

fn sandbox_with_reader() -> Sandbox {
    Sandbox::new().with_script_az("read line; echo \"got $line\"")
}

#[test]
fn a_reader_that_goes_away_is_az_s_affair() {
    let sandbox = Sandbox::new().with_script_az("exec yes");
    for kind in KINDS {
        let status = |az: &str| {
            let line = format!("{az} {kind} | head -n 1; echo \"${{PIPESTATUS[0]}}\"");
            Invocation::new(&sandbox, "bash").args(["-c", &line]).run().ok().visible()
        };
        let wrapped = status("az");
        assert_eq!(wrapped, status(&in_shell(sandbox.wrapped_az())));
        assert_eq!(wrapped.1, "y\n141\n");
    }
}

#[test]
fn a_completion_is_answered_on_its_own_descriptors() {
    let sandbox = Sandbox::new().with_real_az();
    let complete = |invocation: Invocation<'_>| {
        let variables = [
            ("_ARGCOMPLETE", "1"),
            ("COMP_LINE", "az account get-"),
            ("COMP_POINT", "15"),
            ("COMP_TYPE", "9"),
            ("IFS", "\u{b}"),
        ];
        let invocation = variables.into_iter().fold(invocation, |i, (name, value)| i.env(name, value));
        invocation.in_script("exec \"$0\" 8>&1 9>&2 1>/dev/null 2>/dev/null </dev/null").run().visible()
    };
    let wrapped = complete(sandbox.az([""; 0]));
    assert_eq!(wrapped, complete(sandbox.plain_az([""; 0])));
    assert!(wrapped.1.contains("get-access-token"), "{wrapped:?}");
    // It may have to ask Resource Manager: a run.
    let sandbox = logged_in();
    sandbox.az([""; 0]).env("_ARGCOMPLETE", "1").env("FAKE_AZ_DO", "look").run().ok().silent();
    assert_eq!(last(&sandbox)["cache"]["refresh_tokens"], 1);
}

#[test]
fn nothing_is_left_behind() {
    let sandbox = logged_in();
    let marker = sandbox.root().as_os_str().as_bytes().to_vec();
    let processes = || {
        let all = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
        let ours = all.filter(|path| {
            let holds =
                |name: &str| fs::read(path.join(name)).is_ok_and(|text| memchr::memmem::find(&text, &marker).is_some());
            holds("environ") || holds("cmdline")
        });
        ours.map(|path| fs::read_to_string(path.join("comm")).unwrap_or_default()).collect::<Vec<_>>()
    };
    for words in
        [&["print", "x"][..], &["login", "bob@fabrikam.example"], &["account", "get-access-token"], &["version"]]
    {
        let az = sandbox.az(words).start();
        let group = az.pid();
        az.finish().ok().silent();
        assert!(rustix::process::test_kill_process_group(group).is_err(), "{words:?}");
        // The guardian has hung up and is on its way out.
        wait_until("nothing is left", || processes().is_empty());
    }
    // What az itself leaves behind, as it does for its telemetry, is neither waited for nor ended.
    let file = sandbox.home().join("lingered");
    let az = sandbox.az(["linger", "2500", file.to_str().unwrap()]).run().ok().silent();
    assert!(!file.exists() && az.pipe_lag < Duration::from_secs(1), "{az:?}");
    wait_until("az's own remainder does its work", || file.exists());
    wait_until("it ends", || processes().is_empty());
}

#[test]
fn the_end_comes_within_100_ms_of_az_s() {
    let sandbox = logged_in();
    let lag = |words: &[&str]| {
        let az = sandbox.az(words).run().ok().silent();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let last = Duration::from_millis(last(&sandbox)["time"].as_u64().unwrap());
        now.saturating_sub(last).max(az.pipe_lag)
    };
    for words in [&["look"][..], &["roll", "write-token", "https://vault.azure.net/.default", "look"]] {
        // Others use this machine too: it has to be so often enough that it happens once.
        assert!((0..50).any(|_| lag(words) < Duration::from_millis(100)), "{words:?}");
    }
}

#[test]
fn a_success_says_nothing_of_ours() {
    let sandbox = Sandbox::new().with_real_az();
    let entra = sandbox.start_entra(|_| {});
    let token = ["account", "get-access-token"];
    // An adoption, a rotation, a sweep, a switch of subscriptions, a logout: not a byte of ours.
    sandbox.plain_login(&entra, User::Alice);
    let plain = sandbox.plain_az(token).run().ok();
    assert_eq!(sandbox.az(token).run().ok().visible(), plain.visible());
    sandbox.assert_nothing_in_the_clear();
    sandbox.config().age_access_tokens(600, "management");
    let rotated = sandbox.az(token).run().ok().silent();
    assert_ne!(rotated.json()["accessToken"], plain.json()["accessToken"]);
    assert_eq!(sandbox.plain_az(token).run().ok().visible(), rotated.visible());
    let groups = ["group", "list"];
    assert_eq!(sandbox.az(groups).run().ok().silent().visible(), sandbox.plain_az(groups).run().visible());
    let clear = sandbox.az(["rest", "--help"]).run().ok().silent();
    assert_eq!(clear.visible(), sandbox.plain_az(["rest", "--help"]).run().ok().visible());
    sandbox.az(["logout"]).run().ok().silent();
    let gone = sandbox.az(token).run();
    assert_eq!(gone.visible(), sandbox.plain_az(token).run().visible());
    assert!(gone.err().contains("az login") && gone.end() == End::Code(1), "{gone:?}");
    assert_eq!(ConfigDir::at(sandbox.config_dir()).refresh_token_count(), 0);
}
