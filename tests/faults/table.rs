//! What was injected and what was wrong afterwards, as the table that BENCHMARKS.md keeps.

use std::collections::{BTreeMap, BTreeSet};

use crate::judge::{Verdict, Wrong};

#[derive(Default)]
struct Row {
    faults: BTreeMap<String, usize>,
    wrong: BTreeMap<Wrong, usize>,
    violating: usize,
    kept_back: usize,
    explained: usize,
    missed: usize,
}

/// Counts, for each scenario and exposure.
#[derive(Default)]
pub(crate) struct Table {
    rows: BTreeMap<(String, String), Row>,
}

impl Table {
    pub(crate) fn count(&mut self, scenario: &str, exposure: &str, kind: &str, verdict: &Verdict) {
        let row = self.rows.entry((scenario.to_owned(), exposure.to_owned())).or_default();
        *row.faults.entry(kind.to_owned()).or_default() += 1;
        row.kept_back += usize::from(verdict.is_kept_back);
        row.explained += usize::from(verdict.is_explained);
        row.violating += usize::from(!verdict.violations.is_empty());
        for violation in &verdict.violations {
            *row.wrong.entry(violation.wrong).or_default() += 1;
        }
    }

    /// A call that the command did not make again.
    pub(crate) fn miss(&mut self, scenario: &str, exposure: &str) {
        self.rows.entry((scenario.to_owned(), exposure.to_owned())).or_default().missed += 1;
    }

    pub(crate) fn faults(&self) -> usize {
        self.rows.values().flat_map(|row| row.faults.values()).sum()
    }

    pub(crate) fn violating(&self) -> usize {
        self.rows.values().map(|row| row.violating).sum()
    }

    pub(crate) fn to_markdown(&self) -> String {
        let kinds: BTreeSet<&String> = self.rows.values().flat_map(|row| row.faults.keys()).collect();
        let cells = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let head = ["scenario".to_owned(), "exposure".to_owned()].into_iter();
        let head = head.chain(kinds.iter().map(|kind| (*kind).clone()));
        let head: Vec<String> =
            head.chain(["faults", "violations", "kept back", "explained"].map(str::to_owned)).collect();
        let mut text = cells(head.clone()) + &cells(vec!["---".to_owned(); head.len()]);
        let line = |names: [&str; 2], rows: &[&Row]| {
            let count = |kind: &String| rows.iter().filter_map(|row| row.faults.get(kind)).sum::<usize>();
            let counts = kinds.iter().map(|kind| count(kind));
            let faults: usize = counts.clone().sum();
            let violating: usize = rows.iter().map(|row| row.violating).sum();
            let kept_back: usize = rows.iter().map(|row| row.kept_back).sum();
            let explained: usize = rows.iter().map(|row| row.explained).sum();
            let numbers = counts.chain([faults, violating, kept_back, explained]).map(|number| number.to_string());
            cells(names.map(str::to_owned).into_iter().chain(numbers).collect())
        };
        for ((scenario, exposure), row) in &self.rows {
            text += &line([scenario, exposure], &[row]);
        }
        text += &line(["in all", ""], &self.rows.values().collect::<Vec<_>>());
        for ((scenario, exposure), row) in &self.rows {
            if row.missed > 0 {
                text +=
                    &format!("\n{scenario}, {exposure}: {} call(s) were not made again, and not struck.\n", row.missed);
            }
            if !row.wrong.is_empty() {
                text += &format!("\n{scenario}, {exposure}: {:?}\n", row.wrong);
            }
        }
        text
    }
}
