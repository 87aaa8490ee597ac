//! Runs of tasks that are no targets, on CPUs for which threads waited.

use std::collections::HashMap;

use crate::rows::{Codec, Row, Rows};
use capture::OutsideRun;

/// A process that is no target.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Outsider {
    pub pid: u32,
    pub comm: String,
}

/// Place of an outsider in [`OutsideRuns::outsiders`].
pub type OutsiderIndex = u32;

/// In any order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OutsideRuns {
    pub runs: Rows<Run>,
    pub outsiders: Vec<Outsider>,
    known: HashMap<Outsider, OutsiderIndex>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Run {
    pub cpu: u32,
    pub from_ns: u64,
    pub to_ns: u64,
    pub outsider: OutsiderIndex,
}

impl OutsideRuns {
    pub fn add(&mut self, run: OutsideRun) {
        let OutsideRun { cpu, from_ns, to_ns, pid, comm } = run;
        let outsider = self.index(Outsider { pid, comm });
        self.runs.push(Run { cpu, from_ns, to_ns, outsider });
    }

    pub(super) fn index(&mut self, outsider: Outsider) -> OutsiderIndex {
        let Self { outsiders, known, .. } = self;
        *known.entry(outsider).or_insert_with_key(|outsider| {
            outsiders.push(outsider.clone());
            outsiders.len() as OutsiderIndex - 1
        })
    }

    /// What is left when the runs are given up.
    pub fn names(&self) -> Self {
        Self { outsiders: self.outsiders.clone(), ..Self::default() }
    }
}

impl Row for Run {
    fn at_ns(&self) -> u64 {
        self.to_ns
    }

    fn code(&mut self, before: &Self, codec: &mut impl Codec) {
        let Self { cpu, from_ns, to_ns, outsider } = self;
        codec.like(cpu, before.cpu);
        codec.step(from_ns, before.to_ns);
        codec.step(to_ns, before.to_ns);
        codec.like(outsider, before.outsider);
    }
}
