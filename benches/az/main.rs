//! What azward costs and saves, as ratios against the real az and an empty C program in the same run: `cargo bench`. The
//! table goes to stdout as Markdown (BENCHMARKS.md has one such run), progress to stderr. Nothing here passes or fails; the
//! figures do not depend on a network, but they do on what else the machine is doing.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on has nothing else to say")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is where a benchmark speaks")]

mod principals;
mod runs;
mod sessions;
#[path = "../../tests/support/mod.rs"]
mod support;
mod tofu;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use azward::azure::HttpsUrl;
use azward::azure::Owner;
use azward::context::Context;
use azward::credentials::msal::Redeemable;
use azward::helper::{self, Helper};
use azward::run::{guard, guardian};
use azward::secret::Secret;
use azward::tokens::entra::{Capability, Client, Manner};
use azward::tokens::source::TokenSource;
use azward::tokens::{TokenKey, Who};
use entra::{Entra, User};
use support::Sandbox;

/// How often what takes milliseconds is run, and what takes the better part of a second.
const MANY: usize = 200;
const FEW: usize = 7;

fn main() {
    // A guardian is the program that started it under another name.
    if guardian::is_called_for(std::env::args_os().next().as_deref()) {
        return guard::guard(Context::from_process().helped_by(Helper::Here(helper::here)));
    }
    let sandbox = Sandbox::new().with_real_az();
    install(&sandbox.shim());
    // Where its programs are started.
    std::env::set_current_dir(sandbox.root()).unwrap();
    let entra = sandbox.start_entra(|knobs| knobs.rolling = entra::Rolling::Entra);
    let sandbox = sandbox.with_entra(&entra);
    sandbox.login(&entra, User::Alice).ok();
    let bench = Bench { sandbox: &sandbox, entra: &entra };
    println!("## Time\n\n`cargo bench` prints this section. {}\n", machine());
    println!("Medians, of whole processes if nothing else is said; in brackets the fastest and the slowest.\n");
    println!("| what | azward | beside it | ratio |\n| --- | --- | --- | --- |");
    if std::env::args().any(|word| word == "principals") {
        return bench.principals();
    }
    if std::env::args().any(|word| word == "tofu") {
        return bench.tofu();
    }
    let empty = bench.empty_program();
    bench.answers(&empty);
    bench.principals();
    bench.authorizer();
    bench.rotation();
    bench.wrapped_run(&empty);
    bench.sessions(&empty);
    bench.parts();
    bench.kills();
    bench.callers(30, Beside::TheRealAz);
    bench.callers(100, Beside::Nothing);
    bench.tofu();
}

/// What a figure stands beside.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beside {
    TheRealAz,
    Nothing,
}

/// Writes a program as `azward install` does: what a linker has just made lies in memory a page at a time, and is mapped so,
/// while what was written as a whole is mapped as one.
fn install(program: &Path) {
    let (bytes, permissions) = (std::fs::read(program).unwrap(), program.metadata().unwrap().permissions());
    std::fs::remove_file(program).unwrap();
    std::fs::write(program, bytes).unwrap();
    std::fs::set_permissions(program, permissions).unwrap();
}

struct Bench<'a> {
    sandbox: &'a Sandbox,
    entra: &'a Entra,
}

/// The times of several runs, in order.
struct Times(Vec<Duration>);

impl Times {
    fn median(&self) -> f64 {
        milliseconds(self.0[self.0.len() / 2])
    }

    fn show(&self) -> String {
        let (first, last) = (self.0[0], self.0[self.0.len() - 1]);
        format!("{:.2} ms [{:.2} – {:.2}]", self.median(), milliseconds(first), milliseconds(last))
    }
}

impl Bench<'_> {
    /// The smallest process there is, linked as the system links: the floor under everything else.
    fn empty_program(&self) -> PathBuf {
        let source = self.sandbox.root().join("empty.c");
        let program = self.sandbox.root().join("empty");
        std::fs::write(&source, "int main(void) { return 0; }\n").unwrap();
        assert!(Command::new("cc").args(["-O2", "-o"]).arg(&program).arg(&source).status().unwrap().success());
        program
    }

    fn answers(&self, empty: &Path) {
        let arguments = ["account", "get-access-token", "-o", "json"];
        let ours = || self.sandbox.az(arguments).command();
        let floor = || nothing_but(empty);
        let real = measure("the real az: a valid token", FEW, || self.sandbox.plain_az(arguments).command());
        let (small, beside) = measure_pair("answer", MANY, ours, floor);
        row(
            "a valid token",
            &small.show(),
            &format!("the real az {}", real.show()),
            &ratio(real.median(), small.median()),
        );
        let empty_c = |beside: &Times| format!("an empty C program {}", beside.show());
        row("the same", &small.show(), &empty_c(&beside), &ratio(small.median(), beside.median()));
        self.seal("all-tokens");
        let (sealed, beside) = measure_pair("answer from what is sealed", MANY, ours, floor);
        let what = "the same, `seal = \"all-tokens\"`";
        row(what, &sealed.show(), &empty_c(&beside), &ratio(sealed.median(), beside.median()));
        self.seal("refresh-tokens");
        let before = std::fs::read(self.sandbox.config().token_cache_path()).unwrap();
        self.grow_cache(2_000_000);
        let size = self.sandbox.config().token_cache_text().len();
        let (large, beside) = measure_pair("answer from a large cache", MANY, ours, floor);
        let what = format!("a valid token, cache of {size} bytes");
        row(&what, &large.show(), &empty_c(&beside), &ratio(large.median(), beside.median()));
        std::fs::write(self.sandbox.config().token_cache_path(), before).unwrap();
    }

    /// What go-azure-sdk starts in each of Terraform's providers before it has a token, one after the other.
    fn authorizer(&self) {
        let scope = "https://management.core.windows.net//.default";
        let token = ["account", "get-access-token", "--scope", scope, "--tenant", entra::TENANT_A.id, "-o=json"];
        let lines: [&[&str]; 4] =
            [&["version", "-o=json"], &["account", "show", "-o=json"], &["account", "list", "-o=json"], &token];
        let all = |name: &str, count: usize, command: &dyn Fn(&[&str]) -> Command| {
            eprint!("{name} ");
            let times = in_turn(count, || lines.iter().map(|line| time(name, command(line))).sum());
            eprintln!();
            sorted(times)
        };
        let ours = all("go-azure-sdk's commands", 40, &|line| self.sandbox.az(line).command());
        let real = all("the same by the real az", FEW, &|line| self.sandbox.plain_az(line).command());
        let what = "go-azure-sdk: `version`, `account show`, `account list`, a token";
        row(what, &ours.show(), &format!("the real az {}", real.show()), &ratio(real.median(), ours.median()));
    }

    /// Has these tokens be sealed from now on.
    fn seal(&self, what: &str) {
        self.sandbox.azward(["config", "set", "seal", what]).run().ok();
    }

    /// Fills the cache with tokens for other scopes, as a long-lived one has them.
    fn grow_cache(&self, bytes: usize) {
        let path = self.sandbox.config().token_cache_path();
        let mut cache: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let (key, token) = cache["AccessToken"].as_object().unwrap().iter().next().unwrap();
        let (key, token) = (key.clone(), token.clone());
        let count = bytes / serde_json::to_vec(&token).unwrap().len();
        for place in 0..count {
            let mut token = token.clone();
            let target = format!("https://other-{place}.example/.default");
            token["target"] = target.clone().into();
            let key = key.split("https://").next().unwrap().to_owned() + &target;
            cache["AccessToken"][key] = token;
        }
        std::fs::write(&path, serde_json::to_vec_pretty(&cache).unwrap()).unwrap();
    }

    /// A token that has expired: one request by azward, the same by the real az, and the bare request.
    fn rotation(&self) {
        let arguments = ["account", "get-access-token", "-o", "json"];
        let age = || {
            self.sandbox.config().age_access_tokens(-10, "management.core");
        };
        let native = measure_after("rotation", 40, age, || self.sandbox.az(arguments).command());
        let request = self.bare_request();
        let above = format!("{:+.2} ms", native.median() - request.median());
        row("an expired token, rotated", &native.show(), &format!("the bare request {}", request.show()), &above);
        let plain = self.plain_box();
        let age = || {
            plain.config().age_access_tokens(-10, "management.core");
        };
        let real = measure_after("rotation by the real az", FEW, age, || plain.plain_az(arguments).command());
        row(
            "the same",
            &native.show(),
            &format!("the real az {}", real.show()),
            &ratio(real.median(), native.median()),
        );
    }

    /// A box that is logged in without azward.
    fn plain_box(&self) -> Sandbox {
        let plain = Sandbox::new().with_real_az().with_entra(self.entra);
        self.entra.write_az_config(&plain.config_dir(), "entra").unwrap();
        plain.plain_login(self.entra, User::Alice).ok();
        plain.expect_clear(plain.config().token_cache_path());
        plain
    }

    /// One refresh request on a new connection, without anything around it.
    fn bare_request(&self) -> Times {
        let environment = self.sandbox.environment();
        let context = Context::new(environment, None).helped_by(Helper::Here(helper::here));
        let wanted = TokenKey {
            who: Who::Person,
            username: User::Alice.username().to_owned(),
            tenant: entra::TENANT_A.id.to_owned(),
            authority: HttpsUrl::parse(self.entra.origin()).unwrap(),
            environment: "localhost".to_owned(),
            scope: "https://management.core.windows.net//.default".to_owned(),
        };
        let token = self.entra.refresh_tokens_issued().pop().unwrap();
        let source = TokenSource::RefreshToken(Redeemable {
            account: Owner { home_account_id: User::Alice.home_account_id(), environment: "localhost".to_owned() },
            refresh_token: Secret::from_text(token),
            key: String::new(),
        });
        let request = source.request(&wanted, Capability::Cp1);
        eprint!("the bare request ");
        let times = (0..40).map(|_| {
            let began = Instant::now();
            let manner = Manner::of(&context, Path::new(""), &wanted.authority).unwrap();
            Client::of(&context, &manner, std::time::Duration::from_secs(5)).send(&request).unwrap();
            eprint!(".");
            began.elapsed()
        });
        let times = sorted(times.collect());
        eprintln!();
        times
    }

    /// Many callers at once on an expired token.
    fn callers(&self, count: usize, beside: Beside) {
        let arguments = ["account", "get-access-token", "-o", "json", "--query", "accessToken"];
        let crowd = |name: &str, command: &dyn Fn() -> Command, age: &dyn Fn()| {
            eprintln!("{count} callers at once: {name}");
            age();
            self.entra.clear_journal();
            let began = Instant::now();
            let children: Vec<_> = (0..count)
                .map(|_| started_alike(&command()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap())
                .collect();
            let outputs: Vec<_> = children.into_iter().map(|child| child.wait_with_output().unwrap()).collect();
            let took = milliseconds(began.elapsed());
            let good = outputs.iter().filter(|output| output.status.success()).count();
            let mut answers: Vec<_> = outputs.iter().map(|output| &output.stdout).collect();
            answers.sort();
            answers.dedup();
            let requests = self.entra.token_requests();
            (
                took,
                format!("{took:.0} ms, {good} of {count} succeed, {} answer(s), {requests} request(s)", answers.len()),
            )
        };
        let age = || {
            self.sandbox.config().age_access_tokens(-10, "management.core");
        };
        let (ours, shown) = crowd("azward", &|| self.sandbox.az(arguments).command(), &age);
        if beside == Beside::Nothing {
            row(&format!("{count} callers at once, token expired"), &shown, "", "");
            return;
        }
        let plain = self.plain_box();
        let age = || {
            plain.config().age_access_tokens(-10, "management.core");
        };
        let (real, beside) = crowd("the real az", &|| plain.plain_az(arguments).command(), &age);
        row(
            &format!("{count} callers at once, token expired"),
            &shown,
            &format!("the real az {beside}"),
            &ratio(real, ours),
        );
    }
}

fn measure(name: &str, count: usize, command: impl Fn() -> Command) -> Times {
    measure_after(name, count, || {}, command)
}

/// Runs a command `count` times, each after `prepare`, and three times before that for the caches.
fn measure_after(name: &str, count: usize, prepare: impl Fn(), command: impl Fn() -> Command) -> Times {
    eprint!("{name} ");
    let run = || {
        prepare();
        time(name, command())
    };
    let times = in_turn(count, run);
    eprintln!();
    sorted(times)
}

/// Runs two commands `count` times in turn, so that what the machine does meanwhile, it does to both.
fn measure_pair(name: &str, count: usize, ours: impl Fn() -> Command, beside: impl Fn() -> Command) -> (Times, Times) {
    eprint!("{name} ");
    let times = in_turn(count, || (time(name, ours()), time(name, beside())));
    eprintln!();
    let (ours, beside) = times.into_iter().unzip();
    (sorted(ours), sorted(beside))
}

fn in_turn<T>(count: usize, mut once: impl FnMut() -> T) -> Vec<T> {
    for _ in 0..3 {
        once();
    }
    let dot = |place: usize| {
        if place.is_multiple_of((count / 5).max(1)) {
            eprint!(".");
        }
    };
    (0..count).inspect(|place| dot(*place)).map(|_| once()).collect()
}

fn time(name: &str, command: Command) -> Duration {
    let mut command = started_alike(&command);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let began = Instant::now();
    let status = command.status().unwrap();
    let took = began.elapsed();
    assert!(status.success(), "{name}: {status}");
    took
}

/// A program without what cargo tells those that it starts: where the dynamic linker is to look for libraries costs it a tenth of a millisecond.
fn nothing_but(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/");
    command
}

/// The same, by its path and in the directory that this process is in: for a name to look up in a PATH of its own, or another
/// directory, the standard library forks, which costs more the larger the process is that starts it.
fn started_alike(command: &Command) -> Command {
    let variables: Vec<_> = command.get_envs().filter_map(|(name, value)| Some((name, value?))).collect();
    let path = variables.iter().find(|(name, _)| *name == "PATH").map(|(_, value)| *value);
    let program = path.and_then(|path| which::which_in(command.get_program(), Some(path), "/").ok());
    let mut alike = Command::new(program.as_deref().unwrap_or_else(|| Path::new(command.get_program())));
    alike.args(command.get_args());
    if command.get_current_dir().is_some() {
        alike.env_clear();
    }
    alike.envs(variables);
    alike
}

fn sorted(mut times: Vec<Duration>) -> Times {
    times.sort();
    Times(times)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn ratio(larger: f64, smaller: f64) -> String {
    format!("{:.2} times", larger / smaller)
}

fn row(what: &str, ours: &str, beside: &str, ratio: &str) {
    println!("| {what} | {ours} | {beside} | {ratio} |");
}

/// What the figures were measured on.
fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(PathBuf::from(path)).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown", |line| line.trim_start_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    format!(
        "Measured on {cores} cores of {model}, Linux {}, azure-cli {}.",
        kernel.trim(),
        support::provision::AZURE_CLI_VERSION
    )
}
