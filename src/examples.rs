//! The examples in the help and the man page of each subcommand: a command line, and what comes of it. A subcommand without any,
//! or a line that makes no sense, is found by a test.

use std::fmt::Write as _;

use clap::Command;

/// The words after `azward`, and what they do.
type Example = (&'static str, &'static str);

/// Those of each subcommand, by its words; of a subcommand that has subcommands, theirs are in it.
const ALL: &[(&str, &[Example])] = &[
    ("", &[("status", "what azward does here, and what lies in the clear"), ("help config", "what `config` can do")]),
    (
        "status",
        &[
            ("status", "all there is to know of this config directory"),
            ("status --check", "for scripts: 0 good, 3 a person has to sign in, 1 trouble"),
            ("status --json", "the same for programs"),
        ],
    ),
    (
        "log",
        &[
            ("log --since 1h", "who got which token in the last hour"),
            ("log --follow", "as it happens, until Ctrl-C"),
            ("log --by caller", "how many tokens each program got"),
        ],
    ),
    (
        "doctor",
        &[
            ("doctor", "what is not as it should be, and what mends it"),
            ("doctor --fix", "mend what is safe to, after a question for each"),
            ("doctor --fix --yes --json", "for programs, without a question"),
        ],
    ),
    ("scrub", &[("scrub", "what lies in the clear goes into the vault now")]),
    ("lock", &[("lock", "before you leave your desk: the next az asks the key store")]),
    ("unlock", &[("unlock", "type the passphrase now, and for the rest of the session no az asks for it")]),
    (
        "install",
        &[
            ("install", "for you: programs, PATH, completions, man pages"),
            ("install --no-modify-path", "nothing outside the azward home is written"),
            ("install --system", "for all users, by root"),
            ("install --allow-downgrade", "this version again, though a newer one is there"),
        ],
    ),
    (
        "uninstall",
        &[
            ("uninstall", "az has its logins back"),
            ("uninstall --forget", "logins whose directory is gone as well"),
            ("uninstall --system", "what `install --system` did, by root"),
        ],
    ),
    (
        "view",
        &[
            ("view ~/work/.azure", "for AZURE_CONFIG_DIR=~/work/.azure: the same login, another subscription"),
            ("view ~/work/.azure --remove", "that directory has no login any more"),
        ],
    ),
    (
        "refresh",
        &[
            ("refresh", "after you were given a role: for Resource Manager"),
            ("refresh --resource https://vault.azure.net", "for Key Vault"),
        ],
    ),
    (
        "exec",
        &[
            ("exec contoso-production -- terraform plan", "in that session's subscription"),
            ("exec -- ansible-playbook site.yml", "a program that uses azure-cli-core as a library"),
            ("exec -- sh -c 'az group list; az vm list'", "one run for several az"),
            ("exec --serve lab -- docker run --rm image terraform plan", "a container that gets that session's tokens"),
        ],
    ),
    (
        "serve",
        &[
            ("serve contoso-production", "tokens for Resource Manager, for eight hours, or until Ctrl-C"),
            ("serve lab --allow-resource https://vault.azure.net --ttl 30m", "for Key Vault alone"),
            ("serve lab --socket ~/lab.sock", "for `ssh -R /tmp/lab.sock:$HOME/lab.sock host`"),
            ("serve lab --format devcontainer", "what stands in a devcontainer.json"),
        ],
    ),
    ("adopt", &[("adopt --from ~/.azure", "after AZURE_CONFIG_DIR was made by copying it")]),
    (
        "list",
        &[
            ("list", "sessions: state, minutes left, subscription, tenant, user, login"),
            ("list --json", "the same for programs"),
            ("list --logins", "every config directory with a login, and where its key is"),
        ],
    ),
    (
        "login",
        &[
            ("login work --tenant contoso.example", "beside the login that az has"),
            ("login lab -- --use-device-code", "what az itself is told"),
            ("login old --from-leapp", "what Leapp keeps in the keyring"),
        ],
    ),
    ("sync", &[("sync work", "after a subscription was granted")]),
    ("logout", &[("logout work", "its sessions, its refresh tokens, its directory")]),
    (
        "start",
        &[
            ("start contoso-production", "a config directory with that subscription"),
            ("start contoso-production --region westeurope", "and that region by default"),
        ],
    ),
    ("rotate", &[("rotate contoso-production --force", "after you were given a role there")]),
    ("stop", &[("stop contoso-production", "its files are cleaned"), ("stop --all", "every one")]),
    ("rename", &[("rename contoso-production prod", "what you type from now on")]),
    (
        "use",
        &[
            ("use contoso-production", "what plain az uses from now on"),
            ("use", "pick one from a list"),
            ("use --none", "az uses ~/.azure again"),
        ],
    ),
    (
        "env",
        &[
            ("env contoso-production", "for eval \"$(…)\" in sh, bash and zsh, for direnv and mise"),
            ("env contoso-production --shell fish", "for fish: … | source"),
        ],
    ),
    ("shell", &[("shell contoso-production", "until you leave it")]),
    (
        "token",
        &[
            ("token contoso-production --min-life 30m", "good for half an hour at least"),
            ("token --resource https://vault.azure.net --header", "for curl -H"),
        ],
    ),
    (
        "config",
        &[
            ("config", "what holds, and where that comes from"),
            ("config set exposure memory", "for every az from now on"),
            ("config unset exposure", "the default again"),
        ],
    ),
    (
        "callers",
        &[
            ("callers", "who was allowed, who was refused, and who could not be asked about"),
            ("callers allow ~/bin/deploy.sh", "before it runs where nobody can be asked"),
        ],
    ),
    ("callers list", &[("callers list --json", "for programs")]),
    (
        "callers allow",
        &[
            ("callers allow /usr/bin/terraform", "whatever it is told to do"),
            ("callers allow ~/bin/deploy.sh", "a script, by the interpreter that it names"),
            ("callers allow /usr/bin/python3 ~/bin/deploy.py", "by this one"),
        ],
    ),
    ("callers forget", &[("callers forget /usr/bin/terraform", "the next time somebody is asked")]),
    ("config list", &[("config list --json", "for programs")]),
    ("config get", &[("config get window_minutes --value", "the value alone")]),
    (
        "config set",
        &[
            ("config set window_minutes 30", "tokens are renewed earlier"),
            ("config set key_store keyring", "a new vault has its key there or nowhere"),
            ("config set seal all-tokens", "access tokens leave the token cache, too"),
            ("config set journal off", "only warnings are kept"),
            ("config set confirm new-caller", "a program's first token is a question"),
        ],
    ),
    ("config unset", &[("config unset real_az", "whatever PATH has, or the usual places")]),
    (
        "forget",
        &[
            ("forget --gone", "the logins of directories that were removed"),
            ("forget ~/work/.azure --yes", "one, without being asked"),
        ],
    ),
    ("vault", &[("vault list", "the vaults"), ("vault move --to keyring", "their keys into the OS keyring")]),
    ("vault list", &[("vault list", "where each vault's key is"), ("vault list --json", "the same for programs")]),
    (
        "vault move",
        &[
            ("vault move --to passphrase", "asks for a new passphrase, twice"),
            ("vault move --to systemd-creds --dry-run", "whether that works here, and what it would do"),
        ],
    ),
    (
        "vault seal-certificate",
        &[
            ("vault seal-certificate", "after `az login --service-principal --certificate FILE`"),
            ("vault seal-certificate --undo", "the files are where they were again"),
        ],
    ),
    ("vault adopt", &[("vault adopt --from ~/.azure", "after AZURE_CONFIG_DIR was made by copying it")]),
    ("vault forget", &[("vault forget --gone", "the logins of directories that were removed")]),
    (
        "completions",
        &[
            ("completions bash > ~/.local/share/bash-completion/completions/azward", "what `azward install` does"),
            ("completions powershell >> $PROFILE", "in PowerShell"),
        ],
    ),
    ("man", &[("man > azward.1", "the page of azward"), ("man config set | man -l -", "one to read now")]),
];

/// The command with its examples, and those of everything below it.
pub(crate) fn added_to(command: Command) -> Command {
    added_below(command, "")
}

fn added_below(mut command: Command, words: &str) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|below| below.get_name().to_owned()).collect();
    for name in names {
        let below = format!("{words} {name}");
        command = command.mut_subcommand(name, |command| added_below(command, below.trim_start()));
    }
    match ALL.iter().find(|(known, _)| *known == words) {
        Some((_, examples)) => command.after_help(text(examples)),
        None => command,
    }
}

fn text(examples: &[Example]) -> String {
    let width = examples.iter().map(|(line, _)| line.len()).max().unwrap_or(0);
    let mut text = "Examples:".to_owned();
    for (line, what) in examples {
        // What does not fit beside a long one stands below it.
        let _ = match width > 44 {
            true => write!(text, "\n  azward {line}\n      {what}"),
            false => write!(text, "\n  azward {line:<width$}  {what}"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli;

    fn all_below(command: &Command, words: &str, found: &mut Vec<String>) {
        found.push(words.to_owned());
        for below in command.get_subcommands().filter(|below| below.get_name() != "help" && !below.is_hide_set()) {
            all_below(below, format!("{words} {}", below.get_name()).trim_start(), found);
        }
    }

    #[test]
    fn every_subcommand_has_examples_and_each_makes_sense() {
        let mut found = Vec::new();
        all_below(&cli::definition(), "", &mut found);
        let known: Vec<&str> = ALL.iter().map(|(words, _)| *words).collect();
        let missing: Vec<_> = found.iter().filter(|words| !known.contains(&words.as_str())).collect();
        assert!(missing.is_empty(), "without an example: {missing:?}");
        for (words, examples) in ALL {
            assert!(found.iter().any(|found| found == words), "there is no `{words}`");
            for (line, _) in *examples {
                assert!(line.starts_with(words), "{line}");
                let line = line.split([';', '|', '>']).next().unwrap_or_default();
                let words = line.split_whitespace().map(|word| word.trim_matches('\''));
                let parsed = cli::definition().try_get_matches_from(["azward"].into_iter().chain(words));
                let is_help = |error: &clap::Error| error.kind() == clap::error::ErrorKind::DisplayHelp;
                assert!(parsed.as_ref().is_ok() || parsed.as_ref().is_err_and(is_help), "{line}: {parsed:?}");
            }
        }
    }
}
