//! `azward`: manages what the shim does by itself.

#![forbid(unsafe_code)]

mod cli;
mod examples;

use std::process::ExitCode;

use anyhow::Result;
use azward::app::App;
use azward::azure::ConfigDir;
use azward::commands;
use azward::commands::aids::Aids;
use azward::commands::completions;
use azward::commands::config;
use azward::commands::doctor::Mending;
use azward::commands::forget::{self, Asking, Which};
use azward::commands::install::StartUp;
use azward::commands::uninstall::Leftovers;
use azward::commands::vault_move::{self, Doing};
use azward::commands::{log, refresh, session, token, within};
use azward::context::Context;
use azward::home::{self, Care};
use azward::run::{guard, guardian};
use azward::sessions::Forcing;
use azward::sessions::environment::Syntax;
use azward::sys;
use azward::ui::{self, Form, Ui};
use azward::vault::{Extent, KeyStoreKind};
use cli::{Adopt, By, Command, Config, EnvSyntax, Forget, KeyStore, VaultCommand};

#[global_allocator]
static HEAP: sys::WipedHeap = sys::WipedHeap;

fn main() -> ExitCode {
    sys::harden();
    ui::report_panics();
    let context = Context::from_process();
    if guardian::is_called_for(std::env::args_os().next().as_deref()) {
        guard::guard(context);
        return ExitCode::SUCCESS;
    }
    let ui = Ui::new(&context);
    if completions::are_asked_for(&context) {
        // A shell at a Tab has no use for a failure's words.
        let arguments = std::env::args_os().collect();
        let is_answered = completions::answer(&context, &ui, cli::definition(), arguments).is_ok();
        return if is_answered { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    match cli::parse(&ui) {
        Ok(cli) => {
            // What it would mend on its way is a finding of the doctor's.
            let care = if matches!(cli.command, Command::Doctor { .. }) { Care::Look } else { Care::Mend };
            let app = App::new(context, care);
            end(&ui, perform(cli.command, &app, &ui), ExitCode::SUCCESS)
        }
        Err(code) => end(&ui, Ok(()), code),
    }
}

fn perform(command: Command, app: &App, ui: &Ui) -> Result<()> {
    // What is for all users has nothing to do with anybody's home.
    match command {
        Command::Install { system: true, .. } => {
            return commands::system::install(&app.context, ui, &Aids::of(cli::definition())?);
        }
        Command::Uninstall { system: true, .. } => return commands::system::uninstall(&app.context, ui),
        _ => {}
    }
    match &app.home_failure {
        _ if matches!(command, Command::Doctor { .. }) => {}
        None => home::close_files(&app.context),
        // Only `status` has something to say about a home that is not believed; some have nothing to do with it.
        Some(_) if matches!(command, Command::Status { .. } | Command::Completions { .. } | Command::Man { .. }) => {}
        Some(failure) => return Err(failure.clone().into()),
    }
    match command {
        Command::Status { json, check } => {
            let form = if json { Form::Json } else { Form::Table };
            match check {
                true => commands::status::check(app, ui, form),
                false => commands::status::status(app, ui, form),
            }
        }
        Command::Log { follow, since, by, json } => {
            let form = if json { Form::Json } else { Form::Table };
            match by {
                Some(By::Caller) => log::sum_up(app, ui, since, log::By::Caller, form),
                Some(By::Scope) => log::sum_up(app, ui, since, log::By::Scope, form),
                None if follow => log::follow(app, ui, since, form),
                None => log::log(app, ui, since, form),
            }
        }
        Command::Doctor { fix, yes, json } => {
            let form = if json { Form::Json } else { Form::Table };
            let mending = match (fix, yes) {
                (false, _) => Mending::Nothing,
                (true, false) => Mending::Asked,
                (true, true) => Mending::Unasked,
            };
            commands::doctor::doctor(app, ui, mending, form)
        }
        Command::Scrub => commands::scrub::scrub(app, ui),
        Command::Lock => commands::lock::lock(app, ui),
        Command::Install { no_modify_path, .. } => {
            let start_up = if no_modify_path { StartUp::LeaveAlone } else { StartUp::Edit };
            commands::install::install(app, ui, start_up, &Aids::of(cli::definition())?)
        }
        Command::Uninstall { forget, others, .. } => {
            let leftovers = if forget { Leftovers::Forget(extent(others)) } else { Leftovers::Keep };
            commands::uninstall::uninstall(app, ui, leftovers)
        }
        Command::View { directory, remove: true, .. } => commands::view::remove(app, ui, &directory),
        Command::View { directory, of, .. } => commands::view::add(app, ui, &directory, of.as_deref()),
        Command::Refresh { resource, all } => {
            let which = match resource {
                Some(resource) => refresh::Which::Resource(resource),
                None if all => refresh::Which::All,
                None => refresh::Which::ResourceManager,
            };
            refresh::refresh(app, ui, which)
        }
        Command::Exec { session: None, words } => commands::exec::exec(app, ui, &words),
        Command::Exec { session: Some(session), words } => within::exec(app, ui, &session, &words),
        Command::Login { name, from_leapp: true, integration, yes, .. } => {
            let asking = if yes { Asking::Never } else { Asking::OnATerminal };
            let name = name.unwrap_or_default();
            commands::leapp::import(app, ui, &commands::leapp::Options { name, integration, asking })
        }
        Command::Login { name, tenant, cloud, others, .. } => {
            commands::login::login(app, ui, &commands::login::Options { name, tenant, cloud, others })
        }
        Command::Sync { name } => commands::login::sync(app, ui, &name),
        Command::Logout { name } => commands::logout::logout(app, ui, &name),
        Command::Start { session: name, region } => session::start(app, ui, &name, region.as_deref()),
        Command::Rotate { session: name, force } => {
            let forcing = if force { Forcing::Always } else { Forcing::WhenDue };
            session::rotate(app, ui, &name, forcing)
        }
        Command::Stop { session: name, .. } => {
            session::stop(app, ui, &name.map_or(session::Which::All, session::Which::Named))
        }
        Command::Rename { session: from, name } => session::rename(app, ui, &from, &name),
        Command::Use { none: true, .. } => session::use_none(app, ui),
        Command::Use { session: name, .. } => session::use_session(app, ui, name.as_deref()),
        Command::Env { session, shell } => {
            let syntax = match shell {
                EnvSyntax::Sh => Syntax::Sh,
                EnvSyntax::Fish => Syntax::Fish,
                EnvSyntax::Powershell => Syntax::PowerShell,
                EnvSyntax::Json => Syntax::Json,
            };
            within::env(app, ui, &session, syntax)
        }
        Command::Shell { session } => within::shell(app, ui, &session),
        Command::Token { session, resource, scope, min_life, json, header } => {
            let form = match (json, header) {
                (true, _) => token::Form::Json,
                (false, true) => token::Form::Header,
                (false, false) => token::Form::Raw,
            };
            token::token(app, ui, &token::Request { session, resource, scope, min_life, form })
        }
        Command::Adopt(adopt) => perform_adopt(adopt, app, ui),
        Command::List { logins: true, json } => commands::list::list(app, ui, form(json)),
        Command::List { logins: false, json } => commands::overview::list(app, ui, form(json)),
        Command::Completions { shell } => completions::completions(ui, shell),
        Command::Man { words } => commands::man::man(ui, cli::definition(), &words),
        Command::Config { deed: None } => config::list(app, ui, Form::Table),
        Command::Config { deed: Some(deed) } => configure(deed, app, ui),
        Command::Forget(forget) => perform_forget(forget, app, ui),
        Command::Unlock => commands::unlock::unlock(app, ui),
        Command::Vault(VaultCommand::List { json }) => commands::vault_list::list(app, ui, form(json)),
        Command::Vault(VaultCommand::Move { to, dry_run }) => {
            let doing = if dry_run { Doing::Tell } else { Doing::Move };
            vault_move::move_to(app, ui, kind_of(to), doing)
        }
        Command::Vault(VaultCommand::Adopt(adopt)) => perform_adopt(adopt, app, ui),
        Command::Vault(VaultCommand::Forget(forget)) => perform_forget(forget, app, ui),
    }
}

fn configure(deed: Config, app: &App, ui: &Ui) -> Result<()> {
    match deed {
        Config::List { json } => config::list(app, ui, form(json)),
        Config::Get { name, value } => {
            let shown = if value { config::Shown::Value } else { config::Shown::Whole };
            config::get(app, ui, &name, shown)
        }
        Config::Set { name, value } => config::set(app, ui, &name, &value),
        Config::Unset { name } => config::unset(app, ui, &name),
    }
}

fn perform_adopt(Adopt { from }: Adopt, app: &App, ui: &Ui) -> Result<()> {
    let here = ConfigDir::of(&app.context);
    commands::view::add(app, ui, here.path(), Some(&from))
}

fn perform_forget(Forget { directory, gone, others, yes, .. }: Forget, app: &App, ui: &Ui) -> Result<()> {
    let which = match directory {
        Some(directory) => Which::Directory(directory),
        None if gone => Which::Gone,
        None => Which::All,
    };
    let asking = if yes { Asking::Never } else { Asking::OnATerminal };
    forget::forget(app, ui, &which, extent(others), asking)
}

/// Ends with `code` if all went well and all that was said is out.
fn end(ui: &Ui, outcome: Result<()>, code: ExitCode) -> ExitCode {
    match outcome.and(ui.finish().map_err(Into::into)) {
        Ok(()) => code,
        Err(error) => {
            let failure = commands::failure_of(&error);
            ui.report(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

fn form(json: bool) -> Form {
    if json { Form::Json } else { Form::Table }
}

fn kind_of(store: KeyStore) -> KeyStoreKind {
    match store {
        KeyStore::Keyring => KeyStoreKind::Keyring,
        KeyStore::SystemdCreds => KeyStoreKind::SystemdCreds,
        KeyStore::Passphrase => KeyStoreKind::Passphrase,
        KeyStore::KeyFile => KeyStoreKind::KeyFile,
    }
}

fn extent(others: bool) -> Extent {
    if others { Extent::Everyones } else { Extent::Ours }
}
