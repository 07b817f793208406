//! A fake az for tests of signals, races and faults: it starts in a millisecond, writes down what it was started with, and
//! does what its arguments say, one word after the other. The harness compiles it with plain `rustc`, so it has no crates.
//!
//! ```text
//! sleep MS          exit N            die SIGNAL        print TEXT       warn TEXT         cat (stdin to stdout)
//! look              writes down again what the cache holds
//! login USER        logout USER       clear             roll (a new refresh token)         tear (half the cache)
//! write-token SCOPE hold-lock MS      stale-lock
//! trap LAST         prints each signal that arrives, until LAST does
//! linger MS FILE    leaves a process behind, as az does for its telemetry, that writes FILE when MS have passed
//! nested WORD…      runs az, as found on PATH, and ends as it does
//! account get-access-token [--scope SCOPE | --resource RESOURCE] …, account clear, account show|list, version, --version
//! ```
//! Anything else is said on stderr and ends it with 2. `FAKE_AZ_DO` holds words to do instead of the arguments,
//! `FAKE_AZ_LOG` the file to write to (by default `fake-az.log` above its own directory), `FAKE_AZ_LIFETIME` how long its
//! access tokens live, in seconds, `FAKE_AZ_OFFLINE` that no token can be had, `FAKE_AZ_WRITE_PAUSE` for how many
//! milliseconds a cache being written is empty.

mod cache;
mod contents;
mod json;

use std::fs::{self, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio, exit};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cache::Cache;
use json::{Json, object};

fn main() {
    write_down("start");
    let words: Vec<String> = match std::env::var("FAKE_AZ_DO") {
        Ok(words) => words.split_whitespace().map(str::to_owned).collect(),
        Err(_) => std::env::args().skip(1).collect(),
    };
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match perform(&words) {
        Ok(code) => exit(code),
        Err(error) => {
            eprintln!("ERROR: {error}");
            exit(1);
        }
    }
}

/// Does the words in turn; the exit code in the end.
fn perform(mut words: &[&str]) -> Result<i32, String> {
    loop {
        words = match words {
            [] => return Ok(0),
            ["exit", code, ..] => return Ok(number(code)?.cast_signed() as i32),
            ["sleep", ms, rest @ ..] => {
                std::thread::sleep(Duration::from_millis(number(ms)?));
                rest
            }
            ["die", signal, ..] => die(signal)?,
            ["print", text, rest @ ..] => {
                println!("{text}");
                rest
            }
            ["warn", text, rest @ ..] => {
                eprintln!("{text}");
                rest
            }
            ["cat", rest @ ..] => {
                io::copy(&mut io::stdin(), &mut io::stdout()).map_err(|error| error.to_string())?;
                rest
            }
            ["look", rest @ ..] => {
                write_down("look");
                rest
            }
            ["login", user, rest @ ..] => {
                Cache::here().login(user)?;
                rest
            }
            ["logout", user, rest @ ..] => {
                Cache::here().logout(user)?;
                rest
            }
            ["clear", rest @ ..] | ["account", "clear", rest @ ..] => {
                Cache::here().clear()?;
                rest
            }
            ["roll", rest @ ..] => {
                Cache::here().roll()?;
                rest
            }
            ["tear", rest @ ..] => {
                Cache::here().tear()?;
                rest
            }
            ["write-token", scope, rest @ ..] => {
                Cache::here().write_token(scope)?;
                rest
            }
            ["hold-lock", ms, rest @ ..] => {
                let _lock = Cache::here().lock()?;
                std::thread::sleep(Duration::from_millis(number(ms)?));
                rest
            }
            ["stale-lock", rest @ ..] => {
                std::mem::forget(Cache::here().lock()?);
                rest
            }
            ["trap", last, ..] => return Err(trap(last).to_string()),
            ["linger", ms, file, rest @ ..] => {
                linger(number(ms)?, file)?;
                rest
            }
            ["nested", arguments @ ..] => return nested(arguments),
            ["account", "get-access-token", options @ ..] => return get_access_token(options),
            ["account", "show" | "list", ..] => {
                print!(
                    "{}",
                    fs::read_to_string(Cache::here().profile).unwrap_or_default().trim_start_matches('\u{feff}')
                );
                return Ok(0);
            }
            ["version" | "--version", ..] => {
                println!("azure-cli                         2.91.0");
                return Ok(0);
            }
            [unknown, ..] => {
                eprintln!("ERROR: '{unknown}' is misspelled or not recognized by the fake az.");
                return Ok(2);
            }
        }
    }
}

fn number(word: &str) -> Result<u64, String> {
    word.parse().map_err(|_| format!("'{word}' is no number"))
}

/// Sends a signal to this very process.
fn die<T>(signal: &str) -> Result<T, String> {
    let _ = Command::new("/bin/sh").args(["-c", "kill -$0 $PPID", signal]).status();
    std::thread::sleep(Duration::from_secs(5));
    Err(format!("SIG{signal} did not end the fake az"))
}

/// Becomes a shell that prints the signals it gets; returns only if that failed.
fn trap(last: &str) -> io::Error {
    const SCRIPT: &str = r#"
        got() { echo "$1"; if [ "$1" = "$last" ]; then exit 0; fi; }
        last=$0
        for signal in HUP INT QUIT USR1 USR2 TERM CONT WINCH; do trap "got $signal" $signal; done
        echo ready
        left=600
        while [ $left -gt 0 ]; do sleep 0.1; left=$((left - 1)); done
        exit 9"#;
    Command::new("/bin/sh").args(["-c", SCRIPT, last]).exec()
}

fn linger(ms: u64, file: &str) -> Result<(), String> {
    let script = format!("sleep {}; : > \"$0\"", Duration::from_millis(ms).as_secs_f32());
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &script, file]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().map(drop).map_err(|error| error.to_string())
}

fn nested(arguments: &[&str]) -> Result<i32, String> {
    let status = Command::new("az").args(arguments).env_remove("FAKE_AZ_DO").status();
    let status = status.map_err(|error| format!("az on PATH: {error}"))?;
    status.code().ok_or_else(|| format!("the nested az ended by {status}"))
}

fn get_access_token(options: &[&str]) -> Result<i32, String> {
    let value = |name: &str| options.windows(2).find(|pair| pair[0] == name).map(|pair| pair[1].to_owned());
    let scope = value("--scope").or_else(|| value("--resource").map(|resource| format!("{resource}/.default")));
    let (entry, is_new) = Cache::here().access_token(&scope.unwrap_or_else(|| contents::ARM_SCOPE.to_owned()))?;
    if is_new {
        write_down("refresh");
    }
    let text = |name: &str| Json::from(entry.text(name)).to_line();
    println!(
        "{{\n  \"accessToken\": {},\n  \"expires_on\": {},\n  \"tenant\": {},\n  \"tokenType\": \"Bearer\"\n}}",
        text("secret"),
        entry.text("expires_on"),
        text("realm")
    );
    Ok(0)
}

/// Appends a line with everything a test may want to know of this process and of the cache as it is.
fn write_down(event: &str) {
    let list = |items: Vec<Json>| Json::List(items);
    let text = |text: Option<String>| text.map_or(Json::Null, Json::Text);
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask =
        |name: &str| text(status.lines().find_map(|line| line.strip_prefix(name)).map(|mask| mask.trim().to_owned()));
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let stat: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let id = |index: usize| stat.get(index).map_or(Json::Null, |id| Json::Number((*id).to_owned()));
    let milliseconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let arguments = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned().into()).collect();
    let environment = std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned().into()))
        .collect();
    let line = object([
        ("event", event.into()),
        ("time", Json::Number(milliseconds.to_string())),
        ("pid", (std::process::id() as usize).into()),
        ("parent", (std::os::unix::process::parent_id() as usize).into()),
        ("process_group", id(2)),
        ("session", id(3)),
        ("argv", list(arguments)),
        ("cwd", text(std::env::current_dir().ok().map(|cwd| cwd.to_string_lossy().into_owned()))),
        (
            "terminals",
            list(vec![
                io::stdin().is_terminal().into(),
                io::stdout().is_terminal().into(),
                io::stderr().is_terminal().into(),
            ]),
        ),
        ("descriptors", list(open_descriptors())),
        // SIGPIPE is always among the ignored: Rust's runtime does that before main.
        ("signals", object([("blocked", mask("SigBlk:")), ("ignored", mask("SigIgn:"))])),
        ("cache", Cache::here().summary()),
        ("environment", Json::Object(environment)),
    ]);
    let beside = || std::env::current_exe().ok().and_then(|own| Some(own.parent()?.parent()?.join("fake-az.log")));
    let Some(path) = std::env::var_os("FAKE_AZ_LOG").map(PathBuf::from).or_else(beside) else { return };
    // One write, so that the lines of many processes do not mix.
    if let Ok(mut file) = OpenOptions::new().append(true).create(true).open(path) {
        let _ = file.write_all((line.to_line() + "\n").as_bytes());
    }
}

/// The numbers of the open descriptors, but the one that the listing itself needs.
fn open_descriptors() -> Vec<Json> {
    let names = fs::read_dir("/dev/fd").map(|entries| entries.flatten().map(|entry| entry.file_name()).collect());
    let mut numbers: Vec<usize> = names
        .unwrap_or_else(|_| Vec::new())
        .iter()
        .filter_map(|name| name.to_str()?.parse().ok())
        .filter(|number| fs::symlink_metadata(format!("/dev/fd/{number}")).is_ok())
        .collect();
    numbers.sort_unstable();
    numbers.into_iter().map(Json::from).collect()
}
