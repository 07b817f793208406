//! The crowd: keeps so many processes alive, kills some of them somewhere in the middle of what they do, and has each judged
//! by what became of it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use entra::Entra;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::Plan;
use crate::cast::{Deed, Part, Stage};
use crate::mender::Mender;
use crate::processes;
use crate::support::chance::Chance;
use crate::support::{Running, Sandbox};
use crate::tally::Tally;
use crate::upheaval::{self, Shim, Upheaval};
use crate::verdict::{self, Circumstances, Token};

/// How many of a hundred answers are killed, and how many of a hundred other commands.
const KILLED: [u64; 2] = [8, 30];

/// The shortest time between two answers, so that they leave the real az something of the machine.
const PACE: Duration = Duration::from_millis(if cfg!(debug_assertions) { 25 } else { 8 });

/// The time between two moves of the vaults' key.
const MOVES: Duration = Duration::from_millis(1500);

/// For how long at the end no plain az runs, so that none of them was the last to write.
const WRAPPED_ALONE: Duration = Duration::from_secs(3);

/// How many commands there are in a lull, and as many answers at the most.
const LULLED: usize = 3;

/// For how much longer than it was to the race goes on at most, so that it ends with azward installed and nobody unwrapped.
const EXTENSION: Duration = Duration::from_secs(120);

/// How long it takes until everybody is killed in the end.
const LAST_ACT: Duration = Duration::from_millis(500);

/// Who a SIGKILL goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Victim {
    Shim,
    Az,
    Group,
}

struct Member<'a> {
    part: Part,
    running: Running<'a>,
    /// What was started is the shim, and not an az that was found where there was none.
    is_wrapped: bool,
    /// The shim that was installed then.
    shim: Option<Shim>,
    began: Instant,
    kill: Option<(Instant, Victim)>,
    killed: Option<Victim>,
}

pub(crate) struct Crowd<'a> {
    sandbox: &'a Sandbox,
    entra: &'a Entra,
    plan: &'a Plan,
    chance: Chance,
    members: Vec<Member<'a>>,
    tokens: Vec<Token>,
    started: u64,
    last_native: Instant,
    /// How many moves of the vaults' key there were, and when the last one began.
    moves: (u64, Instant),
    /// When the last logout of each kind ended.
    last_logouts: BTreeMap<Deed, Instant>,
    upheaval: Upheaval<'a>,
}

impl<'a> Crowd<'a> {
    pub(crate) fn new(sandbox: &'a Sandbox, entra: &'a Entra, plan: &'a Plan, chance: Chance) -> Self {
        Self {
            sandbox,
            entra,
            plan,
            chance,
            members: Vec::new(),
            tokens: Vec::new(),
            started: 0,
            last_native: Instant::now(),
            moves: (0, Instant::now()),
            last_logouts: BTreeMap::new(),
            upheaval: Upheaval::new(sandbox, plan),
        }
    }

    /// Runs the race until the time is up, kills whoever is alive then, and returns what was answered when all have ended.
    pub(crate) fn race(mut self, tally: &mut Tally) -> Vec<Token> {
        let mut mender = Mender::new(self.sandbox);
        let began = Instant::now();
        let mut end = began + Duration::from_secs(self.plan.seconds);
        let last_end = end + EXTENSION;
        let mut is_last_act = false;
        while Instant::now() < end || !self.members.is_empty() {
            self.kill_whose_time_has_come(tally);
            self.judge_whoever_is_over(tally);
            mender.check();
            tally.alive(self.members.len());
            let now = Instant::now();
            // As long as one is left, so is the time that wrapped ones have after it.
            let is_somebody_unwrapped = self.members.iter().any(|member| !member.is_wrapped);
            if now < end && (is_somebody_unwrapped || !self.upheaval.is_calm()) {
                end = end.max(now + WRAPPED_ALONE).min(last_end);
            }
            if now < end {
                self.start_some(if now + 2 * WRAPPED_ALONE < end { Stage::Open } else { Stage::NearEnd });
            } else if !is_last_act {
                is_last_act = true;
                self.have_everybody_killed();
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        tally.mended = mender.finish();
        tally.took = began.elapsed();
        self.tokens
    }

    fn start_some(&mut self, stage: Stage) {
        let real = self.members.iter().filter(|member| !member.part.deed.is_native()).count();
        let is_run = |member: &Member<'_>| !member.part.deed.is_native() && member.part.deed != Deed::Version;
        let has_runs = self.members.iter().any(is_run);
        if let Some(deed) = self.upheaval.next(&mut self.chance, has_runs, stage) {
            self.start(Part::upheaval(deed));
        }
        let has_azward = self.upheaval.is_calm();
        // While an az runs nothing is moved, so most of them come in a lull.
        let pause = if has_runs { 4 * MOVES } else { MOVES };
        if has_azward && self.moves.1.elapsed() > pause {
            self.moves = (self.moves.0 + 1, Instant::now());
            self.start(Part::vault_move(self.moves.0));
        }
        // In a lull only what holds nothing up: an uninstall that waits for nobody has every chance to do harm.
        let is_lull = self.upheaval.is_lull();
        if is_lull && real < LULLED {
            self.start(Part::version());
        } else if !is_lull && real < self.plan.real_az {
            let part = Part::real(&mut self.chance, self.started, stage, has_azward);
            self.start(part);
        }
        if self.last_native.elapsed() < PACE {
            return;
        }
        self.last_native = Instant::now();
        let limit = if is_lull { 2 * LULLED } else { self.plan.processes };
        // Two, so that the crowd grows again after a moment in which nobody could be started.
        for _ in self.members.len()..limit.min(self.members.len() + 2) {
            let part = Part::native(&mut self.chance, has_azward);
            self.start(part);
        }
    }

    fn start(&mut self, part: Part) {
        self.started += 1;
        let before = upheaval::installed(self.sandbox);
        let running = part.invocation(self.sandbox, self.entra).start();
        let is_the_shim_there = before.is_some() && before == upheaval::installed(self.sandbox);
        let is_wrapped = part.deed.is_upheaval() || is_the_shim_there && !part.deed.is_plain();
        let is_native = part.deed.is_native();
        let kill = self.chance.percent(KILLED[usize::from(!is_native)]).then(|| {
            let victim =
                self.chance.pick(&[(1, Victim::Shim), (u64::from(!is_native), Victim::Az), (1, Victim::Group)]);
            (Instant::now() + self.chance.moment(part.deed.span()), victim)
        });
        let began = Instant::now();
        self.members.push(Member { part, running, is_wrapped, shim: before, began, kill, killed: None });
    }

    /// No shim is left to clean up, only the guardians.
    fn have_everybody_killed(&mut self) {
        for member in &mut self.members {
            let victim = self.chance.pick(&[(1, Victim::Shim), (3, Victim::Group)]);
            member.kill = Some((Instant::now() + self.chance.moment(LAST_ACT), victim));
        }
    }

    /// What azward wrote down last: it may tell why something failed.
    fn last_events(&self) -> String {
        let text = std::fs::read_to_string(self.sandbox.azward_home().join("journal.jsonl")).unwrap_or_default();
        let is_of_interest = |line: &&str| line.contains("\"warning\"") || !line.contains("\"answered\"");
        let lines: Vec<&str> = text.lines().rev().filter(is_of_interest).take(8).collect();
        lines.join("\n")
    }

    fn kill_whose_time_has_come(&mut self, tally: &mut Tally) {
        let now = Instant::now();
        let is_calm = self.upheaval.is_calm();
        for member in &mut self.members {
            // It may be writing the only copy of every login.
            if !is_calm && !member.is_wrapped {
                member.kill = None;
            }
            let Some((_, victim)) = member.kill.filter(|(time, _)| *time <= now) else { continue };
            // An az that is not there yet is waited for.
            if member.running.is_running() && kill(member.running.pid(), victim) {
                member.kill = None;
                member.killed = Some(victim);
                tally.killed(victim);
            }
        }
    }

    fn judge_whoever_is_over(&mut self, tally: &mut Tally) {
        let mut place = 0;
        while place < self.members.len() {
            if !self.members[place].running.is_over() {
                place += 1;
                continue;
            }
            let Member { part: Part { deed, session, .. }, running, is_wrapped, shim, began, killed, .. } =
                self.members.swap_remove(place);
            let is_wrapped = is_wrapped && (deed.is_upheaval() || shim == upheaval::installed(self.sandbox));
            if matches!(deed, Deed::Logout | Deed::NamedLogout | Deed::GuestLogout) {
                self.last_logouts.insert(deed, Instant::now());
            }
            let logouts = deed.logouts();
            let met_logout =
                logouts.iter().any(|logout| self.last_logouts.get(logout).is_some_and(|time| *time >= began))
                    || self.members.iter().any(|member| logouts.contains(&member.part.deed));
            let outcome = running.finish();
            let is_private = self.plan.exposure == "private";
            let around = Circumstances { deed, session, killed, met_logout, is_wrapped, is_private };
            let verdict = verdict::judge(&around, &outcome, &mut self.tokens);
            tally.add(deed, &verdict, || format!("{outcome:?}\n--- journal ---\n{}", self.last_events()));
            if deed.is_upheaval() {
                if let Err(reason) = upheaval::is_somewhere(self.sandbox, self.entra) {
                    tally.violation(&format!("after an {} a login is nowhere", deed.label()), reason);
                }
                self.upheaval.ended(&mut self.chance);
            }
        }
    }
}

/// Kills; false if there was nobody to kill. The process that was started is not reaped yet, so its number is its own.
fn kill(process: Pid, victim: Victim) -> bool {
    let killed = match victim {
        Victim::Shim => kill_process(process, Signal::KILL),
        Victim::Group => kill_process_group(process, Signal::KILL),
        Victim::Az => match processes::az_below(process) {
            Some(az) => kill_process(az, Signal::KILL),
            None => return false,
        },
    };
    killed.is_ok()
}
