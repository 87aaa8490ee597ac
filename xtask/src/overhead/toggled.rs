//! What our own probes cost, from segments of one run: programs are loaded once, and attached and detached around segments, each
//! between two without. What the host does for longer than a segment is on both sides then.
//!
//! A segment ends when the daemon has written what the probes recorded in it. Everything is asked and read in the same way with
//! probes, without them, and of the control, which attaches nothing.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::{
    counter::Counter,
    load::Load,
    proc::CpuClock,
    ratio::median,
    run,
    state::{self, State},
    toggler::{Runs, Toggler},
    tool::Tool,
    trimmed::{Estimate, estimate},
};

/// From a change to the segment that it is for: the kernel patches code as tracepoints are attached.
const SETTLED: Duration = Duration::from_millis(3);
/// The load's processes are made anew after so many: where they run and lie in memory is a part of chance.
const TRIPLES_OF_A_LOAD: usize = 20;
/// Fewer say nothing of their own spread.
const FEWEST: usize = 20;
/// A load has found its pace.
const WARM: Duration = Duration::from_millis(300);

/// How long, and how exactly.
#[derive(Clone, Debug)]
pub struct Plan {
    pub segment: Duration,
    /// Of throughput and of CPU time, in points of a hundred.
    pub half_width_points: f64,
    pub limit: Duration,
    /// Whose probes alone are switched; all others stay attached.
    pub family: Option<String>,
}

/// A tool, or the control, with a load.
#[derive(Serialize, Clone, Debug)]
pub struct Toggled {
    pub load: Load,
    pub tool: Tool,
    pub segment_ms: u64,
    pub seconds: f64,
    /// Both intervals are as narrow as was asked for.
    pub is_decided: bool,
    pub fast: Option<InState>,
    pub slow: Option<InState>,
    /// Between whose two neighbours the host's state changed: they count nowhere.
    pub changed: usize,
    /// CPU time of the profiler, of one CPU, while its probes were attached.
    pub tool_cpu: f64,
    /// By runs, with the kernel's statistics on.
    pub probes: Vec<Cost>,
}

/// What was measured in one of the host's states.
#[derive(Serialize, Clone, Copy, Debug)]
pub struct InState {
    pub segments: usize,
    /// Without a tool; the median.
    pub bytes_per_s: f64,
    pub throughput: Option<Estimate>,
    /// CPU time of sender and receiver for each byte.
    pub ends_cpu: Option<Estimate>,
    /// The same, and the profiler's.
    pub all_cpu: Option<Estimate>,
}

#[derive(Serialize, Clone, Debug)]
pub struct Cost {
    pub probe: String,
    pub ns_per_run: f64,
    pub runs_per_s: f64,
}

/// What was read over a segment.
#[derive(Clone, Copy, Debug)]
struct Segment {
    seconds: f64,
    bytes: f64,
    ends_cpu_s: f64,
    tool_cpu_s: f64,
}

/// A segment with the probes between two without.
#[derive(Clone, Copy, Debug)]
struct Triple {
    before: Segment,
    with: Segment,
    after: Segment,
}

/// Measures until it is decided, or the time is over. `paces` are those without a tool so far, of the same load: they tell the
/// host's states.
pub fn measure(
    load: Load,
    tool: Tool,
    plan: &Plan,
    paces: &mut Vec<f64>,
    (profiler, folder): (&Path, &Path),
) -> Result<Toggled> {
    run::empty(folder)?;
    let counter = Counter::make()?;
    let mut toggler = Toggler::start(tool, plan.family.as_deref(), profiler, folder)?;
    let mut triples = Vec::new();
    let mut costs = Vec::new();
    let began = Instant::now();
    loop {
        let mut waiting = load.start_endless(&counter.path())?;
        let ends = waiting.pids.iter().map(|&pid| CpuClock::of(pid)).collect::<Result<Vec<_>>>()?;
        let pids: Vec<String> = waiting.pids.iter().map(u32::to_string).collect();
        toggler.ask(&format!("follow {}", pids.join(" ")))?;
        waiting.begin()?;
        thread::sleep(WARM);
        for _ in 0..TRIPLES_OF_A_LOAD {
            let triple = triple(plan.segment, &counter, &ends, &mut toggler)?;
            paces.extend([triple.before.pace(), triple.after.pace()]);
            triples.push(triple);
        }
        let found = summary(load, tool, plan, paces, &triples);
        if found.is_decided || began.elapsed() >= plan.limit {
            toggler.ask("on")?;
            let counted_for = Instant::now();
            let runs = toggler.runs()?;
            costs.extend(self::costs(&runs, counted_for.elapsed().as_secs_f64()));
            let seconds = began.elapsed().as_secs_f64();
            return Ok(Toggled { seconds, probes: costs, ..found });
        }
    }
}

fn triple(length: Duration, counter: &Counter, ends: &[CpuClock], toggler: &mut Toggler) -> Result<Triple> {
    let before = segment(length, counter, ends, toggler)?;
    toggler.ask("on")?;
    let with = segment(length, counter, ends, toggler)?;
    toggler.ask("off")?;
    let after = segment(length, counter, ends, toggler)?;
    Ok(Triple { before, with, after })
}

fn segment(length: Duration, counter: &Counter, ends: &[CpuClock], toggler: &mut Toggler) -> Result<Segment> {
    thread::sleep(SETTLED);
    let read = |toggler: &Toggler| -> Result<(f64, f64, u64, Instant)> {
        let ends_cpu_s = ends.iter().map(CpuClock::s).sum::<Result<f64>>().context("the load has ended")?;
        Ok((ends_cpu_s, toggler.cpu.s()?, counter.bytes(), Instant::now()))
    };
    let before = read(toggler)?;
    thread::sleep(length);
    toggler.ask("drain")?;
    let after = read(toggler)?;
    Ok(Segment {
        seconds: (after.3 - before.3).as_secs_f64(),
        bytes: (after.2 - before.2) as f64,
        ends_cpu_s: after.0 - before.0,
        tool_cpu_s: after.1 - before.1,
    })
}

impl Segment {
    fn pace(&self) -> f64 {
        self.bytes / self.seconds
    }

    fn ends_cpu(&self) -> f64 {
        self.ends_cpu_s / self.bytes
    }

    fn all_cpu(&self) -> f64 {
        (self.ends_cpu_s + self.tool_cpu_s) / self.bytes
    }
}

impl Triple {
    /// The logarithm of a quantity with the probes, as a ratio to the one without.
    fn log(&self, of: impl Fn(&Segment) -> f64) -> f64 {
        of(&self.with).ln() - f64::midpoint(of(&self.before).ln(), of(&self.after).ln())
    }
}

fn summary(load: Load, tool: Tool, plan: &Plan, paces: &[f64], triples: &[Triple]) -> Toggled {
    let fast_pace = state::fast(paces);
    let moved = |segment: &Segment| segment.bytes > 0.0;
    let whole = triples.iter().filter(|triple| [triple.before, triple.with, triple.after].iter().all(moved));
    let stated: Vec<(State, Triple)> = whole
        .map(|triple| (state::of(triple.before.pace(), triple.after.pace(), fast_pace), *triple))
        .collect();
    let of = |state: State| {
        stated.iter().filter(|(found, _)| *found == state).map(|(_, triple)| *triple).collect::<Vec<_>>()
    };
    let (fast, slow) = (in_state(&of(State::Fast)), in_state(&of(State::Slow)));
    let is_narrow = |found: Option<Estimate>| {
        found.is_some_and(|found| found.half_width_points() <= plan.half_width_points)
    };
    let is_decided = fast.is_some_and(|fast| {
        fast.segments >= FEWEST && is_narrow(fast.throughput) && is_narrow(fast.ends_cpu)
    });
    let sum = |of: fn(&Segment) -> f64| triples.iter().map(|triple| of(&triple.with)).sum::<f64>();
    Toggled {
        load,
        tool,
        segment_ms: plan.segment.as_millis() as u64,
        seconds: 0.0,
        is_decided,
        fast,
        slow,
        changed: triples.len() - of(State::Fast).len() - of(State::Slow).len(),
        tool_cpu: sum(|with| with.tool_cpu_s) / sum(|with| with.seconds),
        probes: Vec::new(),
    }
}

fn in_state(triples: &[Triple]) -> Option<InState> {
    let paces: Vec<f64> =
        triples.iter().flat_map(|triple| [triple.before.pace(), triple.after.pace()]).collect();
    let ratios =
        |of: fn(&Segment) -> f64| estimate(&triples.iter().map(|triple| triple.log(of)).collect::<Vec<_>>());
    Some(InState {
        segments: triples.len(),
        bytes_per_s: median(&paces)?,
        throughput: ratios(Segment::pace),
        ends_cpu: ratios(Segment::ends_cpu),
        all_cpu: ratios(Segment::all_cpu),
    })
}

fn costs(runs: &[Runs], seconds: f64) -> Vec<Cost> {
    let mut ran: Vec<&Runs> = runs.iter().filter(|program| program.runs > 0).collect();
    ran.sort_by_key(|program| std::cmp::Reverse(program.run_ns));
    let cost = |program: &Runs| Cost {
        probe: program.program.clone(),
        ns_per_run: program.run_ns as f64 / program.runs as f64,
        runs_per_s: program.runs as f64 / seconds,
    };
    ran.into_iter().map(cost).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(pace: f64, cpu_per_byte: f64) -> Segment {
        Segment {
            seconds: 0.03,
            bytes: pace * 0.03,
            ends_cpu_s: pace * 0.03 * cpu_per_byte,
            tool_cpu_s: 0.003,
        }
    }

    fn triple(before: f64, with: f64, after: f64) -> Triple {
        Triple { before: segment(before, 1.0), with: segment(with, 1.2), after: segment(after, 1.0) }
    }

    const PLAN: Plan = Plan {
        segment: Duration::from_millis(30),
        half_width_points: 1.5,
        limit: Duration::from_secs(1),
        family: None,
    };

    fn summarize(triples: &[Triple]) -> Toggled {
        let paces: Vec<f64> =
            triples.iter().flat_map(|triple| [triple.before.pace(), triple.after.pace()]).collect();
        summary(Load::Stream16k, Tool::Profiler, &PLAN, &paces, triples)
    }

    #[test]
    fn the_hosts_states_are_not_mixed() {
        let mut triples = vec![triple(1000.0, 900.0, 1000.0); 30];
        triples.extend([triple(500.0, 400.0, 500.0); 10]);
        triples.extend([triple(1000.0, 900.0, 500.0); 3]);
        let found = summarize(&triples);
        let ratio = |found: Option<InState>| {
            let found = found.expect("some");
            let throughput = found.throughput.expect("enough");
            format!("{} {:.0} {:.3}", found.segments, found.bytes_per_s, throughput.ratio)
        };
        assert_eq!(ratio(found.fast), "30 1000 0.900");
        assert_eq!(ratio(found.slow), "10 500 0.800");
        assert_eq!(found.changed, 3);
        assert!(found.is_decided);
        assert_eq!(format!("{:.3}", found.fast.unwrap().ends_cpu.unwrap().ratio), "1.200");
        assert_eq!(format!("{:.1}", found.tool_cpu), "0.1");
    }

    #[test]
    fn what_is_wide_or_little_is_not_decided() {
        assert!(!summarize(&[triple(1000.0, 900.0, 1000.0); 19]).is_decided);
        let wide: Vec<Triple> =
            (0..40).map(|step| triple(1000.0, 700.0 + 15.0 * f64::from(step), 1000.0)).collect();
        assert!(!summarize(&wide).is_decided);
        assert!(!summarize(&[]).is_decided);
    }
}
