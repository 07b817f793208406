//! The shim is az: for every form that callers use and every odd one, stdout, stderr and exit code are those of the real az on
//! the same config directory, however az is started and whoever answers.

use std::fs;

use entra::{
    Entra, Fault, Refusal, Rolling, SUBSCRIPTION_1, SUBSCRIPTION_2, SUBSCRIPTION_3, TENANT_A, TENANT_B, Trouble, User,
};

use crate::support::{ConfigDir, End, Invocation, Outcome, Sandbox};

/// APIs whose tokens are in the cache, so that az need not ask for them.
const APIS: [&str; 3] =
    ["https://vault.azure.net", "https://storage.azure.com", "6dae42f8-4368-4678-94ff-3960e28e3630"];

/// A login that azward has adopted, with tokens for everything that is asked for below.
pub(super) fn logged_in() -> (Sandbox, Entra) {
    let sandbox = Sandbox::new().with_real_az().with_env("TZ", "Asia/Kolkata");
    let entra = sandbox.start_entra(|knobs| knobs.rolling = Rolling::Entra);
    sandbox.login(&entra, User::Alice);
    let token = |arguments: &[&str]| {
        sandbox.az(["account", "get-access-token", "--output", "none"]).args(arguments).run().ok().silent();
    };
    for api in APIS {
        token(&["--resource", api]);
        token(&["--resource", api, "--tenant", TENANT_B.id]);
    }
    for resource_type in ["arm", "ms-graph", "batch", "oss-rdbms", "media", "aad-graph", "data-lake"] {
        token(&["--resource-type", resource_type]);
    }
    (sandbox, entra)
}

/// Takes out what differs between two runs of one az. The seconds of the times taken out are put into `times`.
fn normalised(text: &str, times: &mut Vec<i64>) -> String {
    let is_part_of_word = |c: char| c.is_ascii_alphanumeric() || "-:.+".contains(c);
    let mut result = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c: char| is_part_of_word(c) != is_part_of_word(first)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after;
        result.push_str(&stand_in(word, &result, times).unwrap_or_else(|| word.to_owned()));
    }
    result
}

/// What stands for a word that differs from run to run.
fn stand_in(word: &str, before: &str, times: &mut Vec<i64>) -> Option<String> {
    let fits = |(byte, like): (u8, u8)| if like == b'9' { byte.is_ascii_digit() } else { byte == like };
    let is_like = |pattern: &str| word.len() >= pattern.len() && word.bytes().zip(pattern.bytes()).all(fits);
    if word.len() == 10 && is_like("1999999999") {
        times.push(word.parse().ok()?);
        return Some("<seconds>".to_owned());
    }
    if is_like("99:99:99.000000") {
        let part = |place: usize| word.get(place..place + 2)?.parse::<i64>().ok();
        times.push((part(0)? * 60 + part(3)?) * 60 + part(6)?);
        return Some("<time>".to_owned());
    }
    let is_random = is_like("9999-99-99T") || is_like("99:99:99Z") || is_like("0x");
    let ids = ["Trace ID: ", "Correlation ID: ", "\"trace_id\":\"", "\"correlation_id\":\""];
    (is_random || ids.iter().any(|name| before.ends_with(name))).then(|| "<differs>".to_owned())
}

/// Fails unless both are the same to a caller: all but the clock, random ids and addresses in memory.
#[track_caller]
fn assert_same(wrapped: &Outcome, plain: &Outcome) {
    let see = |outcome: &Outcome, times: &mut Vec<i64>| {
        let (end, out, err) = outcome.visible();
        (end, normalised(&out, times), normalised(&err, times))
    };
    let (mut ours, mut az_s) = (Vec::new(), Vec::new());
    let (our_look, az_s_look) = (see(wrapped, &mut ours), see(plain, &mut az_s));
    assert_eq!(our_look, az_s_look, "{}", wrapped.line);
    let are_close = ours.len() == az_s.len() && ours.iter().zip(&az_s).all(|(one, other)| (one - other).abs() <= 1);
    assert!(are_close, "{ours:?} and {az_s:?}: {}", wrapped.line);
}

/// Runs a command through the real az and through the shim, and compares. `how` is how it is started.
#[track_caller]
pub(super) fn compare_as<'a>(
    sandbox: &'a Sandbox,
    line: &str,
    how: impl Fn(Invocation<'a>) -> Invocation<'a>,
) -> Outcome {
    let arguments = words(line);
    let plain = how(sandbox.plain_az(&arguments)).run();
    let wrapped = how(sandbox.az(&arguments)).run();
    assert_same(&wrapped, &plain);
    wrapped
}

/// Compares every line, and that it ends as the number before it says.
#[track_caller]
fn compare(sandbox: &Sandbox, lines: &str) {
    for line in lines.lines() {
        let (code, arguments) = line.split_once(' ').unwrap_or((line, ""));
        let outcome = compare_as(sandbox, arguments, |az| az);
        assert_eq!(outcome.end(), End::Code(code.parse().expect("a line begins with a number")), "{outcome:?}");
    }
    sandbox.assert_nothing_in_the_clear();
}

/// The words of a line as a shell takes it apart, with ids in the place of their names.
fn words(line: &str) -> Vec<String> {
    let line = line.replace("TOKEN", "account get-access-token");
    let mut words: Vec<String> = Vec::new();
    let (mut is_quoted, mut is_in_word) = (false, false);
    for character in line.chars() {
        let was_in_word = std::mem::replace(&mut is_in_word, character != ' ' || is_quoted);
        if is_in_word && !was_in_word {
            words.push(String::new());
        }
        match character {
            '\'' => is_quoted = !is_quoted,
            _ if is_in_word => words.last_mut().expect("one was begun").push(character),
            _ => {}
        }
    }
    let names = [
        ("{A}", TENANT_A.id),
        ("{B}", TENANT_B.id),
        ("{1}", SUBSCRIPTION_1.id),
        ("{2}", SUBSCRIPTION_2.id),
        ("{3}", SUBSCRIPTION_3.id),
        ("{R}", APIS[0]),
        ("{K}", APIS[2]),
    ];
    let named = |word: String| names.iter().fold(word, |word, (name, id)| word.replace(name, id));
    words.into_iter().map(named).collect()
}

#[test]
fn every_form_of_a_request_for_a_token_is_answered_as_az_answers_it() {
    let (sandbox, _entra) = logged_in();
    fs::write(sandbox.home().join("query"), "tokenType").expect("the home can be written");
    // A to F of the matrix.
    compare(
        &sandbox,
        "\
0 TOKEN -o json --resource {R}
0 TOKEN -o json --resource {R} --tenant {B}
0 TOKEN -o json --resource {K} --subscription {2}
1 TOKEN -o json --resource {R} --tenant {A} --subscription {1}
0 TOKEN --output json --resource https://storage.azure.com
1 TOKEN --output json --resource {R} --tenant {B} --subscription {3}
0 TOKEN -o json --scope {R}/.default --subscription 'Contoso Development'
0 TOKEN --output json --scope {R}/.default --tenant {B}
0 TOKEN --scope {R}/.default --tenant {A} -o=json
0 TOKEN --scope {R}/.default --subscription {3} -o=json
0 TOKEN --scope https://management.core.windows.net//.default -o=json
0 TOKEN --resource {R}  --output json -t {A}
0 TOKEN --resource {R} --subscription '' -o=json
0 TOKEN -s {1} --resource {R} --out json
0 TOKEN --query accessToken --output json
0 TOKEN --resource {R} --tenant {B} --query accessToken -o tsv
0 TOKEN --resource-type ms-graph --query accessToken -o tsv
0 TOKEN
0 TOKEN --query expiresOn -o tsv
0 TOKEN --output none
0 TOKEN --only-show-errors",
    );
    // What the matrix does not name.
    compare(
        &sandbox,
        "\
0 TOKEN -ojson -oTSV
0 TOKEN --output YAML
0 TOKEN -o table
2 TOKEN -o xml
0 TOKEN --tenant ''
0 TOKEN --tenant contoso.onmicrosoft.com
0 TOKEN --tenant {B} --query subscription
0 TOKEN --query subscription
0 TOKEN --query nothing -o tsv
0 TOKEN --query '[accessToken, tokenType]' -o tsv
0 TOKEN --query @query
2 TOKEN --query '['
0 TOKEN --resource '' --resource-type ms-graph
0 TOKEN --resource-type MS-Graph --query tenant
2 TOKEN --resource-type teapot
0 Account GET-access-token -n 'fabrikam shared'
1 TOKEN --subscription nope
2 TOKEN --no-such-option
2 TOKEN one-too-many
0 TOKEN --help",
    );
}

#[test]
fn every_other_command_is_az_s() {
    let (sandbox, _entra) = logged_in();
    // It says welcome once.
    sandbox.plain_az(words("")).run().ok();
    compare(
        &sandbox,
        "\
0 version
0 version -o=json
0 --version
0 account show -o=json
0 account show -o=json -s 'Fabrikam Shared'
0 account show --query id -o tsv
1 account show -s nope
0 account list -o=json
0 account list --all --output table
0 account list --query [].name -o yaml
0 account list --refresh
0 ad signed-in-user show -o=json
0 cloud list --query '[?isActive].endpoints.resourceManager | [0]' --output json
0 cloud show
0 cloud set -n entra
1 cloud set --name nope
0 account set --subscription {2}
0 account show --query name
0 account set --name {1}
1 account set -s nope
0 group list
0 group show -n rg-web --query location -o tsv
3 group show -n nope
0 rest --url /subscriptions?api-version=2022-12-01 --query value[].displayName
1 acr login -n R --expose-token --output tsv --query accessToken
1 extension show -n nope
2 account
2 nonsense
0
0 help
0 -h
0 group list --query [].name -h",
    );
    compare_as(&sandbox, "account show --query @-", |az| az.input("user.name")).ok();
}

#[test]
fn it_is_az_however_it_is_started() {
    let (sandbox, _entra) = logged_in();
    let ways: [fn(Invocation<'_>) -> Invocation<'_>; 7] = [
        |az| az.through_shell(),
        |az| az.in_script(r#"cd /bin && "$0" "$@""#),
        |az| az.input("never read"),
        |az| az.in_script(r#"exec "$0" "$@" <&-"#),
        |az| az.merged(),
        |az| az.in_script(r#"exec "$0" "$@" >/dev/full"#),
        |az| az.env("AZURE_CORE_NO_COLOR", "true").env("AZURE_CORE_OUTPUT", "tsv").env("TZ", "America/New_York"),
    ];
    for way in ways {
        // Answered by azward, passed to az, run by az.
        for line in ["TOKEN --resource {R}", "account show", "group show -n nope"] {
            compare_as(&sandbox, line, way);
        }
    }
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn a_shell_gets_the_same_completions() {
    let (sandbox, _entra) = logged_in();
    let complete = |az: Invocation<'_>, line: &str| {
        let file = sandbox.root().join("completions");
        let script = r#"exec "$0" "$@" 8>"$FILE" 9>&2 </dev/null >/dev/null 2>&1"#;
        let variables = [
            ("FILE", file.to_str().expect("it is text")),
            ("_ARGCOMPLETE", "1"),
            ("_ARGCOMPLETE_COMP_WORDBREAKS", " \t\n\"'><=;|&(:"),
            ("_ARGCOMPLETE_SHELL", "bash"),
            ("IFS", "\u{b}"),
            ("COMP_LINE", line),
            ("COMP_POINT", &line.len().to_string()),
            ("COMP_TYPE", "9"),
        ];
        let outcome = variables.into_iter().fold(az.in_script(script), |az, (name, value)| az.env(name, value)).run();
        (outcome.visible(), fs::read_to_string(file).expect("it was made"))
    };
    // The last asks Resource Manager.
    for line in ["az account ", "az account get-access-token --res", "az group show --name "] {
        let none: [&str; 0] = [];
        let plain = complete(sandbox.plain_az(none), line);
        assert_eq!(complete(sandbox.az(none), line), plain, "{line}");
        assert!(!plain.1.is_empty(), "{line}");
    }
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn whoever_is_logged_out_is_told_so_in_az_s_words() {
    let sandbox = Sandbox::new().with_real_az();
    let entra = sandbox.start_entra(|_| {});
    let lines = "1 TOKEN -o json --resource {R}\n1 account show\n1 group list";
    compare(&sandbox, lines);
    compare(
        &sandbox,
        "1 TOKEN --tenant {A}\n0 account list\n1 ad signed-in-user show -o=json\n1 logout\n0 account clear",
    );
    sandbox.login(&entra, User::Alice);
    sandbox.az(["logout"]).run().ok().silent();
    compare(&sandbox, lines);
}

#[test]
fn refusals_are_told_in_az_s_words() {
    let sandbox = Sandbox::new().with_real_az();
    let entra = sandbox.start_entra(|knobs| knobs.rolling = Rolling::Entra);
    sandbox.plain_login(&entra, User::Alice);
    // The real az has a copy of its own, for it needs the refresh token there.
    let twin = sandbox.config().copy_to(sandbox.root().join("twin"));
    sandbox.expect_clear(twin.path());
    let both = [sandbox.config(), ConfigDir::at(twin.path())];
    for config in &both {
        config.age_access_tokens(-60, "management");
    }
    let same = |line: &str, code: i32| {
        for config in &both {
            // MSAL answers a request that was refused a moment ago out of this file.
            let _ = fs::remove_file(config.path().join("msal_http_cache.bin"));
        }
        let plain = sandbox.plain_az(words(line)).env("AZURE_CONFIG_DIR", twin.path()).run();
        let wrapped = sandbox.az(words(line)).run();
        assert_same(&wrapped, &plain);
        sandbox.assert_nothing_in_the_clear();
        wrapped.exited(code)
    };
    let troubles = [
        (Trouble::Refuse(Refusal::Expired), "AADSTS700082"),
        (Trouble::Refuse(Refusal::Revoked), "AADSTS50173"),
        (Trouble::Refuse(Refusal::MfaRequired), "AADSTS50076"),
        (Trouble::ServerError, "500"),
        (Trouble::TooManyRequests(1), "AADSTS90055"),
        (Trouble::Garbage, "JSONDecodeError"),
        (Trouble::HangUp, "Connection aborted"),
    ];
    for (place, (trouble, code)) in troubles.into_iter().enumerate() {
        entra.knobs(|knobs| knobs.faults = vec![Fault::new(trouble).for_grant("refresh_token")]);
        let said = same(&format!("TOKEN --resource https://new{place}.example -o json"), 1).err();
        assert!(said.contains(code), "{said}");
    }
    same("group list", 1);
    // Refused for one scope, granted for another.
    entra.knobs(|knobs| knobs.faults = vec![Fault::refuse(Refusal::MfaEnrolment).for_scope("strict")]);
    assert!(same("TOKEN --scope https://strict.example/.default", 1).err().contains("AADSTS50079"));
    same("group list --query [].name --output tsv", 0);
    entra.knobs(|knobs| knobs.faults.clear());
    for (line, code) in [
        ("TOKEN --resource https://nobody.invalid", "AADSTS500011"),
        ("TOKEN --scope nonsense", "AADSTS70011"),
        ("TOKEN --scope a b", "AADSTS70011"),
        ("TOKEN --tenant 99999999-9999-4999-8999-999999999999", "AADSTS90002"),
        ("TOKEN --tenant nobody.example", "AADSTS90002"),
    ] {
        let said = same(line, 1).err();
        assert!(said.contains(code), "{said}");
    }
}
