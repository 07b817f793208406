//! The scenes: first the Azure CLI by itself, then the same home with azward, then a day's work, then a thief.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra::{RESOURCE_GROUPS, Rolling, User};
use serde_json::Value;

use crate::config_dir::ConfigDir;
use crate::scratch::{Answer, Scratch};
use crate::screen::Screen;

const LOGIN: [&str; 2] = ["login", "--use-device-code"];
const GET_TOKEN: [&str; 2] = ["account", "get-access-token"];
const KEY_VAULT: &str = "https://vault.azure.net";
/// A part of Resource Manager's scope.
const RESOURCE_MANAGER: &str = "management";

/// Plays all scenes.
///
/// # Errors
/// The first claim that is untrue, and whatever keeps the demo from finding out.
pub(crate) fn play(screen: &mut Screen, scratch: &Scratch) -> Result<()> {
    screen.line(&format!("azward's demo: the real az in a scratch home, `{}`, against a", scratch.home().display()))?;
    screen.line(&format!("stand-in Entra ID at {}. Nothing of yours is touched.", scratch.entra.origin()))?;
    without_azward(screen, scratch)?;
    install(screen, scratch)?;
    login(screen, scratch)?;
    another_api(screen, scratch)?;
    rotation(screen, scratch)?;
    a_command(screen, scratch)?;
    a_thief(screen, scratch)?;
    logout(screen, scratch)
}

fn without_azward(screen: &mut Screen, scratch: &Scratch) -> Result<()> {
    screen.step("The Azure CLI by itself")?;
    let answer = scratch.az_ok(screen, &["version", "--output", "json"])?.json()?;
    let version = answer["azure-cli"].as_str().unwrap_or_default();
    screen.claim(version.starts_with("2."), &format!("this is azure-cli {version}"))?;
    scratch.az_ok(screen, &LOGIN)?;
    let config = scratch.config();
    claim_logged_in(screen, &config)?;
    let tokens = config.entries("RefreshToken");
    let length = tokens.first().and_then(|token| token["secret"].as_str()).map_or(0, str::len);
    let cache = scratch.shown(&config.token_cache_path());
    screen.claim(
        tokens.len() == 1 && length > 1000,
        &format!("`{cache}` holds 1 refresh token in the clear, {length} characters"),
    )?;
    screen.note("Somebody copies ~/.azure. An hour later its access tokens have expired:")?;
    let copy = scratch.copy_config("copy-without-azward");
    copy.age_access_tokens(-60, "");
    let answer = scratch.real_az(screen, &copy, &GET_TOKEN)?;
    screen.claim(answer.is_success, "the copy gets a new one: it is as good as a login")
}

fn install(screen: &mut Screen, scratch: &Scratch) -> Result<()> {
    screen.step("azward is installed, and adopts the login that is there")?;
    let azward_home = scratch.azward_home();
    std::fs::create_dir(&azward_home)?;
    // A session's keyring would keep the key of a home that is gone in a minute.
    std::fs::write(azward_home.join("config.toml"), "key_store = \"key-file\"\n")?;
    let answer = scratch.azward(screen, &scratch.programs.join("azward"), &["install", "--no-modify-path"])?;
    screen.claim(answer.stdout.contains("adopted 1 login(s)"), "it says that it adopted 1 login")?;
    let bin = azward_home.join("bin");
    scratch.set_path(&[&bin, scratch.real_az_directory()?])?;
    screen.note("PATH=~/.azward/bin:$PATH")?;
    claim_sealed(screen, scratch, 1)?;
    let real_az = scratch.real_az.display().to_string();
    let status = scratch.run(&bin.join("azward"), &["status"], None)?.0.stdout;
    let is_in_place = status.contains(&format!("{real_az} (pinned)")) && status.contains(", first on PATH");
    screen.claim(is_in_place, "`az` is azward's from here on, and the real one is behind it")
}

fn login(screen: &mut Screen, scratch: &Scratch) -> Result<()> {
    screen.step("A login through azward")?;
    screen.note("From here on a refresh token is good for one use, so that a lost one would show.")?;
    scratch.entra.knobs(|knobs| knobs.rolling = Rolling::Strict);
    let before = scratch.entra.refresh_tokens_issued().len();
    scratch.az_ok(screen, &LOGIN)?;
    claim_logged_in(screen, &scratch.config())?;
    screen.claim(scratch.entra.refresh_tokens_issued().len() > before, "Entra ID has issued a new refresh token")?;
    claim_sealed(screen, scratch, 1)
}

fn another_api(screen: &mut Screen, scratch: &Scratch) -> Result<()> {
    screen.step("A token for another API")?;
    let refreshes = scratch.entra.refreshes();
    let answer = scratch.az_ok(screen, &[&GET_TOKEN[..], &["--resource", KEY_VAULT]].concat())?;
    let token = token(&answer)?;
    screen.claim(
        audience(&token)? == KEY_VAULT && minutes_left(&answer)? >= 59,
        &format!("a token for {KEY_VAULT}, {} characters, good for {} minutes", token.len(), minutes_left(&answer)?),
    )?;
    let asked = scratch.entra.refreshes() - refreshes;
    screen.claim(asked == 1, "the refresh token was used for it, and there is a new one")?;
    claim_sealed(screen, scratch, 1)
}

fn rotation(screen: &mut Screen, scratch: &Scratch) -> Result<()> {
    screen.step("No token with less than 20 minutes left")?;
    let config = scratch.config();
    let first = token(&scratch.az_ok(screen, &GET_TOKEN)?)?;
    config.age_access_tokens(25 * 60, RESOURCE_MANAGER);
    let refreshes = scratch.entra.refreshes();
    let kept = scratch.az_ok(screen, &GET_TOKEN)?;
    screen.claim(
        token(&kept)? == first && scratch.entra.refreshes() == refreshes,
        &format!("with {} minutes left it is the same token, and nobody was asked", minutes_left(&kept)?),
    )?;
    config.age_access_tokens(19 * 60, RESOURCE_MANAGER);
    let rotated = scratch.az_ok(screen, &GET_TOKEN)?;
    screen.claim(
        token(&rotated)? != first && minutes_left(&rotated)? >= 59 && scratch.entra.refreshes() == refreshes + 1,
        &format!("with 19 minutes left it is a new one first, good for {} minutes", minutes_left(&rotated)?),
    )?;
    claim_sealed(screen, scratch, 1)
}

fn a_command(screen: &mut Screen, scratch: &Scratch) -> Result<()> {
    screen.step("Every other command is the real az's")?;
    let list = ["group", "list"];
    let ours = scratch.az_ok(screen, &list)?;
    let groups = ours.json()?;
    let names: Vec<&str> = groups.as_array().into_iter().flatten().filter_map(|group| group["name"].as_str()).collect();
    screen.claim(names == RESOURCE_GROUPS, &format!("the resource groups are {}", names.join(" and ")))?;
    let real = scratch.real_az(screen, &scratch.config(), &list)?;
    screen.claim(
        (&ours.stdout, &ours.stderr) == (&real.stdout, &real.stderr),
        "the real az by itself says the same, byte for byte",
    )
}

fn a_thief(screen: &mut Screen, scratch: &Scratch) -> Result<()> {
    screen.step("A stolen ~/.azure")?;
    screen.note("Somebody copies ~/.azure again, and an hour later its access tokens have expired:")?;
    let copy = scratch.copy_config("copy-with-azward");
    copy.age_access_tokens(-60, "");
    let refreshes = scratch.entra.refreshes();
    let refused = scratch.real_az(screen, &copy, &GET_TOKEN)?;
    screen.claim(
        !refused.is_success && refused.stdout.is_empty() && scratch.entra.refreshes() == refreshes,
        &format!("the copy is worthless: {}", first_line(&refused.stderr)),
    )?;
    screen.note("At home they have expired as well:")?;
    scratch.config().age_access_tokens(-60, "");
    let answer = scratch.az_ok(screen, &GET_TOKEN)?;
    screen
        .claim(minutes_left(&answer)? >= 59, "at home the vault has the login: a new token, and no question asked")?;
    claim_sealed(screen, scratch, 1)
}

fn logout(screen: &mut Screen, scratch: &Scratch) -> Result<()> {
    screen.step("Logout")?;
    scratch.az_ok(screen, &["logout"])?;
    screen.claim(scratch.config().accounts().is_empty(), "az has forgotten the account")?;
    claim_sealed(screen, scratch, 0)?;
    let refused = scratch.az(screen, &GET_TOKEN)?;
    screen.claim(!refused.is_success, &format!("nobody is logged in: {}", first_line(&refused.stderr)))?;
    screen.line("")
}

fn claim_logged_in(screen: &mut Screen, config: &ConfigDir) -> Result<()> {
    let user = User::Alice.username();
    let subscriptions = config.subscriptions().len();
    screen.claim(
        config.accounts() == [user] && subscriptions == 3,
        &format!("{user} is logged in and has {subscriptions} subscriptions"),
    )
}

/// The refresh tokens are in the vault and nowhere else.
fn claim_sealed(screen: &mut Screen, scratch: &Scratch, count: usize) -> Result<()> {
    let status = scratch.run(&scratch.azward_home().join("bin/azward"), &["status"], None)?.0;
    ensure!(status.is_success, "untrue: `azward status` finds everything in order; it said: {}", status.stderr.trim());
    let vault = rows(&status.stdout, "vault").next().context("untrue: `azward status` knows the vault")?;
    screen.claim(
        rows(&status.stdout, "login").count() == count,
        &format!("the vault, `{}`, has {}", scratch.shown(Path::new(vault)), plural(count)),
    )?;
    let search = scratch.search();
    screen.claim(
        scratch.config().refresh_token_count() == 0 && search.found.is_empty(),
        &format!("~/.azure has none, nor has any of the {} files below the home in the clear", search.files),
    )
}

fn plural(count: usize) -> String {
    format!("{count} refresh token{}", if count == 1 { "" } else { "s" })
}

/// The rows of `azward status` that begin with `name`.
fn rows<'a>(status: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    status.lines().filter_map(move |line| line.strip_prefix(name)?.strip_prefix(' ')).map(str::trim)
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// The access token in az's answer. It is compared and measured, never shown.
fn token(answer: &Answer) -> Result<String> {
    answer.json()?["accessToken"].as_str().map(str::to_owned).context("untrue: az answers with an access token")
}

/// Who an access token is for, by its own words.
fn audience(token: &str) -> Result<String> {
    let payload = token.split('.').nth(1).context("untrue: an access token is a JWT")?;
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload)?)?;
    Ok(claims["aud"].as_str().unwrap_or_default().to_owned())
}

/// To the nearest minute.
fn minutes_left(answer: &Answer) -> Result<i64> {
    let expires_on = answer.json()?["expires_on"].as_i64().context("untrue: az says when the token expires")?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    Ok((expires_on - i64::try_from(now)? + 30) / 60)
}
