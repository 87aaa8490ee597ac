//! Transfers that others start. Some are marked: when they began and ended by their word, and what the kernel had counted of
//! their target's payload meanwhile. Of others the kernel's count alone tells, and they are named as detected. Pure; bounded
//! in number and in memory.

use std::{
    collections::{BTreeMap, VecDeque},
    path::PathBuf,
};

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

/// Transfers that run at one time.
pub const RUNNING: usize = 64;

/// Transfers that have ended, of which it is told.
const KEPT: usize = 256;

/// Without an end for so long, a transfer is given up: its script was killed, as a rule.
const ABANDONED_NS: u64 = 24 * 3600 * 1_000_000_000;

/// Counts that are kept of one; beyond, every other one goes.
const SAMPLES: usize = 4096;

/// Marks between begin and end.
const MARKS: usize = 256;

/// Bytes of a label.
const LABEL: usize = 128;

/// Peer traffic is a transfer's from here on: less is said to greet (as in the reports of recordings).
const FIRST_BYTE: u64 = 16 << 10;

/// So much from one look to the next is no greeting: a transfer is detected.
const BURST: u64 = 256 << 10;

/// It has ended when so little came for so long.
const CHATTER: u64 = 64 << 10;
const QUIET_NS: u64 = 10 * 1_000_000_000;

/// Less in all was no transfer.
const SMALLEST: u64 = 8 << 20;

const PARTS: [(&str, f64); 3] = [("p50", 0.5), ("p90", 0.9), ("p100", 1.0)];

/// What the target does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    #[default]
    Receive,
    Transmit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Running,
    Complete,
    Failed,
    /// It never ended.
    Abandoned,
    /// The kernel's count alone tells of it: it began and ended with its bytes.
    Detected,
}

impl Outcome {
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Complete => "complete",
            Self::Failed => "failed",
            Self::Abandoned => "abandoned",
            Self::Detected => "detected",
        }
    }
}

impl Direction {
    pub fn name(self) -> &'static str {
        match self {
            Self::Receive => "receive",
            Self::Transmit => "transmit",
        }
    }
}

/// What is said of a transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case", deny_unknown_fields)]
pub enum Mark {
    Begin {
        label: String,
        target: String,
        size_bytes: u64,
        direction: Direction,
    },
    /// The application has so many bytes of it.
    Progress {
        label: String,
        bytes: u64,
    },
    End {
        label: String,
        failed: bool,
    },
}

/// A transfer as it is told of. Seconds are since its begin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transfer {
    pub label: String,
    pub target: String,
    pub direction: Direction,
    /// By the mark's word.
    pub size_bytes: Option<u64>,
    pub outcome: Outcome,
    /// Seconds since 1970.
    pub began_s: f64,
    pub lasted_s: f64,
    /// Payload of the target without control traffic, from begin to end, other transfers of it at that time included.
    pub kernel_bytes: u64,
    /// Others of the same target and direction ran meanwhile: their bytes cannot be told apart.
    pub is_shared: bool,
    /// Of `kernel_bytes`; known once it has ended.
    pub kernel_milestones: Vec<Milestone>,
    pub marks: Vec<AppMark>,
    /// Marks that found no place.
    pub marks_left_out: u64,
    /// The recording that has all of it, if there was one: `profiler report` says where its time went.
    #[serde(default)]
    pub capture: Option<PathBuf>,
}

/// One that has just ended.
pub struct Ended {
    pub transfer: Transfer,
    /// Place of the target among the configured ones; `None` if it is gone.
    pub place: Option<usize>,
    /// Monotonic.
    pub began_ns: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Milestone {
    pub name: String,
    pub at_s: f64,
    /// By so much it may have been earlier.
    pub resolution_s: f64,
}

/// Between begin and end.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AppMark {
    pub at_s: f64,
    /// By the application's word.
    pub app_bytes: u64,
    /// That the kernel had counted then.
    pub kernel_bytes: u64,
}

/// All of one target, direction and outcome that have ended since the collector's start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TransferSum {
    pub target: String,
    pub direction: Direction,
    pub outcome: String,
    pub transfers: u64,
    pub seconds: f64,
    pub file_bytes: u64,
    pub kernel_bytes: u64,
}

#[derive(Default)]
pub struct Transfers {
    running: BTreeMap<String, Running>,
    ended: VecDeque<Transfer>,
    sums: BTreeMap<(String, Direction, &'static str), TransferSum>,
    /// The counts of each target at the last look.
    last: BTreeMap<(usize, Direction), (Now, u64)>,
    /// How many were detected so far.
    detected: u64,
    /// Since somebody asked last.
    just_ended: Vec<Ended>,
}

struct Running {
    transfer: Transfer,
    /// Place of the target among the sums.
    place: usize,
    began_ns: u64,
    before_bytes: u64,
    /// Since the begin.
    samples: Vec<(u64, u64)>,
    /// Of one that was detected: when it moved more than chatter last, and how much there was then.
    busy: Option<(u64, u64)>,
}

/// The moment of a mark or of a look.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    pub monotonic_ns: u64,
    pub wall_s: f64,
}

impl Transfers {
    /// Takes a mark. `places` are the targets' names, `count` the payload of one so far by its place.
    ///
    /// # Errors
    /// What is marked is not known, or is known already, or one too many.
    pub fn mark(
        &mut self,
        mark: &Mark,
        places: &[&str],
        count: impl Fn(usize, Direction) -> u64,
        now: Now,
    ) -> Result<()> {
        match mark {
            Mark::Begin { label, target, size_bytes, direction } => {
                let place = places.iter().position(|name| name == target);
                let place = place.with_context(|| {
                    format!("no target is called {target:?}: there are {}", places.join(", "))
                })?;
                let is_plain =
                    !label.is_empty() && label.len() <= LABEL && !label.chars().any(char::is_control);
                ensure!(is_plain, "a label is up to {LABEL} bytes of text on one line");
                ensure!(!self.running.contains_key(label), "a transfer {label:?} runs already: end it first");
                ensure!(
                    self.running.len() < RUNNING,
                    "{RUNNING} transfers run, and no more are followed at one time"
                );
                ensure!(*size_bytes > 0, "a transfer has at least one byte");
                // What was detected was the beginning of this, or ends with it.
                self.end_detected(place, *direction);
                let mut is_shared = false;
                for other in self.running.values_mut() {
                    let transfer = &mut other.transfer;
                    if other.place == place && transfer.direction == *direction {
                        (transfer.is_shared, is_shared) = (true, true);
                    }
                }
                let before = count(place, *direction);
                let mut running = Running::new(label, target, place, *direction, now, before);
                (running.transfer.size_bytes, running.transfer.is_shared) = (Some(*size_bytes), is_shared);
                self.running.insert(label.clone(), running);
            }
            Mark::Progress { label, bytes } => {
                let running = self.running.get_mut(label).filter(|running| running.busy.is_none());
                let running = running.with_context(|| unknown(label))?;
                running.sample(&count, now);
                running.progress(*bytes);
            }
            Mark::End { label, failed } => {
                let is_marked = self.running.get(label).is_some_and(|running| running.busy.is_none());
                let running = is_marked.then(|| self.running.remove(label)).flatten();
                let mut running = running.with_context(|| unknown(label))?;
                running.sample(&count, now);
                let outcome = if *failed { Outcome::Failed } else { Outcome::Complete };
                self.keep(running, outcome, true);
            }
        }
        Ok(())
    }

    /// Moves what runs to where its target is in another configuration, by the old place the new one. With a target that is gone its
    /// transfers end.
    pub fn replace_targets(&mut self, places: &[Option<usize>]) {
        for running in std::mem::take(&mut self.running).into_values() {
            match places[running.place] {
                Some(place) => {
                    _ = self.running.insert(running.transfer.label.clone(), Running { place, ..running })
                }
                None => self.keep(running, Outcome::Abandoned, false),
            }
        }
        let last = std::mem::take(&mut self.last).into_iter();
        self.last = last.filter_map(|((old, direction), at)| Some(((places[old]?, direction), at))).collect();
    }

    /// Whether counts are wanted.
    pub fn are_running(&self) -> bool {
        !self.running.is_empty()
    }

    /// Notes what was counted by now, detects what nobody marked, and gives up what never ended.
    pub fn sample(&mut self, places: &[&str], count: impl Fn(usize, Direction) -> u64, now: Now) {
        self.running.values_mut().for_each(|running| running.sample(&count, now));
        let since_ns = |running: &Running| now.monotonic_ns.saturating_sub(running.began_ns);
        let over: Vec<_> = self
            .running
            .extract_if(.., |_, running| match running.busy {
                Some((busy_ns, _)) => since_ns(running) >= busy_ns + QUIET_NS,
                None => since_ns(running) >= ABANDONED_NS,
            })
            .collect();
        for (_, running) in over {
            let outcome = if running.busy.is_some() { Outcome::Detected } else { Outcome::Abandoned };
            self.keep(running, outcome, true);
        }
        for (place, target) in places.iter().enumerate() {
            for direction in [Direction::Receive, Direction::Transmit] {
                let there = count(place, direction);
                let (before, before_bytes) =
                    self.last.insert((place, direction), (now, there)).unwrap_or((now, there));
                let is_known = self
                    .running
                    .values()
                    .any(|one| one.place == place && one.transfer.direction == direction);
                if there.saturating_sub(before_bytes) < BURST || is_known {
                    continue;
                }
                self.detected += 1;
                let label = format!("detected-{}", self.detected);
                let mut running = Running::new(&label, target, place, direction, before, before_bytes);
                running.busy = Some((0, 0));
                running.sample(&count, now);
                self.running.entry(label).or_insert(running);
            }
        }
    }

    fn end_detected(&mut self, place: usize, direction: Direction) {
        let is_it =
            |one: &Running| one.busy.is_some() && one.place == place && one.transfer.direction == direction;
        let ended: Vec<_> = self.running.extract_if(.., |_, running| is_it(running)).collect();
        ended.into_iter().for_each(|(_, running)| self.keep(running, Outcome::Detected, true));
    }

    /// Those that run, and then those that ended last.
    pub fn list(&self) -> Vec<Transfer> {
        let running = self.running.values().map(|running| running.transfer.clone());
        running.chain(self.ended.iter().rev().cloned()).collect()
    }

    pub fn sums(&self) -> Vec<TransferSum> {
        self.sums.values().cloned().collect()
    }

    /// How many run, by target.
    pub fn running_by_target(&self) -> BTreeMap<String, u64> {
        let mut running = BTreeMap::new();
        for one in self.running.values() {
            *running.entry(one.transfer.target.clone()).or_default() += 1;
        }
        running
    }

    /// Those that have ended since the last call.
    pub fn just_ended(&mut self) -> Vec<Ended> {
        std::mem::take(&mut self.just_ended)
    }

    /// Says which recording has all of one.
    pub fn is_in(&mut self, ended: &Ended, capture: PathBuf) {
        let is_it =
            |one: &&mut Transfer| one.label == ended.transfer.label && one.began_s == ended.transfer.began_s;
        if let Some(one) = self.ended.iter_mut().rev().find(is_it) {
            one.capture = Some(capture);
        }
    }

    fn keep(&mut self, running: Running, outcome: Outcome, is_known: bool) {
        let (place, began_ns) = (is_known.then_some(running.place), running.began_ns);
        let transfer = running.ended(outcome);
        if transfer.outcome == Outcome::Detected && transfer.kernel_bytes < SMALLEST {
            return;
        }
        let outcome = transfer.outcome.name();
        let key = (transfer.target.clone(), transfer.direction, outcome);
        let sum = self.sums.entry(key).or_insert_with(|| TransferSum {
            target: transfer.target.clone(),
            direction: transfer.direction,
            outcome: outcome.to_owned(),
            ..TransferSum::default()
        });
        sum.transfers += 1;
        sum.seconds += transfer.lasted_s;
        sum.file_bytes += transfer.size_bytes.unwrap_or(0);
        sum.kernel_bytes += transfer.kernel_bytes;
        if self.ended.len() == KEPT {
            self.ended.pop_front();
        }
        self.ended.push_back(transfer.clone());
        self.just_ended.push(Ended { transfer, place, began_ns });
    }
}

impl Running {
    fn new(
        label: &str,
        target: &str,
        place: usize,
        direction: Direction,
        began: Now,
        before_bytes: u64,
    ) -> Self {
        Self {
            transfer: Transfer {
                label: label.to_owned(),
                target: target.to_owned(),
                direction,
                size_bytes: None,
                outcome: Outcome::Running,
                began_s: began.wall_s,
                lasted_s: 0.0,
                kernel_bytes: 0,
                is_shared: false,
                kernel_milestones: Vec::new(),
                marks: Vec::new(),
                marks_left_out: 0,
                capture: None,
            },
            place,
            began_ns: began.monotonic_ns,
            before_bytes,
            samples: vec![(0, 0)],
            busy: None,
        }
    }

    fn sample(&mut self, count: &impl Fn(usize, Direction) -> u64, now: Now) {
        let since_ns = now.monotonic_ns.saturating_sub(self.began_ns);
        let bytes = count(self.place, self.transfer.direction).saturating_sub(self.before_bytes);
        (self.transfer.kernel_bytes, self.transfer.lasted_s) = (bytes, seconds(since_ns));
        if let Some((_, busy_bytes)) = self.busy
            && bytes.saturating_sub(busy_bytes) >= CHATTER
        {
            self.busy = Some((since_ns, bytes));
        }
        // What stands still needs its last time only.
        let stands_still = |pair: &[(u64, u64)]| pair.iter().all(|(_, before)| *before == bytes);
        if self.samples.len() > 1 && stands_still(&self.samples[self.samples.len() - 2..]) {
            self.samples.pop();
        }
        self.samples.push((since_ns, bytes));
        if self.samples.len() >= SAMPLES {
            let mut place = 0;
            self.samples.retain(|_| (place += 1, place % 2 == 1).1);
        }
    }

    fn progress(&mut self, app_bytes: u64) {
        if self.transfer.marks.len() == MARKS {
            self.transfer.marks_left_out += 1;
            return;
        }
        let Transfer { lasted_s: at_s, kernel_bytes, .. } = self.transfer;
        self.transfer.marks.push(AppMark { at_s, app_bytes, kernel_bytes });
    }

    fn ended(mut self, outcome: Outcome) -> Transfer {
        self.transfer.outcome = outcome;
        if let Some((busy_ns, busy_bytes)) = self.busy {
            // What is said afterwards is none of it.
            (self.transfer.kernel_bytes, self.transfer.lasted_s) = (busy_bytes, seconds(busy_ns));
            self.samples.retain(|(since_ns, _)| *since_ns <= busy_ns);
        }
        self.transfer.kernel_milestones = milestones(&self.samples);
        self.transfer
    }
}

/// When the count passed the first byte, and parts of its own last value.
fn milestones(samples: &[(u64, u64)]) -> Vec<Milestone> {
    let total = samples.last().map_or(0, |(_, bytes)| *bytes);
    if total < FIRST_BYTE {
        return Vec::new();
    }
    let parts = PARTS.map(|(name, part)| (name, (part * total as f64).ceil() as u64));
    let wanted = [("first_byte", FIRST_BYTE)].into_iter().chain(parts);
    let passed = wanted.filter_map(|(name, bytes)| {
        let place = samples.iter().position(|(_, there)| *there >= bytes)?;
        let (at_ns, before_ns) = (samples[place].0, samples[place.saturating_sub(1)].0);
        Some(Milestone {
            name: name.to_owned(),
            at_s: seconds(at_ns),
            resolution_s: seconds(at_ns - before_ns),
        })
    });
    passed.collect()
}

fn unknown(label: &str) -> String {
    format!("no transfer {label:?} runs: `profiler mark begin` is the first")
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

#[cfg(test)]
mod tests;
