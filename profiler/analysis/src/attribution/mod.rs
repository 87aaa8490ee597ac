//! Where the time went: every wait gets a cause, every phase a budget that closes.
//!
//! [`weigh`] judges each wait of the capture once; [`phase::budget`] then walks the active path of one phase.
//! [`states::of`] needs neither, and says what each thread did.
//!
//! Pure, and tested by `tests/stories`.

pub mod calls;
pub mod cause;
pub mod futex;
pub mod observed;
pub mod pairs;
mod part;
pub mod path;
pub mod peers;
pub mod phase;
pub mod polling;
pub mod progress;
pub mod rounds;
pub mod shares;
pub mod states;
pub mod transit;

use observed::Observed;

/// What was observed, with everything that is worked out once per capture.
#[derive(Debug)]
pub struct Evidence<'t> {
    pub observed: &'t Observed,
    pub futexes: futex::FutexWaits,
    pub verdicts: progress::Verdicts<'t>,
    pub pairs: pairs::Pairs,
}

pub fn weigh(observed: &Observed) -> Evidence<'_> {
    let futexes = futex::waits(observed.threads.all.iter().flat_map(|thread| &thread.spans));
    let verdicts = progress::judge(observed, &futexes);
    Evidence { observed, futexes, verdicts, pairs: pairs::pair(&observed.traffic.sockets) }
}
