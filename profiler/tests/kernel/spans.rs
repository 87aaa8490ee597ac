//! What a span says of a off-CPU interval: what the thread did, what woke it, where it slept.

use std::{
    io::{Read as _, Write as _},
    os::{fd::AsRawFd as _, unix::net::UnixStream},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use capture::span::{Span, TaskKind, Wake};

use crate::recorded::{Recorded, find, named, record, spin};

const READ: i32 = 0;
const FUTEX: i32 = 202;
const CLOCK_NANOSLEEP: i32 = 230;

const NAPS: usize = 40;
const NAP: Duration = Duration::from_millis(30);

#[test]
fn a_nap_is_a_call_a_timer_and_a_stack() {
    let recorded = record(|| {
        named("napping", || (0..NAPS).for_each(|_| thread::sleep(NAP))).join().unwrap();
    });
    let naps: Vec<Span> = spans(&recorded, "napping")
        .into_iter()
        // A hidden switch or wake-up (see the limitations) is one nap.
        .filter(|span| span.doing.syscall == Some(CLOCK_NANOSLEEP) && span.woken_ns.is_some())
        .collect();
    assert!(naps.len() >= NAPS - 4, "{} naps", naps.len());
    for nap in &naps {
        let slept_ns = nap.woken_ns.unwrap_or(nap.off_ns) - nap.off_ns;
        assert!(slept_ns >= NAP.as_nanos() as u64 - 1_000_000, "{nap:?}");
        assert!(matches!(nap.wake, Wake::HrTimer | Wake::Softirq(_)), "{nap:?}");
    }
    let stacks = &recorded.timeline.events.stacks;
    let slept_in = |nap: &Span| {
        let kernel = stacks.get(&nap.stacks.kernel?)?;
        nap.stacks.user?;
        Some(kernel.frames.iter().any(|frame| frame.contains("nanosleep")))
    };
    let known: Vec<bool> = naps.iter().filter_map(slept_in).collect();
    assert!(known.len() >= NAPS / 4 && known.iter().all(|known| *known), "stacks of {} naps", known.len());
}

#[test]
fn a_read_names_its_descriptor_and_the_thread_that_wrote() {
    let (mut near, mut far) = UnixStream::pair().unwrap();
    let fd = near.as_raw_fd();
    let recorded = record(|| {
        let reader = named("reader", move || (0..20).for_each(|_| near.read_exact(&mut [0]).unwrap()));
        let writer = named("writer", move || {
            for _ in 0..20 {
                thread::sleep(Duration::from_millis(2));
                far.write_all(&[1]).unwrap();
            }
        });
        reader.join().unwrap();
        writer.join().unwrap();
    });
    let writer = recorded.own().threads.values().find(|thread| thread.comm == "writer").unwrap().tid;
    let own = recorded.own().totals.as_ref().unwrap().process;
    let by_writer = Wake::Task { tid: writer, process: Some(own), kind: TaskKind::Target };
    let reads = spans(&recorded, "reader").into_iter().filter(|span| {
        // `read` or, for a socket, `recvfrom`.
        matches!(span.doing.syscall, Some(READ | 45)) && span.doing.fd == Some(fd) && span.wake == by_writer
    });
    assert!(reads.count() >= 16);
}

#[test]
fn a_futex_has_its_address() {
    static WORD: AtomicU32 = AtomicU32::new(0);
    let recorded = record(|| {
        let waiter = named("waiter", || {
            while WORD.load(Ordering::Acquire) == 0 {
                futex(&WORD, libc::FUTEX_WAIT, 0);
            }
        });
        // Until it has waited at least once.
        while futex(&WORD, libc::FUTEX_WAKE, 1) == 0 {
            thread::sleep(Duration::from_millis(20));
        }
        WORD.store(1, Ordering::Release);
        futex(&WORD, libc::FUTEX_WAKE, 1);
        waiter.join().unwrap();
    });
    let waits = spans(&recorded, "waiter");
    let on_word = |span: &&Span| span.doing.syscall == Some(FUTEX) && span.doing.futex.is_some();
    let futex = waits.iter().find(on_word).and_then(|span| span.doing.futex).expect("a futex wait");
    assert_eq!((futex.address, futex.operation & 0x7f), (WORD.as_ptr() as u64, libc::FUTEX_WAIT));
}

#[test]
fn a_stranger_that_wakes_a_target_is_named() {
    // Started by a shell of its own before the recording, and no child of this process any more.
    let mut shell = Command::new("sh")
        .args(["-c", "exec 3<&0; cat <&3 &"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut input, mut output) = (shell.stdin.take().unwrap(), shell.stdout.take().unwrap());
    shell.wait().unwrap();
    let recorded = record(move || {
        let listener = named("listener", move || output.read_exact(&mut [0]).unwrap());
        thread::sleep(Duration::from_millis(50));
        input.write_all(&[1]).unwrap();
        listener.join().unwrap();
    });
    let waits = spans(&recorded, "listener");
    let stranger = waits.iter().find_map(|span| match span.wake {
        Wake::Task { tid, process: None, kind: TaskKind::Other } => Some(tid),
        _ => None,
    });
    let stranger = stranger.unwrap_or_else(|| panic!("no stranger woke it: {waits:?}"));
    assert_eq!(recorded.timeline.events.outside_wakers.get(&stranger).map(String::as_str), Some("cat"));
}

#[test]
fn who_sleeps_at_the_end_has_an_open_span() {
    let (wake, asleep) = mpsc::channel::<()>();
    let mut sleeper = None;
    let recorded = record(|| {
        sleeper = Some(named("asleep", move || asleep.recv().is_err()));
        thread::sleep(Duration::from_millis(50));
    });
    drop(wake);
    sleeper.unwrap().join().unwrap();
    let spans = spans(&recorded, "asleep");
    let last = spans.iter().max_by_key(|span| span.off_ns).expect("a span");
    assert!(last.on_ns.is_none() && last.woken_ns.is_none() && !last.preempted, "{last:?}");
}

#[test]
fn samples_tell_user_from_kernel_mode() {
    let recorded = record(|| {
        let stop = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&stop);
        let kernel = named("in the kernel", move || {
            let mut zeros = vec![0; 1 << 20];
            let mut source = std::fs::File::open("/dev/zero").unwrap();
            while !until.load(Ordering::Relaxed) {
                source.read_exact(&mut zeros).unwrap();
            }
        });
        named("in user mode", || spin(Duration::from_millis(400))).join().unwrap();
        stop.store(true, Ordering::Relaxed);
        kernel.join().unwrap();
    });
    for (name, in_user_mode) in [("in user mode", true), ("in the kernel", false)] {
        let time = find(&recorded, name);
        let samples = time.user_samples + time.kernel_samples;
        // One for 10 ms on the CPU.
        let sampled_ns = samples * 10_000_000;
        assert!(sampled_ns.abs_diff(time.cpu_ns) <= time.cpu_ns / 2 + 20_000_000, "{name}: {time:?}");
        let error_ns = time.cpu_split_error_ns.expect("it was sampled");
        let expected = if in_user_mode { time.cpu_user_ns } else { time.cpu_kernel_ns };
        assert!((expected.unwrap() + error_ns) * 10 >= time.cpu_ns * 9, "{name}: {time:?}");
    }
}

fn spans(recorded: &Recorded, name: &str) -> Vec<Span> {
    let own = recorded.own();
    let thread = own.threads.values().find(|thread| thread.comm == name).expect("the thread is there");
    let spans = recorded.timeline.events.spans.iter().filter(|span| span.tid == thread.tid);
    spans.collect()
}

fn futex(word: &AtomicU32, operation: i32, value: u32) -> i64 {
    // SAFETY: the word lives for ever; without a time-out the other arguments are not used.
    unsafe {
        libc::syscall(libc::SYS_futex, word.as_ptr(), operation, value, std::ptr::null::<libc::timespec>())
    }
}
