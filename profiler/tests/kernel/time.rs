//! The states of a thread partition its life, and agree with what the kernel itself accounts.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use analysis::timeline::ThreadTime;
use profiler::clock::thread_cpu_ns;

use crate::recorded::{Recorded, find, named, record, spin};

#[test]
fn states_sum_to_lifetimes_also_of_threads_asleep_at_attach() {
    let (wake, asleep) = mpsc::channel::<()>();
    let sleeper = named("asleep", move || asleep.recv().is_err());
    thread::sleep(Duration::from_millis(50));
    let began = Instant::now();
    let recorded = record(|| {
        let spinner = named("spinning", || spin(Duration::from_millis(300)));
        let napper = named("napping", || (0..100).for_each(|_| thread::sleep(Duration::from_millis(2))));
        spinner.join().unwrap();
        napper.join().unwrap();
    });
    let took = began.elapsed().as_nanos() as u64;
    drop(wake);
    sleeper.join().unwrap();

    let threads = &recorded.own().threads;
    assert!(threads.len() >= 4, "this test, the sleeper, the spinner, the napper: {threads:?}");
    for totals in threads.values() {
        let time = ThreadTime::of(totals, recorded.timeline.whole_until_ns());
        let off = time.states_ns().abs_diff(time.lifetime_ns);
        assert!(off * 1000 <= time.lifetime_ns, "{totals:?}: off by {off} ns");
        assert!(time.lifetime_ns > 0 && time.lifetime_ns <= took, "{totals:?}: {took} ns were recorded");
    }
    let asleep = find(&recorded, "asleep");
    assert_eq!(asleep.wait_idle_ns, asleep.lifetime_ns, "{asleep:?}");
    let spinning = find(&recorded, "spinning");
    // Where the host is emulated, interrupts take a tenth.
    let interrupted_ns = spinning.softirq_ns + spinning.hardirq_ns;
    let runnable_ns = spinning.cpu_ns + spinning.runqueue_ns + interrupted_ns;
    assert!(runnable_ns >= spinning.lifetime_ns * 95 / 100, "{spinning:?}");
    let napping = find(&recorded, "napping");
    assert!(napping.wait_timer_ns >= 190_000_000, "100 naps of 2 ms: {napping:?}");
}

#[test]
fn cpu_time_agrees_with_the_threads_own_clock() {
    let mut own_clock = 0;
    let recorded = record(|| {
        // Two threads more than there are CPUs, so that some wait.
        let stop = Arc::new(AtomicBool::new(false));
        let rivals: Vec<_> = (0..3)
            .map(|_| {
                let stop = Arc::clone(&stop);
                thread::spawn(move || while !stop.load(Ordering::Relaxed) {})
            })
            .collect();
        let measured = named("measured", || {
            spin(Duration::from_millis(400));
            thread_cpu_ns()
        });
        own_clock = measured.join().unwrap();
        stop.store(true, Ordering::Relaxed);
        rivals.into_iter().for_each(|rival| rival.join().unwrap());
    });
    let measured = find(&recorded, "measured");
    // The thread's clock stops a little before the thread does, and a hidden switch is a time slice.
    let off = measured.cpu_ns.abs_diff(own_clock);
    assert!(off * 100 <= own_clock * 5, "{measured:?} against {own_clock} ns by the thread's own clock");
    assert!(measured.runqueue_ns > 0, "{measured:?}");
}

#[test]
fn a_wait_is_for_what_ended_it() {
    const ROUNDS: usize = 50;
    let nap = Duration::from_millis(4);
    let recorded = record(|| {
        named("napper", move || (0..ROUNDS).for_each(|_| thread::sleep(nap))).join().unwrap();

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut far = listener.accept().unwrap().0;
        let receiver = named("receiver", move || (0..ROUNDS).for_each(|_| far.read_exact(&mut [0]).unwrap()));
        (0..ROUNDS).for_each(|_| {
            thread::sleep(nap);
            near.write_all(&[7]).unwrap();
        });
        receiver.join().unwrap();

        let (send, received) = mpsc::channel();
        let listener = named("listener", move || assert_eq!(received.iter().count(), ROUNDS));
        (0..ROUNDS).for_each(|_| {
            thread::sleep(nap);
            send.send(()).unwrap();
        });
        drop(send);
        listener.join().unwrap();

        named("syncer", || {
            let mut file = tempfile::tempfile_in("/var/tmp").unwrap();
            (0..ROUNDS).for_each(|_| {
                file.write_all(&[7; 4096]).unwrap();
                file.sync_all().unwrap();
            });
        })
        .join()
        .unwrap();
    });
    check_wait(&recorded, "napper", |time| time.wait_timer_ns);
    check_wait(&recorded, "receiver", |time| time.wait_network_ns);
    check_wait(&recorded, "listener", |time| time.wait_thread_ns);
    check_wait(&recorded, "syncer", |time| time.wait_disk_ns);
}

/// At least 90 % of the time that the thread slept: a hidden wake-up (see the limitations) is 2 % of it.
#[track_caller]
fn check_wait(recorded: &Recorded, name: &str, wait_ns: impl Fn(&ThreadTime) -> u64) {
    let time = find(recorded, name);
    let interrupted_ns = time.softirq_ns + time.hardirq_ns;
    let asleep_ns = time.lifetime_ns - time.cpu_ns - time.runqueue_ns - interrupted_ns;
    assert!(asleep_ns > 0 && wait_ns(&time) * 100 >= asleep_ns * 90, "{name}: {time:?}");
}

#[test]
fn a_storm_of_switches_loses_nothing() {
    let recorded = record(|| {
        let (ping, pinged) = mpsc::sync_channel::<()>(0);
        let echo = named("echo", move || pinged.iter().count());
        for _ in 0..50_000 {
            ping.send(()).unwrap();
        }
        drop(ping);
        assert_eq!(echo.join().unwrap(), 50_000);
    });
    let mut losses = recorded.timeline.losses.clone();
    // Some hosts do not run programs while their own agent is the current task: see the limitations.
    for class in ["wake_unseen", "switch_unseen"] {
        let unseen = losses.remove(class).expect("the class is there");
        assert!(unseen < 100, "{unseen} of 100,000: {class}");
    }
    losses.remove("completion_unseen").expect("the class is there");
    // Two stacks that fall on one place of their table: one is not kept, which changes no number.
    losses.remove("stack_table_full").expect("the class is there");
    assert!(losses.values().all(|count| *count == 0), "{losses:?}");
    let echo = find(&recorded, "echo");
    assert!(echo.adds_up() && echo.cpu_ns > 0, "{echo:?}");
}
