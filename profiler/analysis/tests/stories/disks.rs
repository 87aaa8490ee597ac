//! Whose requests were in front of what a thread waited for.

use analysis::{
    attribution::sums::{Budget, Holder},
    timeline::{DeviceId, Requester, Requests},
};
use capture::ProcessSerial;

use crate::{
    expect::check,
    tell::{BLOCK, PREAD, Story},
};

const THREAD: u32 = 1;
const SOCKET: u64 = 11;

/// From when in the queue to when completed, in ms; issued at once.
fn requests(minor: u32, by: Requester, queued_ms: u64, done_ms: u64, bytes: u64) -> Requests {
    let (queued_ns, last_ns) = (queued_ms * 1_000_000, done_ms * 1_000_000);
    Requests { device: DeviceId { major: 8, minor }, by, bytes, queued_ns, issued_ns: queued_ns, last_ns }
}

/// One that waits for its disk from 1 to 7 ms of 10.
fn waits_behind(requests: impl IntoIterator<Item = Requests>) -> Budget {
    let mut story = Story::default();
    story.thread(1, THREAD).runs(1).waits(PREAD, 6, BLOCK).runs(2).sends(SOCKET, 100).runs(1);
    story.requests.extend(requests);
    let budget = story.upload(1, 0, 10);
    check(&budget, "disk 0.6 cpu 0.3 other 0.1");
    budget
}

#[track_caller]
fn check_held(budget: &Budget, expected: &[(Holder, f64, f64)]) {
    let is_near = |one: f64, other: f64| (one - other).abs() < 1e-6 * one.max(1.0);
    let held = &budget.disk_held;
    let same = held.iter().zip(expected);
    let same = same.filter(|(held, wanted)| {
        held.0 == wanted.0 && is_near(held.1, wanted.1) && is_near(held.2, wanted.2)
    });
    assert_eq!((same.count(), held.len()), (expected.len(), expected.len()), "{held:?}, not {expected:?}");
}

const OWN: Requester = Requester::Process(ProcessSerial(1));

#[test]
fn a_disk_is_held_by_those_whose_bytes_it_moves_meanwhile() {
    let budget = waits_behind([
        // A throttle let it go at 2.
        requests(0, OWN, 2, 7, 1000),
        requests(0, Requester::Outsider(4), 0, 2, 9000),
        requests(0, Requester::Outsider(4), 1, 4, 1000),
        requests(0, Requester::Outsider(4), 3, 6, 1000),
        // Half of it before 7.
        requests(0, Requester::Outsider(4), 4, 8, 2000),
        requests(1, Requester::Outsider(5), 1, 7, 9000),
    ]);
    let parts = [(Holder::Outsider(4), 0.375, 3000.0), (Holder::Process(ProcessSerial(1)), 0.125, 1000.0)];
    check_held(&budget, &parts);
}

#[test]
fn who_has_no_request_of_its_own_waits_for_what_the_kernel_does_for_all() {
    let journal = requests(0, Requester::Kernel(2), 3, 7, 1000);
    let hog = requests(0, Requester::Outsider(4), 3, 7, 3000);
    let parts = [(Holder::Outsider(4), 0.3, 3000.0), (Holder::Outsider(2), 0.1, 1000.0)];
    check_held(&waits_behind([journal, hog]), &parts);
    check_held(&waits_behind([hog]), &[]);
}

#[test]
fn of_two_disks_at_a_time_each_has_a_part() {
    let budget = waits_behind([requests(0, OWN, 1, 7, 1000), requests(1, OWN, 1, 7, 500)]);
    check_held(&budget, &[(Holder::Process(ProcessSerial(1)), 0.6, 1500.0)]);
}
