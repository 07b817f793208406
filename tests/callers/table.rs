//! The outcomes of both in one table, as Markdown.

use crate::caller::Caller;
use crate::scenario::{Outcome, Scenario};

/// A row for each caller and place.
pub(crate) struct Table {
    scenarios: Vec<&'static str>,
    rows: Vec<Row>,
}

struct Row {
    caller: &'static str,
    cells: Vec<(&'static str, [String; 2])>,
    is_missing: bool,
}

impl Table {
    pub(crate) fn new(scenarios: &[Scenario]) -> Self {
        Self { scenarios: scenarios.iter().map(|scenario| scenario.name).collect(), rows: Vec::new() }
    }

    pub(crate) fn enter(&mut self, caller: &Caller, scenario: Scenario, ours: &Outcome, theirs: &Outcome) {
        self.row(caller).cells.push((scenario.name, [ours.to_string(), theirs.to_string()]));
    }

    /// That a caller cannot meet a scenario.
    pub(crate) fn leave_out(&mut self, caller: &Caller, scenario: Scenario) {
        self.row(caller).cells.push((scenario.name, ["–".to_owned(), "–".to_owned()]));
    }

    /// That a caller's language is not here.
    pub(crate) fn miss(&mut self, caller: &Caller) {
        self.row(caller).is_missing = true;
    }

    fn row(&mut self, caller: &Caller) -> &mut Row {
        let place = self.rows.iter().position(|row| row.caller == caller.name).unwrap_or_else(|| {
            self.rows.push(Row { caller: caller.name, cells: Vec::new(), is_missing: false });
            self.rows.len() - 1
        });
        &mut self.rows[place]
    }

    pub(crate) fn to_markdown(&self) -> String {
        let mut text = format!("\n| caller | over | {} |\n| --- | --- |", self.scenarios.join(" | "));
        text.push_str(&" --- |".repeat(self.scenarios.len()));
        for row in &self.rows {
            for (side, place) in ["azward", "az"].into_iter().enumerate() {
                let name = if side == 0 { row.caller } else { "" };
                let cells = self.scenarios.iter().map(|scenario| {
                    let cell = row.cells.iter().find(|(name, _)| name == scenario);
                    cell.map_or(if row.is_missing { "MISSING" } else { "" }, |(_, sides)| sides[side].as_str())
                });
                text.push_str(&format!("\n| {name} | {place} | {} |", cells.collect::<Vec<_>>().join(" | ")));
            }
        }
        text.push('\n');
        text
    }
}
