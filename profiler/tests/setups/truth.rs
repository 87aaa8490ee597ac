//! What a program's log says about a stretch of time.

use crate::log::{Interval, State};

/// Monotonic ns.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub from_ns: u64,
    pub to_ns: u64,
}

/// Parts of a window.
#[derive(Clone, Copy, Debug)]
pub struct Waits {
    /// The main thread was in a state and off the CPU.
    pub off_cpu: f64,
    /// It ran, whatever it did, by its own CPU clock.
    pub cpu: f64,
}

/// The log of one program.
#[derive(Clone, Debug)]
pub struct Truth {
    pub pid: u32,
    pub intervals: Vec<Interval>,
}

impl Window {
    pub fn ns(self) -> u64 {
        self.to_ns - self.from_ns
    }
}

impl Truth {
    /// From the first thing it did to the last.
    pub fn whole(&self) -> Window {
        let from_ns = self.intervals.iter().map(|interval| interval.from_ns).min().expect("it did something");
        let to_ns = self.intervals.iter().map(|interval| interval.to_ns).max().expect("it did something");
        Window { from_ns, to_ns }
    }

    pub fn waits(&self, state: State, window: Window) -> Waits {
        Waits { off_cpu: self.off_cpu(state, window), cpu: self.cpu(window) }
    }

    fn off_cpu(&self, state: State, window: Window) -> f64 {
        self.part(window, |interval| {
            (interval.state == state)
                .then(|| (interval.to_ns - interval.from_ns).saturating_sub(interval.cpu_ns))
        })
    }

    /// The part of the window that the main thread ran, by its own CPU clock, whatever it did.
    pub fn cpu(&self, window: Window) -> f64 {
        self.part(window, |interval| Some(interval.cpu_ns))
    }

    /// The interval in which the bytes that were moved in the state reached so many.
    pub fn reaching(&self, state: State, bytes: u64) -> &Interval {
        let mut moved = 0;
        let mut in_state = self.intervals.iter().filter(|interval| interval.state == state);
        let reached = in_state.find(|interval| {
            moved += interval.bytes;
            moved >= bytes
        });
        reached.unwrap_or_else(|| panic!("{moved} bytes of {bytes} in {state:?}"))
    }

    pub fn moved_bytes(&self, state: State) -> u64 {
        self.intervals.iter().filter(|interval| interval.state == state).map(|interval| interval.bytes).sum()
    }

    /// Sums what the intervals of the main thread give, those at the window's edges in proportion.
    fn part(&self, window: Window, ns: impl Fn(&Interval) -> Option<u64>) -> f64 {
        let of_main = self.intervals.iter().filter(|interval| interval.tid as u32 == self.pid);
        let sum: f64 =
            of_main.filter_map(|interval| Some(ns(interval)? as f64 * inside(interval, window))).sum();
        sum / window.ns() as f64
    }
}

/// The part of an interval that lies in the window.
fn inside(interval: &Interval, window: Window) -> f64 {
    let wall_ns = interval.to_ns - interval.from_ns;
    let (from_ns, to_ns) = (interval.from_ns.max(window.from_ns), interval.to_ns.min(window.to_ns));
    if wall_ns == 0 { 0.0 } else { to_ns.saturating_sub(from_ns) as f64 / wall_ns as f64 }
}
