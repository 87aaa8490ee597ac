//! A limit of what recording may cost, and which families are detached to keep it. Pure.

mod typed;

use capture::families::{CONTEXTS, DROPS, SAMPLES, SCHEDULING, SEND_QUEUE, TIMERS};

pub use typed::{Limit, parse};

/// What is shed, in this order; the families of a step go together. What is left counts bytes.
pub const STEPS: &[&[&str]] = &[&[SAMPLES], &[SEND_QUEUE], &[TIMERS, CONTEXTS, SCHEDULING], &[DROPS]];

/// Below this part of the limit there is room again.
const ROOM: f64 = 0.75;

/// How long there must be room before a step is taken back, and how long at most where it was in vain.
const PATIENCE_NS: u64 = 1_000_000_000;
const LONGEST_PATIENCE_NS: u64 = 16_000_000_000;

/// A step that is shed again within this time was taken back in vain.
const IN_VAIN_NS: u64 = 3_000_000_000;

/// What was measured in a window: CPU time in each second.
#[derive(Clone, Debug, Default)]
pub struct Cost {
    /// By step: of what is attached.
    pub steps: [f64; STEPS.len()],
    /// Of the probes that are never shed.
    pub counters: f64,
    pub daemon: f64,
}

impl Cost {
    pub fn total(&self) -> f64 {
        self.steps.iter().sum::<f64>() + self.counters + self.daemon
    }
}

/// Decides how many steps are shed.
pub struct Controller {
    limit_ns_per_s: f64,
    shed: usize,
    /// Of each step that is shed: what it took, and what the counters took then.
    took: [(f64, f64); STEPS.len()],
    room_since_ns: Option<u64>,
    patience_ns: u64,
    taken_back_ns: u64,
}

impl Controller {
    pub fn new(limit_ns_per_s: f64) -> Self {
        Self {
            limit_ns_per_s,
            shed: 0,
            took: [(0.0, 0.0); STEPS.len()],
            room_since_ns: None,
            patience_ns: PATIENCE_NS,
            taken_back_ns: 0,
        }
    }

    pub fn limit_ns_per_s(&self) -> f64 {
        self.limit_ns_per_s
    }

    /// How many steps are shed from now on.
    pub fn judge(&mut self, now_ns: u64, cost: &Cost) -> usize {
        let total = cost.total();
        if total > self.limit_ns_per_s {
            self.room_since_ns = None;
            self.shed_until_it_fits(now_ns, cost);
        } else if self.shed > 0 && self.would_fit(cost) {
            let since_ns = *self.room_since_ns.get_or_insert(now_ns);
            if now_ns - since_ns >= self.patience_ns {
                self.shed -= 1;
                self.taken_back_ns = now_ns;
                self.room_since_ns = None;
            }
        } else {
            self.room_since_ns = None;
        }
        self.shed
    }

    fn shed_until_it_fits(&mut self, now_ns: u64, cost: &Cost) {
        let probes = cost.total() - cost.daemon;
        let mut left = probes;
        // The daemon works on what the probes record.
        let total = |left: f64| left + if probes > 0.0 { cost.daemon * left / probes } else { cost.daemon };
        let was_in_vain = self.taken_back_ns != 0 && now_ns - self.taken_back_ns < IN_VAIN_NS;
        self.patience_ns =
            if was_in_vain { (2 * self.patience_ns).min(LONGEST_PATIENCE_NS) } else { PATIENCE_NS };
        while total(left) > self.limit_ns_per_s && self.shed < STEPS.len() {
            let step = cost.steps[self.shed];
            self.took[self.shed] = (step, cost.counters);
            left -= step;
            self.shed += 1;
        }
    }

    /// Whether the step that was shed last would have room: as much of what it took as the counters take of what they did.
    fn would_fit(&self, cost: &Cost) -> bool {
        let (took, counters_took) = self.took[self.shed - 1];
        let of_it = if counters_took > 0.0 { (cost.counters / counters_took).min(1.0) } else { 1.0 };
        cost.total() + took * of_it <= ROOM * self.limit_ns_per_s
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: f64 = 40e6;

    fn cost(steps: [f64; STEPS.len()], counters: f64) -> Cost {
        Cost { steps, counters, daemon: 1e6 }
    }

    /// Each half second.
    fn check(controller: &mut Controller, at_ns: &mut u64, cost: &Cost, expected: &[usize]) {
        let shed: Vec<usize> = expected
            .iter()
            .map(|_| {
                *at_ns += 500_000_000;
                controller.judge(*at_ns, cost)
            })
            .collect();
        assert_eq!(shed, expected);
    }

    #[test]
    fn a_storm_sheds_at_once_what_it_takes_and_calm_takes_it_back() {
        let (mut controller, mut at_ns) = (Controller::new(LIMIT), 0);
        let controller = &mut controller;
        check(controller, &mut at_ns, &cost([1e6, 1e6, 5e6, 0.0], 2e6), &[0, 0]);
        check(controller, &mut at_ns, &cost([1e6, 20e6, 90e6, 0.0], 35e6), &[3]);
        // The storm goes on: there is no room.
        check(controller, &mut at_ns, &cost([0.0; STEPS.len()], 35e6), &[3; 10]);
        // It is over: one step after the other.
        check(controller, &mut at_ns, &cost([0.0; STEPS.len()], 1e6), &[3, 3, 2, 2, 2, 1, 1, 1, 0, 0]);
    }

    #[test]
    fn what_was_taken_back_in_vain_is_tried_less_often() {
        let (mut controller, mut at_ns) = (Controller::new(LIMIT), 0);
        let mut back = Vec::new();
        for _ in 0..400 {
            at_ns += 500_000_000;
            // With scheduling too much, without far too little.
            let steps = if controller.shed < 3 { [0.0, 0.0, 90e6, 0.0] } else { [0.0; STEPS.len()] };
            let before = controller.shed;
            let counters = if controller.shed < 3 { 10e6 } else { 1e6 };
            if controller.judge(at_ns, &cost(steps, counters)) < before {
                back.push(at_ns);
            }
        }
        let waits: Vec<u64> = back.windows(2).map(|pair| (pair[1] - pair[0]) / 1_000_000_000).collect();
        assert!(waits.is_sorted() && waits.last() >= Some(&16), "{waits:?}");
    }

    #[test]
    fn beyond_the_counters_there_is_nothing_to_shed() {
        let (mut controller, mut at_ns) = (Controller::new(LIMIT), 0);
        check(&mut controller, &mut at_ns, &cost([1e6; STEPS.len()], 60e6), &[4, 4]);
    }
}
