//! `entra`: the stand-in for people. Starts a server, says how to point `az` at it, logs every request.
#![forbid(unsafe_code)]

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;

use entra::{CLOUD_NAME, Entra, Knobs, Options, Rolling, SERVICE_PRINCIPAL, TENANT_A, TENANT_B, User};

const USAGE: &str = "\
A stand-in Entra ID, Resource Manager and Graph on loopback; runs until Ctrl-C.

Usage: entra [OPTIONS]

Options:
      --port <PORT>        Port to listen on [default: any free one]
      --config-dir <DIR>   Azure config directory to set up [default: a new one in the temporary directory]
      --lifetime <SECONDS> Lifetime of access tokens [default: 3600]
      --user <USER>        Who logs in by device code: alice or bob [default: alice]
      --strict             Refuse a refresh token once it was used
  -h, --help               Print this help
";

#[derive(Default)]
struct Arguments {
    port: u16,
    config_dir: Option<PathBuf>,
    knobs: Knobs,
    wants_help: bool,
}

fn main() -> ExitCode {
    let outcome = parse(std::env::args().skip(1)).and_then(|arguments| {
        if arguments.wants_help {
            print!("{USAGE}");
            return Ok(());
        }
        run(arguments)
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("entra: {error}");
            ExitCode::FAILURE
        }
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, Box<dyn Error>> {
    let mut arguments = Arguments::default();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("`{word}` needs a value"));
        match word.as_str() {
            "--port" => arguments.port = value()?.parse()?,
            "--config-dir" => arguments.config_dir = Some(value()?.into()),
            "--lifetime" => arguments.knobs.lifetime = value()?.parse()?,
            "--strict" => arguments.knobs.rolling = Rolling::Strict,
            "--user" => {
                arguments.knobs.next_login = match value()?.as_str() {
                    "alice" => User::Alice,
                    "bob" => User::Bob,
                    other => return Err(format!("`{other}` is neither alice nor bob").into()),
                }
            }
            "-h" | "--help" => arguments.wants_help = true,
            _ => return Err(format!("unknown argument `{word}`; see --help").into()),
        }
    }
    Ok(arguments)
}

fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let scratch = std::env::temp_dir().join(format!("entra-{}", std::process::id()));
    let config_dir = arguments.config_dir.unwrap_or_else(|| scratch.clone());
    std::fs::create_dir_all(&scratch)?;
    let options = Options::new(scratch.join("ca.pem")).port(arguments.port).knobs(arguments.knobs);
    let entra = Entra::start(options.watch(|request| println!("{request}")))?;
    println!("# {} is up; in another shell:", entra.origin());
    for (name, value) in entra.az_environment(&config_dir) {
        println!("export {name}='{value}'");
    }
    // A directory that is in use keeps its own config.
    if config_dir.join("config").exists() {
        println!("az {}", entra.cloud_register_args(CLOUD_NAME).join(" "));
        println!("az cloud set --name {CLOUD_NAME}");
    } else {
        entra.write_az_config(&config_dir, CLOUD_NAME)?;
    }
    println!("az login --use-device-code");
    // MSAL drops the port when it asks for the realm of a user with a password.
    for user in User::ALL.into_iter().filter(|_| entra.port() == 443) {
        println!("az login --username {} --password '{}'", user.username(), entra.password(user));
    }
    println!(
        "az login --service-principal --tenant {} --username {} --password '{}'",
        TENANT_A.id,
        SERVICE_PRINCIPAL.client_id,
        entra.client_secret()
    );
    println!("az account get-access-token --tenant {}", TENANT_B.id);
    println!("# requests:");
    loop {
        thread::park();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> impl Iterator<Item = String> {
        text.split_whitespace().map(str::to_owned).collect::<Vec<_>>().into_iter()
    }

    #[test]
    fn arguments_are_read_or_named() {
        let arguments = parse(words("--port 4443 --lifetime 1500 --strict --user bob --config-dir /x")).unwrap();
        assert_eq!((arguments.port, arguments.knobs.lifetime), (4443, 1500));
        assert_eq!((arguments.knobs.rolling, arguments.knobs.next_login), (Rolling::Strict, User::Bob));
        for bad in ["--port", "--port x", "--user eve", "--fast"] {
            assert!(parse(words(bad)).is_err(), "{bad}");
        }
    }
}
