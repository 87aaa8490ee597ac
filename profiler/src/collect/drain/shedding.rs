//! Keeps a limit of cost: what probes and daemon took is computed from each window of the kernel's statistics, and families are
//! detached and attached again as the limit wants it.

use abi::context::Context;
use anyhow::{Context as _, Result};
use aya::{
    Ebpf,
    maps::{PerCpuArray, PerCpuValues},
};

use super::sweep::Sweep;
use crate::{
    clock::{now_ns, thread_cpu_ns},
    collect::{
        limit::{Controller, Cost, STEPS},
        maps::{MappedArray, Plain},
        probes::{
            families::{self, FAMILIES},
            links::Links,
        },
    },
};
use analysis::report::dispatch_ns_per_run;
use capture::{
    EMPTY_PROGRAM, ProbeDispatch, ProbeWindow, Shed,
    families::{SAMPLES, SCHEDULING},
};

/// The way to a program and back, where it could not be measured: what it was on a quiet host (6.18).
const DISPATCH_NS: f64 = 65.0;

/// What a sample takes of its CPU with the interrupt that it comes by (a virtual machine, 6.18).
const SAMPLE_NS: f64 = 12_000.0;

/// What the daemon takes is judged over no less.
const SHORTEST_NS: u64 = 200_000_000;

pub struct Shedding {
    controller: Controller,
    dispatch: Option<ProbeDispatch>,
    shed: usize,
    /// Nothing was left to shed, and that is told.
    is_told: bool,
    cpu_ns: u64,
    at_ns: u64,
    /// 1: scheduling is detached; see `SHED` of the probes.
    flag: MappedArray,
}

impl Shedding {
    pub fn new(ebpf: &mut Ebpf, limit_ns_per_s: f64, dispatch: Option<ProbeDispatch>) -> Result<Self> {
        Ok(Self {
            controller: Controller::new(limit_ns_per_s),
            dispatch,
            shed: 0,
            is_told: false,
            cpu_ns: thread_cpu_ns(),
            at_ns: now_ns(),
            flag: MappedArray::new(ebpf, "SHED", size_of::<u64>())?,
        })
    }

    /// Does what a window tells to do; gives what is to be recorded of it.
    pub fn judge(
        &mut self,
        window: &ProbeWindow,
        ebpf: &mut Ebpf,
        links: &mut Links,
        sweep: &mut Sweep,
    ) -> Result<Option<Shed>> {
        if now_ns() - self.at_ns < SHORTEST_NS {
            // The first window: what the recording's start took would be all of it.
            return Ok(None);
        }
        let cost = self.cost(window);
        let shed = self.controller.judge(now_ns(), &cost);
        let is_beyond = shed == STEPS.len() && cost.total() > self.controller.limit_ns_per_s();
        if shed == self.shed && (!is_beyond || self.is_told) {
            return Ok(None);
        }
        self.is_told = is_beyond && shed == self.shed;
        let at_ns = if shed > self.shed {
            self.detach(shed, links, sweep)
        } else {
            self.attach(shed, ebpf, links, sweep)?
        };
        Ok(Some(Shed {
            at_ns,
            families: STEPS[..shed]
                .concat()
                .into_iter()
                .filter(|name| links.has_shed(name))
                .map(str::to_owned)
                .collect(),
            cost_ns_per_s: cost.total() as u64,
            limit_ns_per_s: self.controller.limit_ns_per_s() as u64,
        }))
    }

    /// To be called when the probes are detached for good: the states of threads are not known since.
    pub fn end(&self, end_ns: u64, sweep: &mut Sweep) {
        if self.is_blind() {
            sweep.threads_go_on(end_ns);
        }
    }

    fn detach(&mut self, shed: usize, links: &mut Links, sweep: &mut Sweep) -> u64 {
        let was_blind = self.is_blind();
        let names = STEPS[self.shed..shed].concat();
        self.shed = shed;
        if self.is_blind() && !was_blind {
            self.set_flag(1);
        }
        links.off_families(&names);
        let at_ns = now_ns();
        if self.is_blind() && !was_blind {
            sweep.threads_stand_still(at_ns);
        }
        at_ns
    }

    fn attach(&mut self, shed: usize, ebpf: &mut Ebpf, links: &mut Links, sweep: &mut Sweep) -> Result<u64> {
        let was_blind = self.is_blind();
        let names = STEPS[shed..self.shed].concat();
        self.shed = shed;
        if was_blind && !self.is_blind() {
            clear::<Context>(ebpf, "CONTEXTS")?;
            sweep.threads_go_on(now_ns());
            self.set_flag(0);
        }
        links.on_families(ebpf, &names)?;
        Ok(now_ns())
    }

    fn is_blind(&self) -> bool {
        STEPS[..self.shed].iter().any(|step| step.contains(&SCHEDULING))
    }

    fn set_flag(&mut self, value: u64) {
        // SAFETY: the map's one element.
        unsafe { self.flag.at(0).cast::<u64>().write_volatile(value) };
    }

    fn cost(&mut self, window: &ProbeWindow) -> Cost {
        let (cpu_ns, at_ns) = (thread_cpu_ns(), now_ns());
        let daemon = (cpu_ns - self.cpu_ns) as f64 / (at_ns - self.at_ns).max(1) as f64 * 1e9;
        (self.cpu_ns, self.at_ns) = (cpu_ns, at_ns);
        of_window(window, self.dispatch.as_ref(), daemon)
    }
}

/// The runs' own time, less what the kernel's statistics take of it, and the way there.
fn of_window(window: &ProbeWindow, dispatch: Option<&ProbeDispatch>, daemon: f64) -> Cost {
    let empty = window.programs.iter().find(|one| one.program == EMPTY_PROGRAM && one.runs > 0);
    let statistics_ns = empty.map_or(0.0, |one| one.run_ns as f64 / one.runs as f64);
    let dispatch_ns =
        dispatch.and_then(|trip| dispatch_ns_per_run(trip, statistics_ns)).unwrap_or(DISPATCH_NS);
    let wall_s = window.to_ns.saturating_sub(window.from_ns).max(1) as f64 / 1e9;
    let mut cost = Cost { daemon, ..Cost::default() };
    for one in window.programs.iter().filter(|one| one.program != EMPTY_PROGRAM) {
        let Some(family) = FAMILIES.iter().find(|family| has(family, &one.program)) else { continue };
        let way_ns = if family.name == SAMPLES { SAMPLE_NS } else { dispatch_ns };
        let run_ns = (one.run_ns as f64 - one.runs as f64 * statistics_ns).max(0.0);
        let took = (run_ns + one.runs as f64 * way_ns) / wall_s;
        match STEPS.iter().position(|step| step.contains(&family.name)) {
            Some(step) => cost.steps[step] += took,
            None => cost.counters += took,
        }
    }
    cost
}

fn has(family: &families::Family, name: &str) -> bool {
    families::of(&[family.name]).any(|program| program.name == name)
}

/// As before the first recording: what a CPU was in the midst of is not known any more.
fn clear<T: abi::Plain + Default>(ebpf: &mut Ebpf, map: &str) -> Result<()> {
    let map = ebpf.map_mut(map).with_context(|| format!("the object has no {map}"))?;
    let mut per_cpu = PerCpuArray::<_, Plain<T>>::try_from(map)?;
    let cpus =
        aya::util::nr_cpus().map_err(|(path, error)| anyhow::Error::new(error).context(path.to_owned()))?;
    let values = PerCpuValues::try_from(vec![Plain(T::default()); cpus])?;
    per_cpu.set(0, values, 0).context("begin anew what each CPU remembers")
}

#[cfg(test)]
mod tests {
    use super::*;
    use capture::ProgramRuns;

    #[test]
    fn a_window_tells_what_each_step_takes() {
        let runs = |program: &str, runs, run_ns| ProgramRuns { program: program.to_owned(), runs, run_ns };
        let window = ProbeWindow {
            from_ns: 0,
            to_ns: 50_000_000,
            programs: vec![
                runs(EMPTY_PROGRAM, 1000, 40_000),
                runs("cpu_sample", 5, 5 * 540),
                runs("sock_send", 1000, 140_000),
                runs("tcp_segment", 100, 14_000),
                runs("sched_switch", 10, 5_400),
                runs("sched_wake", 10, 2_400),
            ],
        };
        let cost = of_window(&window, None, 7.0);
        // 20 such windows are a second.
        let expected = [5.0 * 12_500.0, 100.0 * 165.0, 10.0 * (565.0 + 265.0), 0.0].map(|ns| ns * 20.0);
        assert_eq!(cost.steps.map(f64::round), expected);
        assert_eq!((cost.counters.round(), cost.daemon), (1000.0 * 165.0 * 20.0, 7.0));
    }
}
