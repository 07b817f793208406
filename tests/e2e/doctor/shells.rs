//! Which az a shell starts, found out by starting it as it really starts; and which one the desktop does.

use std::fs;
use std::path::PathBuf;

use super::{assert_healthy, found, healthy_in};
use crate::support::{Invocation, Sandbox, provision};

/// A box whose user has every shell that this machine has.
fn with_shells() -> (Sandbox, Vec<(&'static str, PathBuf)>) {
    let sandbox = Sandbox::new();
    let home = sandbox.home();
    fs::create_dir_all(home.join(".config/fish/conf.d")).unwrap();
    fs::write(home.join(".config/fish/conf.d/azward.fish"), "").unwrap();
    for name in [".bashrc", ".profile", ".zshrc"] {
        fs::write(home.join(name), "echo said by a start-up file\n").unwrap();
    }
    let all = [("bash", ".bashrc"), ("bash -l", ".profile"), ("zsh", ".zshrc"), ("fish", ".config/fish/config.fish")];
    let has = |shell: &str| std::env::split_paths("/usr/bin:/bin").any(|path| path.join(shell).exists());
    let here = all.into_iter().filter(|(shell, _)| {
        let program = shell.split(' ').next().unwrap();
        if !has(program) {
            provision::announce(&format!("there is no {program} here: what the doctor says of it is not tested"));
        }
        has(program)
    });
    let here = here.map(|(shell, file)| (shell, home.join(file))).collect();
    (sandbox, here)
}

#[test]
fn what_a_start_up_file_puts_first_is_found_moved_behind_and_gone() {
    let (sandbox, shells) = with_shells();
    let (sandbox, _entra) = healthy_in(sandbox);
    assert_healthy(&sandbox);
    let other = sandbox.wrapped_az().parent().unwrap().display().to_string();
    for (shell, file) in shells.iter().filter(|(shell, _)| *shell != "fish") {
        let before = fs::read_to_string(file).unwrap();
        // Below azward's block, as an installer's line would be.
        fs::write(file, format!("{before}export PATH=\"{other}:$PATH\"\n")).unwrap();
        assert!(found(&sandbox, "shim-not-first").contains(&(*shell).to_owned()), "{shell}");
        let said = sandbox.azward(["doctor"]).run().exited(1).out();
        assert!(said.contains(&format!("in a new `{shell}` `{other}/az` comes before the shim")), "{said}");
        sandbox.azward(["doctor", "--fix", "--yes"]).run().ok().silent();
        assert_healthy(&sandbox);
        assert!(fs::read_to_string(file).unwrap().contains(&other), "the user's line is the user's");
        // As the shell itself says.
        let program = shell.split(' ').next().unwrap();
        let options: &[&str] = if shell.ends_with("-l") { &["-l", "-i", "-c"] } else { &["-i", "-c"] };
        let first = Invocation::new(&sandbox, program).args(options).args(["command -v az"]).run().out();
        assert_eq!(first.lines().next_back(), sandbox.azward_home().join("bin/az").to_str());
    }
}

#[test]
fn a_block_that_is_gone_is_put_back_and_fish_is_told_what_it_does_itself() {
    let (sandbox, shells) = with_shells();
    let (sandbox, _entra) = healthy_in(sandbox);
    for (shell, file) in &shells {
        match *shell {
            // Its own block is in a file that is read before config.fish: what that puts first a person has to move.
            "fish" => {
                let other = sandbox.wrapped_az().parent().unwrap();
                fs::write(file, format!("set -gx PATH '{}' $PATH\n", other.display())).unwrap();
                assert!(found(&sandbox, "shim-not-first").contains(&"fish".to_owned()));
                let outcome = sandbox.azward(["doctor", "--fix", "--yes"]).run().exited(1);
                assert!(outcome.out().contains("still there"), "{outcome:?}");
                fs::remove_file(file).unwrap();
                // Without its block.
                let block = sandbox.home().join(".config/fish/conf.d/azward.fish");
                fs::write(block, "").unwrap();
            }
            // A login shell reads `.profile` alone here, a window `.bashrc` after what the login has.
            "bash" => continue,
            _ => fs::write(file, "").unwrap(),
        }
        if *shell == "bash -l" {
            fs::write(sandbox.home().join(".bashrc"), "").unwrap();
        }
        assert!(!found(&sandbox, "shim-not-first").is_empty(), "{shell}");
        sandbox.azward(["doctor", "--fix", "--yes"]).run().ok().silent();
        assert_healthy(&sandbox);
    }
}

#[test]
fn a_shell_that_waits_for_somebody_is_told_of_and_no_finding() {
    let (sandbox, _) = with_shells();
    let (sandbox, _entra) = healthy_in(sandbox);
    let bashrc = sandbox.home().join(".bashrc");
    let text = fs::read_to_string(&bashrc).unwrap();
    fs::write(&bashrc, format!("sleep 60\n{text}")).unwrap();
    let said = sandbox.azward(["doctor", "--json"]).run().ok().json();
    assert_eq!(said["not_looked_at"][0], "`bash`: it did not start by itself", "{said:#}");
}

#[test]
fn on_a_terminal_the_shells_leave_it_alone() {
    let (sandbox, _) = with_shells();
    let (sandbox, _entra) = healthy_in(sandbox);
    let mut shell = crate::support::Terminal::shell(&sandbox);
    let azward = sandbox.azward_home().join("bin/azward");
    shell.type_line(&format!("{} doctor; echo code=$?", crate::support::in_shell(azward)));
    shell.expect("all is as it should be");
    shell.expect("code=0");
    shell.type_line("exit");
    shell.finish().ok();
}

#[test]
fn what_the_desktop_starts_is_asked_of_systemd() {
    let (sandbox, _entra) = healthy_in(Sandbox::new());
    let other = sandbox.wrapped_az().parent().unwrap().display().to_string();
    let systemctl = sandbox.root().join("real/systemctl");
    let says = |path: &str| {
        let script = format!("[ \"$1 $2\" = '--user show-environment' ] && echo 'PATH={path}'");
        sandbox.make_script(&systemctl, &script);
    };
    says(&format!("{other}:/usr/bin"));
    assert_eq!(found(&sandbox, "shim-not-first"), ["desktop"]);
    let said = sandbox.azward(["doctor"]).run().exited(1).out();
    assert!(said.contains("environment.d/60-azward.conf") && said.contains(&format!("`{other}/az` comes")), "{said}");
    // As it is after the next login with that line.
    says(&format!("{}:{other}:/usr/bin", sandbox.azward_home().join("bin").display()));
    assert_healthy(&sandbox);
}

#[test]
fn an_az_before_the_shim_here_and_no_shim_at_all() {
    let (sandbox, _entra) = healthy_in(Sandbox::new());
    let path = sandbox.environment()[std::ffi::OsStr::new("PATH")].clone();
    let mut turned: Vec<PathBuf> = std::env::split_paths(&path).collect();
    turned.swap(0, 1);
    sandbox.set_env("PATH", std::env::join_paths(&turned).unwrap());
    super::assert_only(&sandbox, "shim-not-first", "here");
    turned.remove(1);
    fs::remove_file(sandbox.azward_home().join("bin/az")).unwrap();
    sandbox.set_env("PATH", std::env::join_paths(&turned).unwrap());
    super::assert_only(&sandbox, "shim-missing", "");
    // What it says mends it: installed again, and a new terminal opened.
    crate::support::installed::script(&sandbox, "install.sh").run().ok();
    sandbox.set_env("PATH", path);
    assert_healthy(&sandbox);
}
