//! The budgets of a transfer's phases: its cuts, each walked back, weighed and added up.

use crate::attribution::{
    Evidence,
    cuts::{self, Transferred},
    lineage,
    observed::threads::ThreadIndex,
    sums::{Budget, Sums},
    weights::{self, Clock},
};

/// The budgets of phases (from, to; monotonic ns) that do not overlap, in order of time.
pub fn budgets(evidence: &Evidence, transferred: Transferred, phases: &[(u64, u64)]) -> Vec<Budget> {
    walked(evidence, transferred, |clock| Sums::new(evidence, clock, phases))
}

/// The same of many short times, with places instead of the longest segments.
pub fn lanes(evidence: &Evidence, transferred: Transferred, bins: &[(u64, u64)]) -> Vec<Budget> {
    walked(evidence, transferred, |clock| Sums::new(evidence, clock, bins).drawn())
}

fn walked<'e>(
    evidence: &'e Evidence<'e>,
    transferred: Transferred,
    sums: impl FnOnce(Clock) -> Sums<'e>,
) -> Vec<Budget> {
    let threads = &evidence.observed.threads.all;
    let process_of = |movement: &super::observed::payload::Movement| threads[movement.thread].life.process;
    let connections = cuts::cut(&evidence.observed.traffic, process_of, transferred);
    let clock = Clock::new(&connections);
    let mut sums = sums(clock);
    let weighed = connections.iter().flat_map(|cuts| cuts.iter().copied().zip(weights::rates(cuts)));
    lineage::of_cuts(evidence, weighed, &mut sums);
    sums.close()
}

/// The budget of one thread between two times, for programs that move no payload.
pub fn of_thread(evidence: &Evidence, thread: ThreadIndex, from_ns: u64, to_ns: u64) -> Budget {
    let mut sums = Sums::new(evidence, Clock::plain(from_ns, to_ns), &[(from_ns, to_ns)]);
    lineage::of_thread(evidence, thread, from_ns, to_ns, &mut sums);
    sums.close().pop().expect("one phase, one budget")
}
