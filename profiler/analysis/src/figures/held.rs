//! Who had the CPU, and the disk, that the path of a transfer waited for, over its time.

use std::collections::BTreeMap;

use crate::{
    attribution::sums::{Budget, Holder},
    report::holder_name,
    timeline::Timeline,
};

/// So many of each are drawn, as many as the report names.
const NAMED: usize = 5;
/// What they have of the whole time at least.
const LEAST: f64 = 0.002;

/// One who had it.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    pub what: Resource,
    /// A label, or a command name.
    pub process: String,
    pub pid: Option<u32>,
    /// Of each bin, parallel to the figure's.
    pub parts: Vec<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    Cpu,
    Disk,
}

/// Collects them bin by bin.
pub(super) struct Holders {
    bins: usize,
    parts: BTreeMap<(Resource, Holder), Vec<f64>>,
}

impl Holders {
    pub fn of(bins: usize) -> Self {
        Self { bins, parts: BTreeMap::new() }
    }

    pub fn add(&mut self, bin: usize, budget: &Budget) {
        let cpu = budget.held.iter().map(|&(holder, part)| ((Resource::Cpu, holder), part));
        let disk = budget.disk_held.iter().map(|&(holder, part, _)| ((Resource::Disk, holder), part));
        for (of, part) in cpu.chain(disk) {
            self.parts.entry(of).or_insert_with(|| vec![0.0; self.bins])[bin] += part;
        }
    }

    /// Of each resource those that had it longest, the longest first.
    pub fn named(self, timeline: &Timeline, edges: &[(u64, u64)]) -> Vec<Held> {
        let ns = |(from_ns, to_ns): (u64, u64)| (to_ns - from_ns) as f64;
        let whole_ns: f64 = edges.iter().copied().map(ns).sum();
        let mut all: Vec<_> = self
            .parts
            .into_iter()
            .map(|(of, parts)| {
                let had_ns: f64 = parts.iter().zip(edges).map(|(part, &edge)| part * ns(edge)).sum();
                (of, had_ns, parts)
            })
            .filter(|(_, had_ns, _)| *had_ns >= LEAST * whole_ns)
            .collect();
        all.sort_by(|one, other| one.0.0.cmp(&other.0.0).then(other.1.total_cmp(&one.1)));
        let of = |resource: Resource| all.iter().filter(move |one| one.0.0 == resource).take(NAMED);
        let named = of(Resource::Cpu).chain(of(Resource::Disk)).map(|((what, holder), _, parts)| {
            let (process, pid, _) = holder_name(timeline, *holder);
            Held { what: *what, process, pid, parts: parts.clone() }
        });
        named.collect()
    }
}

#[cfg(test)]
mod tests {
    use capture::testing::sample::{LEECHER, SEEDER, records};

    use super::*;
    use crate::timeline::sample::timeline;

    #[test]
    fn who_had_the_cpu_longest_comes_first_and_a_moment_is_not_drawn() {
        let (seeder, leecher) = (Holder::Process(SEEDER), Holder::Process(LEECHER));
        let mut holders = Holders::of(2);
        // The second bin is four times as long.
        let edges = [(0, 1000), (1000, 5000)];
        let parts = [
            ((Resource::Disk, leecher), [0.5, 0.0]),
            ((Resource::Cpu, seeder), [0.4, 0.0]),
            ((Resource::Cpu, leecher), [0.0, 0.2]),
            ((Resource::Disk, seeder), [0.009, 0.0]),
        ];
        holders.parts = parts.map(|(of, parts)| (of, parts.to_vec())).into();
        let named = holders.named(&timeline(records()), &edges);
        let told: Vec<_> =
            named.iter().map(|held| (held.what, held.process.as_str(), held.parts.as_slice())).collect();
        assert_eq!(
            told,
            [
                (Resource::Cpu, "leecher-1", &[0.0, 0.2][..]),
                (Resource::Cpu, "seeder-1", &[0.4, 0.0]),
                (Resource::Disk, "leecher-1", &[0.5, 0.0]),
            ]
        );
    }
}
