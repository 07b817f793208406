//! From a command line that makes sense to the subcommand that does it: what clap has read, in the words of the library. What is
//! for all users is done without a home; of one that is not believed only `status` and `doctor` have something to say.

use anyhow::Result;
use azward::app::App;
use azward::azure::ConfigDir;
use azward::commands::aids::Aids;
use azward::commands::doctor::Mending;
use azward::commands::forget::{self, Asking, Which};
use azward::commands::install::StartUp;
use azward::commands::uninstall::Leftovers;
use azward::commands::vault_move::{self, Doing};
use azward::commands::version::Downgrade;
use azward::commands::{
    self, callers, completions, config, leapp, log, login, refresh, seal_certificate, serve, session, token, within,
};
use azward::home;
use azward::serve::Address;
use azward::sessions::environment::Syntax;
use azward::sessions::{Forcing, Wanted};
use azward::ui::{Form, Ui};
use azward::vault::{Extent, KeyStoreKind};

use crate::cli::{
    self, Adopt, By, Callers, Command, Config, EnvSyntax, Forget, Format, KeyStore, Login, Serve, Token, VaultCommand,
};

/// Does what the command line says.
///
/// # Errors
/// Those of the subcommand; why the home is not believed.
pub(crate) fn perform(command: Command, app: &App, ui: &Ui) -> Result<()> {
    // What is for all users has nothing to do with anybody's home.
    match command {
        Command::Install { system: true, allow_downgrade, .. } => {
            let downgrade = downgrade(allow_downgrade);
            return commands::system::install(&app.context, ui, &Aids::of(cli::definition())?, downgrade);
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
    if let Some(deed) = needs_consent(&command) {
        within::require_consent(app, deed)?;
    }
    match command {
        Command::Status { json, check } => {
            let form = form(json);
            match check {
                true => commands::status::check(app, ui, form),
                false => commands::status::status(app, ui, form),
            }
        }
        Command::Log { follow, since, by, json } => {
            let form = form(json);
            match by {
                Some(By::Caller) => log::sum_up(app, ui, since, log::By::Caller, form),
                Some(By::Scope) => log::sum_up(app, ui, since, log::By::Scope, form),
                None if follow => log::follow(app, ui, since, form),
                None => log::log(app, ui, since, form),
            }
        }
        Command::Doctor { fix, yes, json } => {
            let mending = match (fix, yes) {
                (false, _) => Mending::Nothing,
                (true, false) => Mending::Asked,
                (true, true) => Mending::Unasked,
            };
            commands::doctor::doctor(app, ui, mending, form(json))
        }
        Command::Scrub => commands::scrub::scrub(app, ui),
        Command::Lock => commands::lock::lock(app, ui),
        Command::Install { no_modify_path, allow_downgrade, .. } => {
            let start_up = if no_modify_path { StartUp::LeaveAlone } else { StartUp::Edit };
            commands::install::install(app, ui, start_up, &Aids::of(cli::definition())?, downgrade(allow_downgrade))
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
        Command::Exec { session: None, words, .. } => commands::exec::exec(app, ui, &words),
        Command::Exec { session: Some(session), words, serve, allowed } => {
            within::exec(app, ui, &session, serve.then_some(&allowed.names), &words)
        }
        Command::Login(login) => perform_login(login, app, ui),
        Command::Sync { name } => login::sync(app, ui, &name),
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
        Command::Env { session, shell } => within::env(app, ui, &session, syntax_of(shell)),
        Command::Shell { session } => within::shell(app, ui, &session),
        Command::Token(token) => token::token(app, ui, &request(token)),
        Command::Serve(serve) => perform_serve(serve, app, ui),
        Command::Adopt(adopt) => perform_adopt(adopt, app, ui),
        Command::List { logins: true, json } => commands::list::list(app, ui, form(json)),
        Command::List { logins: false, json } => commands::overview::list(app, ui, form(json)),
        Command::Completions { shell } => completions::completions(ui, shell),
        Command::Man { into: Some(directory), .. } => commands::man::write(cli::definition(), &directory),
        Command::Man { words, .. } => commands::man::man(ui, cli::definition(), &words),
        Command::Callers { deed } => match deed {
            None => callers::list(app, ui, Form::Table),
            Some(Callers::List { json }) => callers::list(app, ui, form(json)),
            Some(Callers::Allow { program, script }) => callers::allow(app, ui, &program, script.as_deref()),
            Some(Callers::Forget { path }) => callers::forget(app, ui, &path),
        },
        Command::Config { deed: None } => config::list(app, ui, Form::Table),
        Command::Config { deed: Some(deed) } => configure(deed, app, ui),
        Command::Forget(forget) => perform_forget(forget, app, ui),
        Command::Unlock => commands::unlock::unlock(app, ui),
        Command::Vault(VaultCommand::List { json }) => commands::vault_list::list(app, ui, form(json)),
        Command::Vault(VaultCommand::Move { to, dry_run }) => {
            let doing = if dry_run { Doing::Tell } else { Doing::Move };
            vault_move::move_to(app, ui, kind_of(to), doing)
        }
        Command::Vault(VaultCommand::SealCertificate { undo: true, .. }) => seal_certificate::unseal(app, ui),
        Command::Vault(VaultCommand::SealCertificate { client_id, .. }) => {
            seal_certificate::seal(app, ui, client_id.as_deref())
        }
        Command::Vault(VaultCommand::Adopt(adopt)) => perform_adopt(adopt, app, ui),
        Command::Vault(VaultCommand::Forget(forget)) => perform_forget(forget, app, ui),
    }
}

/// By what whoever calls is told, where he gets a token by it.
fn needs_consent(command: &Command) -> Option<&'static str> {
    match command {
        Command::Token(_) => Some("azward token"),
        Command::Serve(_) => Some("azward serve"),
        Command::Exec { .. } => Some("azward exec"),
        Command::Shell { .. } => Some("azward shell"),
        Command::Env { .. } => Some("azward env"),
        Command::Start { .. } => Some("azward start"),
        Command::Rotate { .. } => Some("azward rotate"),
        Command::Refresh { .. } => Some("azward refresh"),
        Command::Use { none: false, .. } => Some("azward use"),
        _ => None,
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

fn form(json: bool) -> Form {
    if json { Form::Json } else { Form::Table }
}

fn downgrade(is_allowed: bool) -> Downgrade {
    if is_allowed { Downgrade::Allowed } else { Downgrade::Refused }
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

fn perform_login(login: Login, app: &App, ui: &Ui) -> Result<()> {
    let Login { name, tenant, cloud, others, from_leapp, integration, yes } = login;
    if !from_leapp {
        return login::login(app, ui, &login::Options { name, tenant, cloud, others });
    }
    let asking = if yes { Asking::Never } else { Asking::OnATerminal };
    leapp::import(app, ui, &leapp::Options { name: name.unwrap_or_default(), integration, asking })
}

fn perform_serve(asked: Serve, app: &App, ui: &Ui) -> Result<()> {
    let Serve { session, socket, port, ttl, allowed, format, follows, detached, announced } = asked;
    let address = socket.map(Address::Socket).or(port.map(Address::Port));
    let form = format.map_or(serve::Form::All, form_of);
    let options = serve::Options { session, address, ttl, allowed: allowed.names, follows, form };
    match (detached, announced) {
        (true, _) => serve::serve_detached(app, &options),
        (false, true) => serve::serve_announced(app, ui, &options),
        (false, false) => serve::serve(app, ui, &options),
    }
}

fn form_of(format: Format) -> serve::Form {
    match format {
        Format::Sh => serve::Form::Shell(Syntax::Sh),
        Format::Fish => serve::Form::Shell(Syntax::Fish),
        Format::Powershell => serve::Form::Shell(Syntax::PowerShell),
        Format::Json => serve::Form::Shell(Syntax::Json),
        Format::Docker => serve::Form::Docker,
        Format::Compose => serve::Form::Compose,
        Format::Devcontainer => serve::Form::Devcontainer,
    }
}

fn request(token: Token) -> token::Request {
    let Token { session, resource, scope, min_life, json, header } = token;
    let form = match (json, header) {
        (true, _) => token::Form::Json,
        (false, true) => token::Form::Header,
        (false, false) => token::Form::Raw,
    };
    token::Request { session, wanted: Wanted { resource, scope, min_life }, form }
}

fn syntax_of(shell: EnvSyntax) -> Syntax {
    match shell {
        EnvSyntax::Sh => Syntax::Sh,
        EnvSyntax::Fish => Syntax::Fish,
        EnvSyntax::Powershell => Syntax::PowerShell,
        EnvSyntax::Json => Syntax::Json,
    }
}
