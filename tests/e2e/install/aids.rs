//! Completions in real shells and pages in the real `man`, as `install.sh` puts them, and that nobody else's file is touched.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::{bin, contents, furnish, install, machine, open_new_terminal, uninstall};
use crate::support::fake_az::ALICE;
use crate::support::{Invocation, Sandbox, Terminal, provision};

const BASH: &str = ".local/share/bash-completion/completions/azward";
const FISH: &str = ".config/fish/completions/azward.fish";

fn furnished() -> Sandbox {
    let sandbox = machine(Sandbox::new().with_fake_az());
    furnish(&sandbox.home());
    sandbox
}

fn is_there(program: &str) -> bool {
    let path = Path::new("/usr/bin").join(program);
    if !path.exists() {
        provision::announce(&format!("{program} is not installed, so nobody knows whether it finds what is for it"));
    }
    path.exists()
}

#[test]
fn bash_completes_subcommands_options_and_names() {
    let sandbox = furnished();
    install(&sandbox);
    open_new_terminal(&sandbox);
    let script = sandbox.home().join(BASH);
    let completed = |words: &str, current: &str| {
        let line = format!(
            "source {}; COMP_WORDS=({words} '{current}'); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); COMP_TYPE=9; \
             _clap_complete_azward azward '{current}' x; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            script.display()
        );
        let out = Invocation::new(&sandbox, "bash").args(["-c", &line]).run().ok().out();
        out.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(completed("azward", "uni"), ["uninstall"]);
    assert_eq!(completed("azward config get", "key"), ["key_store", "key_cache_minutes"]);
    assert_eq!(completed("azward config set exposure", "mem"), ["memory"]);
    sandbox.az(["login", ALICE]).run().ok().silent();
    assert_eq!(completed("azward view x --of", "/"), [sandbox.config_dir().to_str().unwrap()], "names of one's own");
    assert!(completed("azward list", "--").contains(&"--json".to_owned()));
    assert_eq!(completed("azward teapot", "x"), [""], "what makes no sense has no answer");
}

#[test]
fn fish_completes_with_a_word_of_help() {
    if !is_there("fish") {
        return;
    }
    let sandbox = furnished();
    install(&sandbox);
    let fish = |line: &str| Invocation::new(&sandbox, "fish").args(["-c", line]).run().ok().out();
    let out = fish("complete -C 'azward unin'");
    assert!(out.starts_with("uninstall\tGive everything back"), "{out}");
    assert_eq!(fish("complete -C 'azward config get jour'").trim(), "journal");
}

#[test]
fn zsh_completes_whether_its_completions_begin_before_the_block_or_after() {
    if !is_there("zsh") {
        return;
    }
    const BEGIN: &str = "autoload -Uz compinit; compinit -u\n";
    for is_before in [true, false] {
        let sandbox = furnished();
        let zshrc = sandbox.home().join(".zshrc");
        if is_before {
            fs::write(&zshrc, BEGIN).unwrap();
        }
        install(&sandbox);
        if !is_before {
            fs::write(&zshrc, fs::read_to_string(&zshrc).unwrap() + BEGIN).unwrap();
        }
        let zsh = Invocation::new(&sandbox, "zsh").args(["-i"]).env("PS1", "ready> ").env("TERM", "dumb");
        let mut terminal = Terminal::start(&zsh);
        terminal.expect("ready> ");
        // Twice: the first Tab reads the file, the second does not.
        for _ in 0..2 {
            terminal.send("azward conf\tget jour\t\r");
            terminal.expect("on, by default");
            terminal.expect("ready> ");
        }
        terminal.send("exit\r");
        terminal.finish();
    }
}

#[test]
fn man_has_a_page_for_each_subcommand() {
    let sandbox = furnished();
    install(&sandbox);
    let pages = sandbox.azward_home().join("man/man1");
    let names: Vec<String> =
        fs::read_dir(&pages).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    for name in ["azward.1", "azward-config.1", "azward-config-set.1", "azward-uninstall.1"] {
        assert!(names.iter().any(|other| other == name), "{names:?}");
        let words: Vec<&str> = name.trim_end_matches(".1").split('-').skip(1).collect();
        let printed = sandbox.azward(["man"]).args(words).run().ok().silent().out();
        let installed = fs::read_to_string(pages.join(name)).unwrap();
        assert!(installed.ends_with(printed.trim_start()), "{name}");
    }
    let refused = sandbox.azward(["man", "teapot"]).run().exited(2);
    assert!(refused.err().contains("there is no subcommand `teapot`"), "{refused:?}");
    if !is_there("man") {
        return;
    }
    open_new_terminal(&sandbox);
    let man = |words: &[&str]| Invocation::new(&sandbox, "man").args(words).run();
    let found = man(&["-w", "azward-config-set"]);
    if !found.out().contains("man1") {
        // As in a container that has no manuals: `man` is a script that says so.
        provision::announce(&format!("this machine's `man` finds no pages at all: {}", found.err()));
        return;
    }
    assert_eq!(found.ok().out().trim(), pages.join("azward-config-set.1").to_str().unwrap());
    let page = man(&["azward-config-set"]).ok().out();
    assert!(page.contains("azward config set window_minutes 30"), "{page}");
}

#[test]
fn what_is_somebody_else_s_is_left_and_what_an_earlier_version_wrote_is_replaced() {
    let sandbox = furnished();
    let (bash, fish) = (sandbox.home().join(BASH), sandbox.home().join(FISH));
    for path in [&bash, &fish] {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
    }
    fs::write(&bash, "# mine\n").unwrap();
    symlink("/nonexistent", &fish).unwrap();
    let mine = || contents(&sandbox.home().join(".local"));
    let before = mine();
    let said = install(&sandbox).out();
    for path in [&bash, &fish] {
        assert!(said.contains(&format!("left `{}`: it is not azward's", path.display())), "{said}");
    }
    assert!(mine() == before && fs::read_link(&fish).unwrap() == Path::new("/nonexistent"));
    assert!(!install(&sandbox).out().contains("removed"));

    fs::remove_file(&fish).unwrap();
    install(&sandbox);
    let now = fs::read_to_string(&fish).unwrap();
    let earlier = now.lines().next().unwrap().to_owned() + "\ncomplete --command az-ward\n";
    fs::write(&fish, &earlier).unwrap();
    install(&sandbox);
    assert_eq!(fs::read_to_string(&fish).unwrap(), now);
    fs::write(&fish, &earlier).unwrap();
    let said = uninstall(&sandbox).out();
    assert!(said.contains(&format!("removed `{}`", fish.display())), "{said}");
    assert!(!fish.parent().unwrap().exists() && mine() == before && !bin(&sandbox).exists());
}
