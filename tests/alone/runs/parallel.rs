//! Many az at once on one config directory, each in need of the refresh token, which rolls as Entra's does: all of them
//! succeed, what each of them got is kept, the login survives, and when the last one is over nothing is in the clear.

use std::collections::BTreeSet;
use std::time::Duration;

use entra::{Entra, Fault, Rolling, TENANT_A, Trouble};

use crate::alone;
use crate::support::{BY_AZ, BY_AZWARD, Invocation, Outcome, Sandbox};

const ARM: &str = "https://management.core.windows.net//.default";

/// Who answers a request for a token.
#[derive(Clone, Copy)]
enum By {
    /// azward, without an az.
    Azward,
    /// The real az in a run: an option's beginning is for argparse to understand.
    Az,
}

fn for_new_scope(sandbox: &Sandbox, by: By, number: usize) -> Invocation<'_> {
    let how = if matches!(by, By::Az) { BY_AZ } else { BY_AZWARD };
    let resource = format!("https://r{number}.example");
    sandbox.az(["account", "get-access-token", "--resource", &resource, "--query", "accessToken", how, "-o", "tsv"])
}

/// Starts all of them before it waits for the first.
fn at_once<'a>(invocations: impl IntoIterator<Item = Invocation<'a>>) -> Vec<Outcome> {
    let running: Vec<_> = invocations.into_iter().map(Invocation::start).collect();
    running.into_iter().map(|run| run.finish().ok().silent()).collect()
}

/// The refresh token is where it belongs and still good for something new.
fn assert_login_survived(sandbox: &Sandbox, entra: &Entra) {
    sandbox.assert_nothing_in_the_clear();
    let status = sandbox.azward(["status"]).run().ok().out();
    assert_eq!(status.lines().filter(|line| line.starts_with("login ")).count(), 1, "{status}");
    let refreshes = entra.refreshes();
    for by in [By::Azward, By::Az] {
        for_new_scope(sandbox, by, 100 + entra.refreshes()).run().ok().silent();
    }
    assert_eq!(entra.refreshes(), refreshes + 2);
    sandbox.assert_nothing_in_the_clear();
}

/// Twelve at once; none of them writes over what another one got.
fn twelve(by: By) {
    let _alone = alone();
    let (sandbox, entra) = Sandbox::logged_in_rolling(Rolling::Entra);
    let refreshes = entra.refreshes();
    let outcomes = at_once((0..12).map(|number| for_new_scope(&sandbox, by, number)));
    assert_eq!(entra.refreshes(), refreshes + 12);
    let tokens: BTreeSet<String> = outcomes.iter().map(Outcome::out).collect();
    assert_eq!(tokens.len(), 12);
    for (number, outcome) in outcomes.iter().enumerate() {
        let scope = format!("https://r{number}.example/.default");
        let kept = sandbox.config().access_token(TENANT_A.id, &scope).expect("it is kept");
        assert_eq!(kept["secret"].as_str(), Some(outcome.out().trim_end()));
    }
    assert_login_survived(&sandbox, &entra);
}

/// As many as no shell of anybody's starts by accident, and none of them fails.
#[test]
fn a_thousand_callers_whose_token_has_expired_cause_one_request() {
    let _alone = alone();
    let (sandbox, entra) = Sandbox::logged_in();
    sandbox.config().age_access_tokens(-60, "management");
    entra.clear_journal();
    let line = "for number in $(seq 1000); do \
                az account get-access-token --query accessToken -o tsv >token.$number 2>error.$number & done; wait; \
                cat error.*; sort -u token.* | wc -l; cat token.* | wc -l; sort -u token.*";
    let directory = sandbox.root().join("thousand");
    std::fs::create_dir(&directory).unwrap();
    let said = sandbox.shell(line).cwd(&directory).timeout(Duration::from_secs(240)).run().ok().silent().out();
    let lines: Vec<&str> = said.lines().map(str::trim).collect();
    assert_eq!(lines[..2], ["1", "1000"], "{}", lines[..lines.len().min(20)].join("\n"));
    assert_eq!(Some(lines[2]), entra.access_tokens_issued().last().map(String::as_str));
    assert_eq!(entra.refreshes(), 1);
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn callers_whose_endpoint_hung_once_start_one_az_for_all() {
    let _alone = alone();
    let (sandbox, entra) = Sandbox::logged_in_rolling(Rolling::Entra);
    sandbox.config().age_access_tokens(-60, "management");
    entra.clear_journal();
    // Much longer than it takes until another asks beside it, on a busy machine too.
    let hang = Fault::new(Trouble::DelayAnswer(Duration::from_secs(12))).times(1);
    entra.knobs(|knobs| knobs.faults = vec![hang]);
    let before = sandbox.deeds("run");
    let callers: Vec<_> = (0..20).map(|_| sandbox.az(["account", "get-access-token"]).start()).collect();
    let outcomes: Vec<_> = callers.into_iter().map(|caller| caller.finish().ok().silent()).collect();
    // The one whose connection it was too: another asked beside it.
    assert!(outcomes.iter().all(|outcome| outcome.took < Duration::from_millis(11_500)), "{outcomes:?}");
    let tokens: Vec<_> = outcomes.iter().map(Outcome::token).collect();
    assert!(tokens.iter().all(|token| *token == tokens[0]));
    assert!(sandbox.deeds("run") - before <= 2, "{} runs", sandbox.deeds("run") - before);
    assert!(entra.refreshes() <= 3, "{}", entra.refreshes());
    sandbox.assert_nothing_in_the_clear();
}

#[test]
fn twelve_callers_for_twelve_new_scopes_all_succeed() {
    twelve(By::Azward);
}

#[test]
fn twelve_runs_for_twelve_new_scopes_all_succeed() {
    twelve(By::Az);
}

#[test]
fn commands_of_every_kind_do_not_disturb_one_another() {
    let _alone = alone();
    let (sandbox, entra) = Sandbox::logged_in_rolling(Rolling::Entra);
    let query = |words: [&str; 2], query: &str| sandbox.az(words).args(["--query", query, "--output", "tsv"]);
    let mixed = (0..4).flat_map(|number| {
        [
            for_new_scope(&sandbox, By::Azward, number),
            query(["group", "list"], "[].name"),
            query(["account", "show"], "user.name"),
        ]
    });
    for (place, outcome) in at_once(mixed).iter().enumerate() {
        match place % 3 {
            0 => assert!(outcome.out().starts_with("eyJ"), "{outcome:?}"),
            1 => assert_eq!(outcome.out(), "rg-web\nrg-data\n", "{outcome:?}"),
            _ => assert_eq!(outcome.out(), "alice@contoso.onmicrosoft.com\n", "{outcome:?}"),
        }
    }
    assert_login_survived(&sandbox, &entra);

    // The same on a token for Resource Manager that is due: whoever comes first rotates it for the others.
    sandbox.config().age_access_tokens(19 * 60, "management");
    let old = sandbox.config().access_token(TENANT_A.id, ARM).expect("there is one");
    let refreshes = entra.refreshes();
    let groups = (10..13)
        .flat_map(|number| [query(["group", "list"], "length(@)"), for_new_scope(&sandbox, By::Azward, number)]);
    at_once(groups);
    assert_eq!(entra.refreshes(), refreshes + 4, "one for each new scope, one for Resource Manager");
    assert!(sandbox.config().access_token(TENANT_A.id, ARM).expect("there is one") != old);
    assert_login_survived(&sandbox, &entra);
}
