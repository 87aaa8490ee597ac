//! The attached programs: each can be detached, and attached again, while it stays loaded.

use std::collections::BTreeMap;

use anyhow::{Context as _, Error, Result, bail};
use aya::{
    Ebpf,
    programs::{
        Program,
        fentry::FEntryLink,
        fexit::FExitLink,
        perf_event::{PerfEventConfig, PerfEventLink, PerfEventScope, SamplePolicy, SoftwareEvent},
        tp_btf::BtfTracePointLink,
    },
    util::online_cpus,
};

use super::{
    STREAM_TICK,
    events::{AreOn, Events},
    families,
};

/// A tick takes some 12 µs of its CPU (a virtual machine, 6.18): one in a thousand at this interval. No multiple of the
/// kernel's tick, so that the two do not stay in step.
pub const SAMPLE_INTERVAL_NS: u64 = 9_999_943;

/// What sockets with many calls have moved since one was looked at is counted as often; while calls go on, each tick of the kernel
/// looks at one.
const SETTLE_INTERVAL_NS: u64 = 100_000_000;

/// By program. Dropping it detaches them all.
#[derive(Default)]
pub struct Links {
    attached: BTreeMap<String, Vec<Link>>,
    /// Detached by [`Self::off`].
    off: Vec<&'static str>,
    /// Detached by [`Self::off_families`].
    shed: Vec<&'static str>,
    /// Where samples come from, if the events stay open while they are off.
    events: Option<Events>,
    holds_events: bool,
}

/// Held for its end, which detaches.
#[expect(dead_code, reason = "a link is attached as long as it is there")]
enum Link {
    Tracepoint(BtfTracePointLink),
    Entry(FEntryLink),
    Exit(FExitLink),
    Clock(PerfEventLink),
    Held(AreOn),
}

impl Links {
    /// Of an object whose programs are attached again later, by descriptors that are open by then.
    pub fn held() -> Self {
        Self { holds_events: true, ..Self::default() }
    }

    /// Attaches a program that is loaded.
    pub fn attach(&mut self, ebpf: &mut Ebpf, name: &str) -> Result<()> {
        let program = ebpf.program_mut(name).with_context(|| format!("the object has no program {name}"))?;
        let links = match program {
            Program::BtfTracePoint(program) => {
                let id = program.attach()?;
                vec![Link::Tracepoint(program.take_link(id)?)]
            }
            Program::FEntry(program) => {
                let id = program.attach()?;
                vec![Link::Entry(program.take_link(id)?)]
            }
            Program::FExit(program) => {
                let id = program.attach()?;
                vec![Link::Exit(program.take_link(id)?)]
            }
            Program::PerfEvent(program) if name == STREAM_TICK => vec![timed(program)?],
            Program::PerfEvent(program) if self.holds_events => {
                let events = match &self.events {
                    Some(events) => events,
                    None => self.events.insert(Events::open(program)?),
                };
                vec![Link::Held(events.on()?)]
            }
            Program::PerfEvent(program) => samples(program)?,
            _ => bail!("{name} is a program of a kind that is not attached"),
        };
        self.attached.insert(name.to_owned(), links);
        Ok(())
    }

    /// Detaches all programs, family by family, in the order in which they are listed: a wake-up that is no longer seen after
    /// `sched_switch` is gone makes no difference, while the reverse would look like a lost one.
    pub fn off(&mut self) {
        for program in families::programs() {
            if self.attached.remove(program.name).is_some() {
                self.off.push(program.name);
            }
        }
    }

    /// Detaches the programs of families that are attached.
    pub fn off_families(&mut self, names: &[&str]) {
        for program in families::of(names) {
            if self.attached.remove(program.name).is_some() {
                self.shed.push(program.name);
            }
        }
    }

    /// Whether a program of a family is detached so.
    pub fn has_shed(&self, family: &str) -> bool {
        families::of(&[family]).any(|program| self.shed.contains(&program.name))
    }

    /// Attaches those of these families again that [`Self::off_families`] has detached.
    pub fn on_families(&mut self, ebpf: &mut Ebpf, names: &[&str]) -> Result<()> {
        for program in families::of(names) {
            if let Some(at) = self.shed.iter().position(|shed| *shed == program.name) {
                self.attach(ebpf, self.shed[at]).with_context(|| format!("attach {} again", program.name))?;
                self.shed.swap_remove(at);
            }
        }
        Ok(())
    }

    /// Attaches those again that [`Self::off`] has detached.
    pub fn on(&mut self, ebpf: &mut Ebpf) -> Result<()> {
        for name in std::mem::take(&mut self.off) {
            self.attach(ebpf, name).with_context(|| format!("attach {name} again"))?;
        }
        Ok(())
    }
}

/// Samples every CPU that is online; one that comes later is not sampled.
fn samples(program: &mut aya::programs::PerfEvent) -> Result<Vec<Link>> {
    let cpus = online_cpus().map_err(|(path, error)| Error::new(error).context(format!("read {path}")))?;
    cpus.into_iter().map(|cpu| open(program, cpu, SAMPLE_INTERVAL_NS)).collect()
}

/// On one CPU.
fn timed(program: &mut aya::programs::PerfEvent) -> Result<Link> {
    let cpus = online_cpus().map_err(|(path, error)| Error::new(error).context(format!("read {path}")))?;
    open(program, *cpus.first().context("no CPU is online")?, SETTLE_INTERVAL_NS)
}

fn open(program: &mut aya::programs::PerfEvent, cpu: u32, interval_ns: u64) -> Result<Link> {
    let clock = PerfEventConfig::Software(SoftwareEvent::CpuClock);
    let scope = PerfEventScope::AllProcessesOneCpu { cpu };
    let id = program
        .attach(clock, scope, SamplePolicy::Period(interval_ns), false)
        .with_context(|| format!("open a cpu-clock event on CPU {cpu}"))?;
    Ok(Link::Clock(program.take_link(id)?))
}
