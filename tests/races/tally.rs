//! What is counted in a race, and how it is told at the end.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use crate::Plan;
use crate::cast::Deed;
use crate::crowd::Victim;
use crate::verdict::Verdict;

/// How many violations are told in full.
const TOLD: usize = 12;

#[derive(Default)]
struct Row {
    ran: usize,
    well: usize,
    killed: usize,
    as_az: usize,
}

#[derive(Default)]
pub(crate) struct Tally {
    rows: BTreeMap<Deed, Row>,
    kills: BTreeMap<Victim, usize>,
    causes: BTreeMap<(&'static str, bool), usize>,
    /// Each by its reason, with all there is to know of it.
    pub(crate) violations: Vec<(String, String)>,
    pub(crate) mended: usize,
    pub(crate) tokens: usize,
    /// How often the token that was asked for most was asked for.
    pub(crate) most_asked: usize,
    pub(crate) took: Duration,
    /// What azward wrote down as a warning, and how often.
    pub(crate) warnings: BTreeMap<String, usize>,
    most_alive: usize,
    alive: (usize, usize),
}

impl Tally {
    pub(crate) fn add(&mut self, deed: Deed, verdict: &Verdict, details: impl FnOnce() -> String) {
        let row = self.rows.entry(deed).or_default();
        row.ran += 1;
        match verdict {
            Verdict::Well => row.well += 1,
            Verdict::Killed => row.killed += 1,
            Verdict::AsAz(cause) => {
                row.as_az += 1;
                *self.causes.entry((cause, deed.is_plain())).or_default() += 1;
            }
            Verdict::Violation(reason) => {
                self.violation(&format!("{}: {reason}", deed.label()), details());
            }
        }
    }

    pub(crate) fn killed(&mut self, victim: Victim) {
        *self.kills.entry(victim).or_default() += 1;
    }

    /// How often somebody may have lost a token that was just got: killed, or with the vaults' key, or with an azward home.
    pub(crate) fn disturbances(&self) -> usize {
        let ran = |deed| self.rows.get(&deed).map_or(0, |row| row.ran);
        self.kills.values().sum::<usize>() + ran(Deed::VaultMove) + ran(Deed::Install) + ran(Deed::Uninstall)
    }

    pub(crate) fn alive(&mut self, count: usize) {
        self.most_alive = self.most_alive.max(count);
        self.alive = (self.alive.0 + count, self.alive.1 + 1);
    }

    pub(crate) fn violation(&mut self, reason: &str, details: impl Into<String>) {
        self.violations.push((reason.to_owned(), details.into()));
    }

    /// All of it, the row for BENCHMARKS.md last.
    pub(crate) fn summary(&self, plan: &Plan) -> String {
        let mut text = String::new();
        self.tell_violations(&mut text);
        let total = |count: fn(&Row) -> usize| self.rows.values().map(count).sum::<usize>();
        let _ = writeln!(text, "\n{:38} {:>7} {:>7} {:>7} {:>9}", "", "ran", "well", "killed", "as az");
        for (deed, row) in &self.rows {
            let Row { ran, well, killed, as_az } = row;
            let _ = writeln!(text, "{:38} {ran:>7} {well:>7} {killed:>7} {as_az:>9}", deed.label());
        }
        for ((cause, is_plain), count) in &self.causes {
            let _ = writeln!(text, "  {count} x {cause} ({})", if *is_plain { "plain" } else { "wrapped" });
        }
        for (warning, count) in &self.warnings {
            let _ = writeln!(text, "  {count} x in the journal: {warning}");
        }
        let mean = self.alive.0.checked_div(self.alive.1).unwrap_or(0);
        let _ = writeln!(
            text,
            "kills {:?}; alive {mean} on average, {} at most; {} files that az broke were mended; no token was asked for more \
             often than {} times; took {:.1} s\n",
            self.kills,
            self.most_alive,
            self.mended,
            self.most_asked,
            self.took.as_secs_f32()
        );
        let (ran, killed, as_az) = (total(|row| row.ran), total(|row| row.killed), total(|row| row.as_az));
        let uninstalls = self.rows.get(&Deed::Uninstall).map_or_else(
            || "none".to_owned(),
            |Row { ran, well, killed, as_az }| format!("{ran}: {well} went through, {as_az} refused, {killed} killed"),
        );
        let kills: usize = self.kills.values().sum();
        let _ = writeln!(
            text,
            "| exposure | time | alive | commands | tokens checked | uninstalls | SIGKILLs | failed as az does | violations |"
        );
        let _ = writeln!(text, "| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
        let _ = writeln!(
            text,
            "| {}, {} | {} s | {mean} (at most {}) | {ran}, {killed} of them killed | {} | {uninstalls} | {kills} | {as_az} | {} |",
            plan.exposure,
            plan.seal,
            plan.seconds,
            self.most_alive,
            self.tokens,
            self.violations.len()
        );
        text
    }

    fn tell_violations(&self, text: &mut String) {
        let mut reasons = BTreeMap::<&str, Vec<&str>>::new();
        for (reason, details) in &self.violations {
            reasons.entry(reason).or_default().push(details);
        }
        for (reason, all) in &reasons {
            let _ = writeln!(text, "\nVIOLATION, {} x: {reason}", all.len());
            for details in all.iter().take(TOLD.div_ceil(reasons.len())) {
                let start: String = details.chars().take(3000).collect();
                let _ = writeln!(text, "    {}", start.replace('\n', "\n    "));
            }
        }
    }
}
