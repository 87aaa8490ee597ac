//! Where the time went: why the bytes came so late, asked of each piece of them, and added up.
//!
//! [`weigh`] judges each wait of the capture once. [`phase::budgets`] cuts a transfer by its bytes ([`cuts`]), walks back from
//! each cut's end ([`lineage`]) and adds up what the walks find ([`sums`]), weighed by rate ([`weights`]).
//! [`states::of`] needs none of this, and says what each thread did.
//!
//! Pure, and tested by `tests/stories`.

pub mod calls;
pub mod cause;
pub mod cuts;
pub mod deadlines;
pub mod futex;
pub mod lineage;
pub mod lock;
pub mod observed;
pub mod pairs;
pub mod phase;
pub mod polling;
pub mod segment;
pub mod shares;
pub mod states;
pub mod sums;
pub mod transit;
pub mod triggers;
pub mod waits;
pub mod weights;

use rayon::prelude::*;

use cause::Cause;
use futex::FutexWaits;
use observed::{Observed, threads::ThreadIndex};

/// What was observed, with everything that is worked out once per capture.
#[derive(Debug)]
pub struct Evidence<'t> {
    pub observed: &'t Observed,
    pub futexes: FutexWaits,
    /// Parallel to the threads.
    pub waits: Vec<waits::Waits>,
    /// Parallel to the threads: of their whole lives.
    pub states: Vec<states::States>,
    pub triggers: triggers::Triggers,
    pub pairs: pairs::Pairs,
}

pub fn weigh(observed: &Observed) -> Evidence<'_> {
    let threads = &observed.threads;
    let futexes = threads.all.par_iter().map(|thread| futex::waits(&thread.spans));
    let futexes = futexes.reduce(FutexWaits::default, FutexWaits::and);
    let waits = waits::judge(threads, &futexes);
    let triggers = triggers::count(observed, &waits, &futexes);
    let states = threads.all.par_iter().map(|thread| states::of(thread, &futexes, 0, u64::MAX)).collect();
    Evidence { observed, futexes, waits, states, triggers, pairs: pairs::pair(&observed.traffic.sockets) }
}

impl Evidence<'_> {
    /// What a span of a thread was for; None where it did not block.
    pub fn cause(&self, thread: ThreadIndex, span: usize) -> Option<Cause> {
        let spans = &self.observed.threads.all[thread].spans;
        spans.look_at(span, |span| cause::of(span, &self.futexes))
    }
}
