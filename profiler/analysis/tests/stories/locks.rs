//! Futexes: most are hand-overs, some are locks.

use analysis::attribution::{self, lock};

use crate::{
    expect::check,
    tell::{BLOCK, BYTES, PREAD, Story, by, futex},
};

const WAITER: u32 = 1;
const HOLDER: u32 = 2;
const SOCKET: u64 = 10;
const MUTEX: u64 = 7;

/// The holder has the mutex for 7 ms, 5 of them for a disk; it had to wait for it as well.
fn one_mutex() -> Story {
    let mut story = Story::default();
    let script = story.thread(1, WAITER).runs(3).waits(futex(MUTEX), 7, by(HOLDER));
    script.sends(SOCKET, BYTES).runs(1);
    let script = story.thread(1, HOLDER).waits(futex(MUTEX), 3, by(WAITER)).runs(2);
    script.waits(PREAD, 5, BLOCK).runs(1);
    story
}

#[test]
fn a_mutex_is_a_lock() {
    check(&one_mutex().upload(1, 0, 10), "lock 0.7 cpu 0.3");
}

#[test]
fn a_lock_tells_what_its_holder_did() {
    let story = one_mutex();
    let observed = story.observed();
    let evidence = attribution::weigh(&observed);
    let wait = story.upload(1, 0, 10).longest[0];
    let mut held = Vec::new();
    lock::holder_did(&evidence, wait, &mut |segment| {
        held.push((segment.to_ns - segment.from_ns, segment.share));
    });
    use analysis::attribution::shares::Share::{Cpu, Disk};
    assert_eq!(held, [(5_000_000, Disk), (2_000_000, Cpu)]);
}

#[test]
fn a_condition_variable_is_no_lock() {
    let mut story = Story::default();
    story.thread(1, WAITER).runs(3).waits(futex(MUTEX), 7, by(HOLDER)).sends(SOCKET, BYTES).runs(1);
    story.thread(1, HOLDER).runs(5).waits(PREAD, 4, BLOCK).runs(2);
    check(&story.upload(1, 0, 10), "cpu 0.6 disk 0.4");
}

#[test]
fn states_tell_locks_from_other_threads() {
    let states = one_mutex().states(0);
    assert_eq!((states.wait_lock_ns, states.cpu_ns, states.sum_ns()), (7_000_000, 4_000_000, 11_000_000));
}

#[test]
fn a_lock_tells_all_that_its_holder_did() {
    let mut story = Story::default();
    let script = story.thread(1, WAITER).runs(3).waits(futex(MUTEX), 7, by(HOLDER));
    script.sends(SOCKET, BYTES).runs(1);
    let script = story.thread(1, HOLDER).waits(futex(MUTEX), 2, by(WAITER)).runs(2);
    script.waits(PREAD, 2, BLOCK).runs(1).waits(PREAD, 2, BLOCK).runs(1);
    let observed = story.observed();
    let evidence = attribution::weigh(&observed);
    let wait = story.upload(1, 0, 10).longest[0];
    let mut held = Vec::new();
    lock::holder_did(&evidence, wait, &mut |segment| held.push((segment.from_ns / 1_000_000, segment.share)));
    use analysis::attribution::shares::Share::{Cpu, Disk};
    assert_eq!(held, [(9, Cpu), (7, Disk), (6, Cpu), (4, Disk), (3, Cpu)]);
}
