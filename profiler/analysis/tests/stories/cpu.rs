//! CPU time, and waiting for a CPU.

use analysis::attribution::{
    futex::FutexWaits,
    states::{self, States},
    sums::Holder,
};
use capture::{CpuSteal, OutsideRun, ProcessSerial};

use crate::{
    expect::check,
    tell::{BLOCK, BYTES, FAULT, NET_RX, RECV, SLEEP, Story, TIMER},
};

const THREAD: u32 = 1;
const SOCKET: u64 = 10;

#[test]
fn preempted_half_the_time() {
    let mut story = Story::default();
    let script = story.thread(1, THREAD).runs(2).loses_its_cpu(3).runs(2).loses_its_cpu(2).runs(1);
    script.sends(SOCKET, BYTES).runs(1);
    check(&story.upload(1, 0, 10), "cpu 0.5 cpu_wait 0.5");
    let expected = States { cpu_ns: 6_000_000, runqueue_ns: 5_000_000, ..States::default() };
    assert_eq!(story.states(0), expected);
}

#[test]
fn a_cpu_quota() {
    let mut story = Story::default();
    let script = story.thread(1, THREAD).runs(2).exceeds_its_quota(3).runs(3).exceeds_its_quota(2);
    script.sends(SOCKET, BYTES).runs(1);
    check(&story.upload(1, 0, 10), "cpu 0.5 cpu_wait 0.5");
    let expected = States { cpu_ns: 6_000_000, throttled_ns: 5_000_000, ..States::default() };
    assert_eq!(story.states(0), expected);
}

#[test]
fn woken_but_not_yet_running() {
    let mut story = Story::default();
    story.thread(1, THREAD).waits_and_queues(RECV, 6, 4, NET_RX).receives(SOCKET, BYTES).runs(1);
    story.arrives(SOCKET, 6, BYTES);
    check(&story.download(1, 0, 10), "network 0.6 cpu_wait 0.4");
}

#[test]
fn who_had_the_cpu_meanwhile() {
    let mut story = Story::default();
    let script = story.thread(1, THREAD).runs(1).loses_its_cpu(5).runs(1).exceeds_its_quota(1);
    script.waits_and_queues(RECV, 1, 1, NET_RX).sends(SOCKET, BYTES).runs(1);
    // On the same CPU from 1 to 3 ms.
    story.thread(2, 2).waits(SLEEP, 1, TIMER).runs(2).waits(SLEEP, 8, TIMER);
    story.spans.iter_mut().for_each(|span| span.cpu = Some(3));
    let outside = |pid, cpu, from_ms: u64, to_ms: u64| {
        let (from_ns, to_ns) = (from_ms * 1_000_000, to_ms * 1_000_000);
        OutsideRun { cpu, from_ns, to_ns, pid, comm: "outside".to_owned() }
    };
    for run in [outside(7, 3, 4, 6), outside(8, 3, 3, 4), outside(9, 2, 1, 6), outside(7, 3, 8, 9)] {
        story.outside_runs.add(run);
    }
    let budget = story.upload(1, 0, 10);
    check(&budget, "cpu_wait 0.7 network 0.1 cpu 0.2");
    let part = |holder| budget.held.iter().find(|(held, _)| *held == holder).map_or(0.0, |(_, part)| *part);
    let [seven, eight] = [Holder::Outsider(0), Holder::Outsider(1)].map(part);
    let parts = [seven, part(Holder::Process(ProcessSerial(2))), eight, part(Holder::Quota)];
    // The last ms of waiting had nobody.
    let expected = [0.2, 0.2, 0.1, 0.1];
    assert!(parts.iter().zip(expected).all(|(part, wanted)| (part - wanted).abs() < 1e-6), "{budget:?}");
    assert_eq!(budget.held.len(), 4, "not who ran on another CPU, or while it slept: {budget:?}");
}

#[test]
fn what_the_host_took_is_a_part_of_running_on_its_cpu() {
    let mut story = Story::default();
    let script = story.thread(1, THREAD).runs(1).loses_its_cpu(1).runs(4).loses_its_cpu(1).runs(2);
    script.sends(SOCKET, BYTES).runs(1);
    let cpus = [3, 4];
    story.spans.iter_mut().zip(cpus).for_each(|(span, cpu)| span.cpu = Some(cpu));
    for (at_ms, busy_ms, steal_ms) in [(0, 0, 0), (4, 4, 1), (10, 10, 1)] {
        let [at_ns, busy_ns, steal_ns] = [at_ms, busy_ms, steal_ms].map(|ms: u64| ms * 1_000_000);
        story.steal.add(CpuSteal { at_ns, cpu: 3, busy_ns, steal_ns });
    }
    let budget = story.upload(1, 0, 10);
    check(&budget, "cpu 0.7 cpu_wait 0.2 other 0.1");
    // A quarter of what it ran from 2 to 4 ms there.
    assert!((budget.stolen.0 - 0.05).abs() < 1e-6 && budget.stolen.1 == 0.0, "{budget:?}");
}

#[test]
fn states_partition_a_life() {
    let mut story = Story::default();
    let script = story.thread(1, THREAD).waits(RECV, 5, NET_RX).runs(1).waits_and_queues(RECV, 6, 1, NET_RX);
    let script = script.runs(1).waits(FAULT, 2, BLOCK).waits_for_io(FAULT, 3, TIMER).loses_its_cpu(4);
    script.runs(1).never_wakes(RECV, 7);
    let ms = |ms: u64| ms * 1_000_000;
    let expected = States {
        cpu_ns: ms(3),
        runqueue_ns: ms(5),
        wait_network_ns: ms(6),
        wait_disk_ns: ms(5),
        // From before the recording, and to its end.
        wait_idle_ns: ms(12),
        ..States::default()
    };
    assert_eq!(story.states(0), expected);
    assert_eq!(expected.sum_ns(), ms(31));
}

#[test]
fn a_fault_that_reads_a_file_is_disk() {
    let mut story = Story::default();
    story.thread(1, THREAD).runs(1).waits_for_io(FAULT, 9, BLOCK).sends(SOCKET, BYTES).runs(1);
    check(&story.upload(1, 0, 10), "disk 0.9 cpu 0.1");
}

#[test]
fn states_of_a_window_cut_what_reaches_into_it() {
    let mut story = Story::default();
    let script = story.thread(1, THREAD).runs(1).waits(RECV, 4, NET_RX).runs(2).waits(FAULT, 5, BLOCK);
    script.runs(1);
    let observed = story.observed();
    let ms = |ms: u64| ms * 1_000_000;
    let states = states::of(&observed.threads.all[0], &FutexWaits::default(), ms(3), ms(9));
    let expected = States { cpu_ns: ms(2), wait_network_ns: ms(2), wait_disk_ns: ms(2), ..States::default() };
    assert_eq!(states, expected);
}

#[test]
fn a_program_without_a_network_has_a_budget_too() {
    let mut story = Story::default();
    let script = story.thread(1, THREAD).runs(1).waits_for_io(FAULT, 4, BLOCK).waits(SLEEP, 2, TIMER);
    script.waits_for_io(FAULT, 3, BLOCK).runs(1);
    check(&story.of_thread(0, 0, 10), "disk 0.7 timer 0.2 cpu 0.1");
}
