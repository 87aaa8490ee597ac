//! What a moment of a cut weighs: the cut's bytes over its time, a rate, in proportion to the rates of all cuts of the transfer
//! at that moment.

use crate::attribution::cuts::Cut;

/// The time of a transfer, as far as any cut of it was under way, in units of `1 / sum of rates`.
#[derive(Debug)]
pub struct Clock {
    /// Strictly rising.
    at_ns: Vec<u64>,
    /// Parallel: the integral of `1 / sum of rates` up to then.
    passed: Vec<f64>,
}

/// The rate of each cut, in bytes/ns; parallel to the cuts of a connection. Cuts that follow each other within a quarter of the
/// first one's length came in one go, and share a rate: else the last of a burst would weigh all, for the time of one call.
pub fn rates(cuts: &[Cut]) -> Vec<f64> {
    bursts(cuts).into_iter().flat_map(|burst| std::iter::repeat_n(burst.rate(), burst.cuts)).collect()
}

#[derive(Clone, Copy, Debug)]
struct Burst {
    from_ns: u64,
    to_ns: u64,
    bytes: u64,
    /// Of its first cut.
    length_ns: u64,
    cuts: usize,
}

impl Burst {
    fn rate(&self) -> f64 {
        self.bytes as f64 / (self.to_ns - self.from_ns).max(1) as f64
    }
}

fn bursts(cuts: &[Cut]) -> Vec<Burst> {
    let mut bursts: Vec<Burst> = Vec::new();
    for cut in cuts {
        let length_ns = cut.to_ns - cut.from_ns;
        match bursts.last_mut().filter(|burst| length_ns * 4 <= burst.length_ns) {
            Some(burst) => {
                burst.to_ns = cut.to_ns;
                burst.bytes = burst.bytes.saturating_add(cut.bytes);
                burst.cuts += 1;
            }
            None => bursts.push(Burst {
                from_ns: cut.from_ns,
                to_ns: cut.to_ns,
                bytes: cut.bytes,
                length_ns,
                cuts: 1,
            }),
        }
    }
    bursts
}

impl Clock {
    pub fn new(connections: &[Vec<Cut>]) -> Self {
        let mut changes: Vec<(u64, f64, i32)> = Vec::new();
        for burst in
            connections.iter().flat_map(|cuts| bursts(cuts)).filter(|burst| burst.from_ns < burst.to_ns)
        {
            changes.push((burst.from_ns, burst.rate(), 1));
            changes.push((burst.to_ns, -burst.rate(), -1));
        }
        changes.sort_by(|one, other| one.0.cmp(&other.0).then(one.1.total_cmp(&other.1)));
        let mut clock = Self { at_ns: Vec::new(), passed: Vec::new() };
        let (mut rate, mut active) = (0.0, 0);
        for (at_ns, change, count) in changes {
            match clock.at_ns.last() {
                None => clock.push(at_ns, 0.0),
                Some(&last_ns) if at_ns > last_ns => {
                    let passed = if active > 0 { (at_ns - last_ns) as f64 / rate } else { 0.0 };
                    clock.push(at_ns, clock.passed[clock.passed.len() - 1] + passed);
                }
                Some(_) => {}
            }
            rate += change;
            active += count;
            if active == 0 {
                // What is left are rounding errors.
                rate = 0.0;
            }
        }
        clock
    }

    /// A clock on which every moment weighs the same, for a single walk.
    pub fn plain(from_ns: u64, to_ns: u64) -> Self {
        Self {
            at_ns: vec![from_ns, to_ns.max(from_ns + 1)],
            passed: vec![0.0, (to_ns.max(from_ns + 1) - from_ns) as f64],
        }
    }

    /// How much of the clock's time lies between two moments: times a cut's rate it is the cut's part, in ns.
    pub fn between(&self, from_ns: u64, to_ns: u64) -> f64 {
        let marks = self.marks_until(to_ns);
        // As a rule there is none between the two.
        let is_same =
            marks.checked_sub(1).is_some_and(|last| self.at_ns[last] <= from_ns && from_ns <= to_ns);
        let marks_before = if is_same { marks } else { self.marks_until(from_ns) };
        self.passed(marks, to_ns) - self.passed(marks_before, from_ns)
    }

    fn push(&mut self, at_ns: u64, passed: f64) {
        self.at_ns.push(at_ns);
        self.passed.push(passed);
    }

    fn marks_until(&self, at_ns: u64) -> usize {
        self.at_ns.partition_point(|&mark_ns| mark_ns <= at_ns)
    }

    /// `marks` are those up to then.
    fn passed(&self, marks: usize, at_ns: u64) -> f64 {
        let Some(before) = marks.checked_sub(1) else { return 0.0 };
        let Some(&next_ns) = self.at_ns.get(before + 1) else { return self.passed[before] };
        let part = (at_ns - self.at_ns[before]) as f64 / (next_ns - self.at_ns[before]) as f64;
        self.passed[before] + (self.passed[before + 1] - self.passed[before]) * part
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribution::observed::payload::Movement;
    use capture::traffic::Direction;

    fn movement(at_ns: u64) -> Movement {
        Movement {
            index: 0,
            thread: 0,
            cookie: 1,
            direction: Direction::Received,
            bytes: 0,
            past: None,
            since_ns: at_ns,
            at_ns,
            empty_calls: 0,
        }
    }

    fn cuts(ends: &[Movement], bytes: u64) -> Vec<Cut> {
        let from_ns = [0].into_iter().chain(ends.iter().map(|end| end.at_ns));
        ends.iter()
            .zip(from_ns)
            .map(|(&end, from_ns)| Cut { end, from_ns, to_ns: end.at_ns, bytes })
            .collect()
    }

    #[test]
    fn each_moment_weighs_one_over_all_cuts() {
        let (one, other) = ([movement(100)], [movement(50), movement(100)]);
        // 3 bytes/ns beside 1 and then 2.
        let connections = [
            cuts(&one, 300),
            vec![Cut { bytes: 50, ..cuts(&other, 0)[0] }, Cut { bytes: 100, ..cuts(&other, 0)[1] }],
        ];
        let clock = Clock::new(&connections);
        let part = |connection: usize, cut: usize, from_ns, to_ns| {
            rates(&connections[connection])[cut] * clock.between(from_ns, to_ns)
        };
        assert_eq!(part(0, 0, 0, 50), 50.0 * 3.0 / 4.0);
        assert_eq!(part(1, 0, 0, 50), 50.0 / 4.0);
        assert_eq!(part(0, 0, 50, 100), 50.0 * 3.0 / 5.0);
        assert_eq!(part(1, 1, 50, 100), 50.0 * 2.0 / 5.0);
        assert_eq!(part(1, 1, 100, 200), 0.0);
    }

    #[test]
    fn a_burst_has_one_rate() {
        let ends = [movement(100), movement(110), movement(135), movement(235)];
        // The third follows within a quarter of the first one's length, the fourth does not.
        let rates = rates(&cuts(&ends, 1350));
        assert_eq!(rates, [30.0, 30.0, 30.0, 13.5]);
    }

    #[test]
    fn what_lies_between_cuts_weighs_nothing() {
        let (one, other, third) = ([movement(100)], [movement(300)], [movement(100)]);
        let connections =
            [cuts(&one, 30), vec![Cut { from_ns: 200, ..cuts(&other, 100)[0] }], cuts(&third, 70)];
        let clock = Clock::new(&connections);
        assert_eq!(clock.between(100, 200), 0.0);
        // The one beside which nothing moves.
        assert_eq!(rates(&connections[1])[0] * clock.between(200, 300), 100.0);
    }
}
