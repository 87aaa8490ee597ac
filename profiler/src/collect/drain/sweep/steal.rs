//! How much of its time each CPU lost to the host's other guests, by the kernel's own count.

use std::{collections::BTreeMap, fs};

use anyhow::Result;
use capture::{CpuSteal, Record};

use crate::{clock::now_ns, collect::drain::Sink};

#[derive(Default)]
pub struct Steal {
    last: BTreeMap<u32, CpuSteal>,
}

impl Steal {
    /// Writes the first reading of each CPU, and of each time in which it lost some the readings around it.
    pub fn write<W: Sink>(&mut self, out: &mut W) -> Result<()> {
        // Without it nothing is known of this, as on a host without /proc/stat.
        let Ok(stat) = fs::read_to_string("/proc/stat") else { return Ok(()) };
        let (at_ns, tick_ns) = (now_ns(), 1_000_000_000 / procfs::ticks_per_second());
        for (cpu, busy, steal) in stat.lines().map_while(|line| line.strip_prefix("cpu")).filter_map(ticks) {
            let now = CpuSteal { at_ns, cpu, busy_ns: busy * tick_ns, steal_ns: steal * tick_ns };
            match self.last.insert(cpu, now.clone()) {
                None => out.push(&Record::CpuSteal(now))?,
                Some(before) if before.steal_ns != now.steal_ns => {
                    out.push(&Record::CpuSteal(before))?;
                    out.push(&Record::CpuSteal(now))?;
                }
                Some(_) => {}
            }
        }
        Ok(())
    }
}

/// Of a line of one CPU, without the word in front: its number, and ticks in which it was not idle, with and of those that it
/// lost. Guests of its own are in the user's.
fn ticks(line: &str) -> Option<(u32, u64, u64)> {
    let (cpu, ticks) = line.split_once(' ')?;
    let ticks: Vec<u64> = ticks.split_whitespace().map_while(|number| number.parse().ok()).collect();
    let &[user, nice, system, _idle, _iowait, irq, softirq, steal, ..] = ticks.as_slice() else {
        return None;
    };
    Some((cpu.parse().ok()?, user + nice + system + irq + softirq + steal, steal))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_one_cpu_says_what_it_lost() {
        let check = |line: &str, expected| assert_eq!(ticks(line), expected, "{line}");
        check("3 10 20 30 1000 2000 1 2 7 5 5", Some((3, 70, 7)));
        check(" 10 20 30 1000 2000 1 2 7 5 5", None);
        check("3 10 20 30 1000", None);
    }
}
