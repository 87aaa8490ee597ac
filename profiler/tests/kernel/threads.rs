//! Places of threads in the probes' table: ids come again, and there are fewer places than threads in the long run.

use std::{
    fs,
    io::Read as _,
    thread,
    time::{Duration, Instant},
};

use abi::sched::THREAD_SLOTS;
use analysis::timeline::{FileIo, ThreadTime};
use capture::ThreadTotals;
use rustix::thread::gettid;

use crate::{
    brief,
    recorded::{Recorded, named, record, spin},
};

#[test]
fn a_thread_that_gets_an_ended_threads_id_is_another_thread() {
    const READ_BYTES: usize = 10 << 20;
    let nap = Duration::from_millis(50);
    let mut id = 0;
    let mut began = Instant::now();
    let recorded = record(|| {
        let first = || {
            read_zeros(READ_BYTES);
            spin(Duration::from_millis(100));
            own_id()
        };
        id = named("first", first).join().unwrap();
        // The daemon looks every second: as a rule the first one's place was not given back yet.
        began = Instant::now();
        for _ in 0..2000 {
            fs::write("/proc/sys/kernel/ns_last_pid", (id - 1).to_string()).unwrap();
            let second = move || {
                let has_it = own_id() == id;
                if has_it {
                    read_zeros(READ_BYTES);
                    thread::sleep(nap);
                }
                has_it
            };
            if named("second", second).join().unwrap() {
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
    assert!(second.cpu_ns < 100_000_000, "{second:?}");
    let read = recorded.own().io.sum(FileIo::read_bytes);
    let both = 2 * READ_BYTES as u64;
    assert!((both..both + both / 10).contains(&read), "{read} bytes were read");
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

#[test]
fn more_threads_than_the_table_has_places_come_and_go_at_once() {
    const THREADS: usize = THREAD_SLOTS as usize * 2;
    let recorded = record(|| named("in-a-row", || brief::threads(THREADS, 20_000)).join().unwrap());
    assert_eq!(recorded.timeline.losses["thread_table_full"], 0);
    let threads = recorded.own().threads.values().filter(|thread| thread.comm == "in-a-row");
    assert_eq!(threads.count(), THREADS + 1);
}

fn read_zeros(bytes: usize) {
    fs::File::open("/dev/zero").unwrap().read_exact(&mut vec![0; bytes]).unwrap();
}

fn own_id() -> i32 {
    gettid().as_raw_nonzero().get()
}

#[track_caller]
fn with_id<'a>(recorded: &'a Recorded, id: i32, name: &str) -> &'a ThreadTotals {
    let is_it = |thread: &&ThreadTotals| thread.tid == id as u32 && thread.comm == name;
    recorded.own().threads.values().find(is_it).unwrap_or_else(|| panic!("no {name} with the id {id}"))
}
