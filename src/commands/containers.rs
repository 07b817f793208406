//! What `azward exec --serve` adds to the command line of a program that starts containers: the directory with the endpoint's socket, the az
//! that speaks with it, and the names of the variables that a container is to have. No secret is among it. A command line that is not
//! understood as far as to the word that starts a container stays as it is.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::commands::serve::Here;
use crate::failure::{Failure, Kind, Result};
use crate::serve::{AZ, IDENTITY, INSIDE, MOUNTED};

/// The programs (docker 27, podman 5 and nerdctl 2 take these options alike).
const PROGRAMS: [&str; 3] = ["docker", "nerdctl", "podman"];

/// Their options, and those of `compose`, that take the next word, before the word that says what is to be done.
const VALUED: [&str; 31] = [
    "--ansi",
    "--cgroup-manager",
    "--config",
    "--connection",
    "--context",
    "--env-file",
    "--file",
    "--host",
    "--identity",
    "--log-level",
    "--module",
    "--namespace",
    "--parallel",
    "--profile",
    "--progress",
    "--project-directory",
    "--project-name",
    "--root",
    "--runroot",
    "--runtime",
    "--ssh",
    "--storage-driver",
    "--storage-opt",
    "--tlscacert",
    "--tlscert",
    "--tlskey",
    "--url",
    "-H",
    "-c",
    "-f",
    "-p",
];

/// `arguments` of `program`, with what a container needs to reach an endpoint; as they are where they start none.
///
/// # Errors
/// `Usage` where there is no socket that a container could have.
pub(super) fn equipped(program: &OsStr, arguments: &[OsString], here: &Here) -> Result<Vec<OsString>> {
    let mut arguments = arguments.to_vec();
    let Some(place) = place_for_options(program, &arguments) else { return Ok(arguments) };
    let Some(mounted) = &here.mounted else {
        return Err(Failure::new(
            Kind::Usage,
            "the path of azward's home is too long for a socket, which a container needs",
            "have AZWARD_HOME be a shorter one, or use `azward serve --socket`",
        ));
    };
    let volume = |from: &Path, to: &str| {
        let mut option = OsString::from("--volume=");
        option.push(from);
        option.push(format!(":{to}:ro"));
        option
    };
    let mut options: Vec<OsString> = vec![volume(mounted, MOUNTED)];
    if let Some(inside) = &here.inside {
        let own = Path::new(AZ).with_file_name(INSIDE);
        options.extend([volume(inside, AZ), volume(inside, &own.to_string_lossy())]);
    }
    options.extend(here.container.iter().map(|(name, value)| format!("--env={name}={value}").into()));
    if is_on_the_hosts_network(&arguments[place..]) {
        // The values are in the environment of this program alone.
        options.extend(IDENTITY.iter().map(|name| format!("--env={name}").into()));
    }
    arguments.splice(place..place, options);
    Ok(arguments)
}

/// Where the options of what starts a container begin.
fn place_for_options(program: &OsStr, arguments: &[OsString]) -> Option<usize> {
    let name = Path::new(program).file_stem()?.to_str()?;
    if !PROGRAMS.contains(&name) {
        return None;
    }
    let mut words = arguments.iter().enumerate().map(|(place, word)| (place, word.to_str()));
    let mut is_compose = false;
    while let Some((place, word)) = words.next() {
        match word? {
            "run" => return Some(place + 1),
            "create" if !is_compose => return Some(place + 1),
            "container" if !is_compose => {}
            "compose" => is_compose = true,
            option if VALUED.contains(&option) => {
                words.next();
            }
            option if option.starts_with('-') => {}
            _ => return None,
        }
    }
    None
}

fn is_on_the_hosts_network(options: &[OsString]) -> bool {
    let words: Vec<&str> = options.iter().map(|word| word.to_str().unwrap_or_default()).collect();
    let is_apart = |pair: &[&str]| matches!(pair, ["--network" | "--net", "host"]);
    words.windows(2).any(is_apart) || words.iter().any(|word| matches!(*word, "--network=host" | "--net=host"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(line: &str) -> Option<usize> {
        let mut words = line.split_whitespace().map(OsString::from);
        let program = words.next().unwrap();
        place_for_options(&program, &words.collect::<Vec<_>>())
    }

    #[test]
    fn the_options_go_behind_the_word_that_starts_a_container() {
        assert_eq!(place("docker run --rm image"), Some(1));
        assert_eq!(place("/usr/bin/podman --log-level debug container create image"), Some(4));
        assert_eq!(place("docker --context=x -H tcp://run compose -f run.yaml run service"), Some(7));
        assert_eq!(place("nerdctl -n k8s.io run image"), None);
    }

    #[test]
    fn whatever_starts_no_container_stays_as_it_is() {
        for line in [
            "docker exec run sh",
            "docker compose up",
            "docker compose create",
            "terraform run",
            "docker",
            "docker build run",
        ] {
            assert_eq!(place(line), None, "{line}");
        }
    }
}
