//! Places of threads in the probes' table: ids come again, and there are fewer places than threads in the long run.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use abi::sched::THREAD_SLOTS;
use analysis::timeline::ThreadTime;
use capture::ThreadTotals;
use rustix::thread::gettid;

use crate::recorded::{Recorded, named, record, spin};

#[test]
fn a_thread_that_gets_an_ended_threads_id_is_another_thread() {
    let nap = Duration::from_millis(50);
    let mut id = 0;
    let mut began = Instant::now();
    let recorded = record(|| {
        id = named("first", || (spin(Duration::from_millis(100)), own_id()).1).join().unwrap();
        // The daemon looks every second: as a rule the first one's place was not given back yet.
        began = Instant::now();
        for _ in 0..2000 {
            fs::write("/proc/sys/kernel/ns_last_pid", (id - 1).to_string()).unwrap();
            if named("second", move || (own_id() == id).then(|| thread::sleep(nap)).is_some()).join().unwrap()
            {
                return;
            }
        }
        panic!("no thread got the id {id}");
    });
    let (first, second) = (with_id(&recorded, id, "first"), with_id(&recorded, id, "second"));
    assert!(first.start_ns < second.start_ns, "{first:?} {second:?}");
    let whole_until_ns = recorded.timeline.whole_until_ns();
    let (first, second) = (ThreadTime::of(first, whole_until_ns), ThreadTime::of(second, whole_until_ns));
    assert!(first.adds_up() && first.lifetime_ns >= 100_000_000, "{first:?}");
    assert!(second.adds_up() && second.lifetime_ns >= nap.as_nanos() as u64, "{second:?}");
    assert!(second.lifetime_ns < began.elapsed().as_nanos() as u64, "{second:?}");
    assert!(second.cpu_ns < 50_000_000, "{second:?}");
}

#[test]
fn places_are_given_back() {
    const BATCH: usize = THREAD_SLOTS as usize * 2 / 3;
    let recorded = record(|| {
        let batch = || (0..BATCH).for_each(|_| named("passing", || ()).join().unwrap());
        batch();
        // The daemon looks every second.
        thread::sleep(Duration::from_millis(2200));
        batch();
    });
    let passing = recorded.own().threads.values().filter(|thread| thread.comm == "passing");
    assert_eq!(passing.count(), BATCH * 2);
    assert_eq!(recorded.timeline.losses["thread_table_full"], 0);
}

fn own_id() -> i32 {
    gettid().as_raw_nonzero().get()
}

#[track_caller]
fn with_id<'a>(recorded: &'a Recorded, id: i32, name: &str) -> &'a ThreadTotals {
    let is_it = |thread: &&ThreadTotals| thread.tid == id as u32 && thread.comm == name;
    recorded.own().threads.values().find(is_it).unwrap_or_else(|| panic!("no {name} with the id {id}"))
}
