//! Device bytes, and whose they are.

use std::{
    fs::OpenOptions,
    os::{fd::AsRawFd as _, unix::fs::OpenOptionsExt as _},
    ptr::null_mut,
    sync::Mutex,
    thread,
    time::Duration,
};

use capture::{
    Operation,
    span::{Softirq, Span, Wake},
};
use profiler::clock::now_ns;

use crate::{
    files::{Cold, MIB, folder, write_direct},
    recorded::{Recorded, named, record},
};

const WRITTEN_BYTES: u64 = 64 * MIB;

#[test]
fn a_direct_write_belongs_to_its_writer() {
    let folder = folder();
    let recorded = record(|| write_direct(&folder.path().join("direct"), WRITTEN_BYTES));
    assert_eq!(credited(&recorded, Operation::Write), WRITTEN_BYTES);
    let written: u64 = recorded
        .timeline
        .devices
        .values()
        .filter_map(|device| device.totals.get(&Operation::Write))
        .map(|totals| totals.bytes)
        .max()
        .expect("a device wrote");
    check_device(written);
    // A device that has no room for a request gets it again, which is no completion that was missed.
    let unseen = recorded.timeline.losses["completion_unseen"];
    assert!(unseen <= 4, "{unseen} completions were not seen");
}

/// With libaio, whose completion wakes whoever waits for events in the interrupt itself.
#[test]
fn a_wait_that_a_request_ended_names_who_submitted_it_and_when() {
    const REQUESTS: usize = 20;
    const BLOCK: usize = 64 << 10;
    let cold = Cold::file((REQUESTS * BLOCK) as u64);
    let mut begun_ns = Vec::new();
    let submitter = Mutex::new(0);
    let recorded = record(|| {
        let file = OpenOptions::new().read(true).custom_flags(libc::O_DIRECT).open(&cold.path).unwrap();
        let mut memory = memmap2::MmapMut::map_anon(BLOCK).unwrap();
        memory.fill(7);
        let mut context = 0_u64;
        // SAFETY: makes a context.
        assert_eq!(unsafe { libc::syscall(libc::SYS_io_setup, REQUESTS, &raw mut context) }, 0);
        let waiter = named("waiting", move || {
            for _ in 0..REQUESTS {
                let mut event = [0_u64; 4];
                // SAFETY: room for one event; without a time-out.
                unsafe {
                    libc::syscall(libc::SYS_io_getevents, context, 1, 1, event.as_mut_ptr(), null_mut::<()>())
                };
            }
        });
        thread::scope(|scope| {
            scope.spawn(|| {
                // SAFETY: takes nothing.
                *submitter.lock().unwrap() = unsafe { libc::gettid() } as u32;
                for i in 0..REQUESTS {
                    thread::sleep(Duration::from_millis(5));
                    // `struct iocb`: a read (0) of the descriptor into the memory.
                    let descriptor = (file.as_raw_fd() as u64) << 32;
                    let offset = (i * BLOCK) as u64;
                    let request = [0, 0, descriptor, memory.as_ptr() as u64, BLOCK as u64, offset, 0, 0];
                    let requests = [request.as_ptr()];
                    begun_ns.push(now_ns());
                    // SAFETY: the memory lives until the context is destroyed.
                    unsafe { libc::syscall(libc::SYS_io_submit, context, 1, requests.as_ptr()) };
                }
            });
        });
        waiter.join().unwrap();
        // SAFETY: nobody uses it any more.
        unsafe { libc::syscall(libc::SYS_io_destroy, context) };
    });
    let submitter = *submitter.lock().unwrap();
    let spans = recorded.timeline.events.spans.iter();
    let waits: Vec<Span> = spans
        .filter(|span| span.doing.syscall == Some(libc::SYS_io_getevents as i32))
        .filter(|span| matches!(span.wake, Wake::Softirq(Softirq::Block) | Wake::HardIrq { disk: true }))
        .collect();
    // Not all are seen: some are over before anybody waits, some completed on another CPU, by a call between CPUs (6.1).
    assert!(waits.len() >= 2, "{waits:?}");
    let begun_until = |at_ns: u64| begun_ns.iter().filter(|begun_ns| **begun_ns <= at_ns).count();
    for wait in waits {
        let (Some(submitted_ns), Some(woken_ns)) = (wait.submitted_ns, wait.woken_ns) else {
            panic!("{wait:?}");
        };
        assert_eq!(wait.submitter_tid, Some(submitter), "{wait:?}");
        assert!(submitted_ns < woken_ns, "{wait:?}");
        assert_eq!(begun_until(submitted_ns), begun_until(woken_ns), "{wait:?}, by {begun_ns:?}");
    }
}

/// The device's own total, which lacks what a host that hides interrupts from programs did not show: see the
/// limitations. Credits are exact there too, because they are taken at submission.
#[track_caller]
fn check_device(written_bytes: u64) {
    assert!(written_bytes >= WRITTEN_BYTES * 9 / 10, "the busiest device wrote {written_bytes} bytes");
}

fn credited(recorded: &Recorded, operation: Operation) -> u64 {
    let credits = recorded.own().credits.iter();
    credits.filter(|((_, found), _)| *found == operation).map(|(_, bytes)| bytes).sum()
}
