//! What CPUs lost to the host's other guests.

use std::collections::BTreeMap;

use capture::CpuSteal;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Steal {
    /// By CPU, in order of time.
    of: BTreeMap<u32, Vec<CpuSteal>>,
}

impl Steal {
    /// In any order.
    pub fn add(&mut self, reading: CpuSteal) {
        let of_cpu = self.of.entry(reading.cpu).or_default();
        let place = of_cpu.partition_point(|other| other.at_ns <= reading.at_ns);
        of_cpu.insert(place, reading);
    }

    pub fn is_known(&self) -> bool {
        !self.of.is_empty()
    }

    /// How many ns of a run on a CPU its host is taken to have had: as much of it as of all time between two readings in which
    /// the CPU was not idle.
    pub fn of_run(&self, cpu: u32, from_ns: u64, to_ns: u64) -> f64 {
        let Some(readings) = self.of.get(&cpu) else { return 0.0 };
        let first = readings.partition_point(|reading| reading.at_ns <= from_ns).saturating_sub(1);
        let around = readings[first..].windows(2).take_while(|around| around[0].at_ns < to_ns);
        around.fold(0.0, |sum, around| {
            let [before, after] = around else { return sum };
            let ns = after.at_ns.min(to_ns).saturating_sub(before.at_ns.max(from_ns));
            let busy_ns = after.busy_ns.saturating_sub(before.busy_ns);
            let part = after.steal_ns.saturating_sub(before.steal_ns) as f64 / busy_ns.max(1) as f64;
            sum + ns as f64 * part.min(1.0)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_lost_as_much_as_its_cpu_did_meanwhile() {
        let mut steal = Steal::default();
        let reading = |at_ns, busy_ns, steal_ns| CpuSteal { at_ns, cpu: 1, busy_ns, steal_ns };
        // Half of the busy time between 100 and 200, none before and after.
        for reading in
            [reading(200, 1080, 540), reading(0, 900, 500), reading(100, 1000, 500), reading(300, 1180, 540)]
        {
            steal.add(reading);
        }
        let check = |cpu, from_ns, to_ns, expected: f64| {
            let found = steal.of_run(cpu, from_ns, to_ns);
            assert!((found - expected).abs() < 1e-9, "{cpu}: {from_ns} to {to_ns}: {found}, not {expected}");
        };
        check(1, 0, 100, 0.0);
        check(1, 90, 120, 10.0);
        check(1, 100, 200, 50.0);
        check(1, 150, 400, 25.0);
        check(1, 300, 400, 0.0);
        check(0, 100, 200, 0.0);
    }
}
