//! Who had a CPU at a time: threads of targets by their switches, other processes as far as they were recorded.
//!
//! Runs on one CPU are disjoint. Of threads only their beginnings are kept: where a run ends, the thread's next off-CPU
//! interval says.

use crate::{
    attribution::observed::threads::{ThreadIndex, Threads},
    rows::{Codec, Row, Rows},
    timeline::{OutsiderIndex, Run},
};

/// Who ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Occupant {
    Thread(ThreadIndex),
    Outsider(OutsiderIndex),
}

/// By CPU, in order of time.
#[derive(Debug, Default)]
pub struct Cpus {
    came: Vec<Rows<Came>>,
    outside: Vec<Rows<Run>>,
}

/// A thread came to a CPU.
#[derive(Clone, Copy, Debug)]
struct Came {
    at_ns: u64,
    thread: ThreadIndex,
}

impl Cpus {
    /// Of one CPU, to be called in order of time.
    pub fn came(&mut self, cpu: u32, thread: ThreadIndex, at_ns: u64) {
        of_cpu(&mut self.came, cpu).push(Came { at_ns, thread });
    }

    pub fn fill(&mut self, runs: Rows<Run>) {
        for run in runs.into_order() {
            of_cpu(&mut self.outside, run.cpu).push(run);
        }
    }

    /// Who had a CPU between two moments, and for how many ns.
    pub fn had(&self, threads: &Threads, cpu: u32, from_ns: u64, to_ns: u64) -> Vec<(Occupant, u64)> {
        let overlap =
            |began_ns: u64, ended_ns: u64| ended_ns.min(to_ns).saturating_sub(began_ns.max(from_ns));
        let mut had = Vec::new();
        if let Some(came) = self.came.get(cpu as usize) {
            let before = came.partition_point(|came| came.at_ns < to_ns);
            for Came { at_ns, thread } in came.range(0..before).rev() {
                let ended_ns = threads.all[thread].left_ns(at_ns);
                if ended_ns <= from_ns {
                    break;
                }
                had.push((Occupant::Thread(thread), overlap(at_ns, ended_ns)));
            }
        }
        if let Some(outside) = self.outside.get(cpu as usize) {
            let over = outside.partition_point(|run| run.to_ns <= from_ns);
            let meanwhile = outside.from(over).take_while(|run| run.from_ns < to_ns);
            had.extend(
                meanwhile.map(|run| (Occupant::Outsider(run.outsider), overlap(run.from_ns, run.to_ns))),
            );
        }
        had
    }
}

fn of_cpu<T: Row>(by_cpu: &mut Vec<Rows<T>>, cpu: u32) -> &mut Rows<T> {
    let cpu = cpu as usize;
    if by_cpu.len() <= cpu {
        by_cpu.resize_with(cpu + 1, Rows::default);
    }
    &mut by_cpu[cpu]
}

impl Row for Came {
    fn at_ns(&self) -> u64 {
        self.at_ns
    }

    fn code(&mut self, before: &Self, codec: &mut impl Codec) {
        let Self { at_ns, thread } = self;
        codec.step(at_ns, before.at_ns);
        codec.like(thread, before.thread);
    }
}
