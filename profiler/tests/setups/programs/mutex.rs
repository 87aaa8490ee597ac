//! Two threads that take turns with one mutex.

use std::{
    hint::spin_loop,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI32, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::{Prepared, spinner::compute};
use crate::log::{Log, State};

/// The main thread waits while the other one, `mutex-holder`, holds the mutex, and the other way round: so that
/// both are seen to wait for it, and it is known for a lock.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct Mutual {
    /// Of each turn: CPU time that the mutex is held by the other thread, and by the main thread.
    pub held: Duration,
    pub held_by_main: Duration,
    pub time: Duration,
}

/// For how long each computes without the mutex, once the other has it.
const APART: Duration = Duration::from_millis(1);

/// Who had the mutex last. A mutex is not fair: without it a thread that is woken slowly would lose its turn.
static LAST: AtomicI32 = AtomicI32::new(0);

impl Mutual {
    pub(super) fn prepare(self) -> Prepared {
        let mutex = Arc::new(Mutex::new(()));
        Prepared::new(None, move |log| {
            let until = Instant::now() + self.time;
            let (theirs, held) = (Arc::clone(&mutex), self.held);
            let (done, holders_log) = mpsc::channel();
            let holder = thread::Builder::new().name("mutex-holder".to_owned()).spawn(move || {
                let mut log = Log::begin();
                take_turns(&theirs, held, until, || Instant::now() < until, &mut log);
                done.send(log).expect("the main thread waits for it");
            });
            holder.expect("start a thread");
            // Whoever is joined last is whose time the program's was: the main thread ends later, and joins nobody.
            let mut of_holder = None;
            let goes_on = || {
                of_holder = holders_log.try_recv().ok();
                of_holder.is_none()
            };
            take_turns(&mutex, self.held_by_main, until, goes_on, log);
            log.append(of_holder.expect("it was received"));
        })
    }
}

fn take_turns(
    mutex: &Mutex<()>,
    hold: Duration,
    until: Instant,
    mut goes_on: impl FnMut() -> bool,
    log: &mut Log,
) {
    let own = rustix::thread::gettid().as_raw_nonzero().get();
    while goes_on() {
        let held = mutex.lock().expect("no holder panicked");
        LAST.store(own, Ordering::Relaxed);
        log.did(State::Lock, 0);
        compute(hold);
        drop(held);
        log.did(State::Hold, 0);
        while LAST.load(Ordering::Relaxed) == own && Instant::now() < until {
            spin_loop();
        }
        compute(APART);
        log.did(State::Compute, 0);
    }
}
