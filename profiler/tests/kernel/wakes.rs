//! A wait is a disk's by what the worker worked on that ended it, or by what the sleeper's own call is on; and the states of
//! threads, which the probes add up, are those of the spans.

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Write as _},
    os::{
        fd::{AsRawFd as _, FromRawFd as _},
        unix::fs::OpenOptionsExt as _,
    },
    ptr::{null, null_mut},
    thread,
    time::Duration,
};

use analysis::{
    attribution::{self, observed::gather::gather, states},
    timeline::ThreadTime,
};

use crate::{
    files::folder,
    recorded::{Recorded, find, named, record},
};

/// A kworker hands a terminal its lines.
#[test]
fn wakes_of_a_terminals_reader_are_no_disks() {
    const LINES: usize = 30;
    let mut recorded = record(|| {
        let (mut master, mut slave) = terminal();
        let reader = named("reader", move || {
            (0..LINES).for_each(|_| assert_eq!(slave.read(&mut [0; 64]).unwrap(), 5));
        });
        for _ in 0..LINES {
            thread::sleep(Duration::from_millis(10));
            master.write_all(b"line\n").unwrap();
        }
        reader.join().unwrap();
    });
    let time = find(&recorded, "reader");
    assert!(time.wait_disk_ns * 100 <= asleep_ns(&time), "{time:?}");
    assert!(time.wait_other_ns * 100 >= asleep_ns(&time) * 90, "{time:?}");
    check_named(&mut recorded, "reader");
}

/// A kworker ends them, because they make the file's extents written ones (ext4, XFS).
#[test]
fn wakes_of_who_waits_for_asynchronous_direct_writes_are_the_disks() {
    const WRITES: usize = 300;
    const BLOCK: usize = 64 << 10;
    let folder = folder();
    let path = folder.path().join("written");
    let mut recorded = record(|| {
        let writer = move || {
            let create =
                OpenOptions::new().write(true).create_new(true).custom_flags(libc::O_DIRECT).open(&path);
            let file = create.unwrap();
            // SAFETY: an open file.
            assert_eq!(unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, (WRITES * BLOCK) as i64) }, 0);
            let mut memory = memmap2::MmapMut::map_anon(BLOCK).unwrap();
            memory.fill(7);
            let mut context = 0_u64;
            // SAFETY: makes a context.
            assert_eq!(unsafe { libc::syscall(libc::SYS_io_setup, 8, &raw mut context) }, 0);
            for i in 0..WRITES {
                // `struct iocb`: a write (1) of the memory, to the descriptor.
                let (write, descriptor) = (1, (file.as_raw_fd() as u64) << 32);
                let request = [
                    0,
                    0,
                    write | descriptor,
                    memory.as_ptr() as u64,
                    BLOCK as u64,
                    (i * BLOCK) as u64,
                    0,
                    0,
                ];
                let requests = [request.as_ptr()];
                let mut event = [0_u64; 4];
                // SAFETY: the memory lives until the request is over, which is waited for; room for one event.
                unsafe {
                    libc::syscall(libc::SYS_io_submit, context, 1, requests.as_ptr());
                    libc::syscall(libc::SYS_io_getevents, context, 1, 1, event.as_mut_ptr(), null::<()>());
                }
                assert_eq!(event[2], BLOCK as u64);
            }
            context
        };
        let context = named("writer", writer).join().unwrap();
        // It waits for RCU.
        // SAFETY: nobody uses it any more.
        unsafe { libc::syscall(libc::SYS_io_destroy, context) };
    });
    let time = find(&recorded, "writer");
    assert!(time.wait_disk_ns * 100 >= asleep_ns(&time) * 90, "{time:?}");
    check_named(&mut recorded, "writer");
}

/// The journal's thread ends some waits, BLOCK softirqs others.
#[test]
fn wakes_of_who_syncs_a_file_are_the_same_in_states_and_spans() {
    let mut recorded = record(|| {
        let writer = || {
            let mut file = tempfile::tempfile_in("/var/tmp").unwrap();
            for _ in 0..50 {
                file.write_all(&[7; 4096]).unwrap();
                file.sync_all().unwrap();
            }
        };
        named("syncer", writer).join().unwrap();
    });
    let time = find(&recorded, "syncer");
    assert!(time.wait_disk_ns * 100 >= asleep_ns(&time) * 90, "{time:?}");
    check_named(&mut recorded, "syncer");
}

/// [`check_states`] of this process's thread of that name.
#[track_caller]
fn check_named(recorded: &mut Recorded, name: &str) {
    let tid = recorded.own().threads.values().find(|thread| thread.comm == name).unwrap().tid;
    check_states(recorded, std::process::id(), tid);
}

/// What the probes added up for a thread is what its spans say: of each cause within 1 % of its time asleep.
#[track_caller]
pub fn check_states(recorded: &mut Recorded, pid: u32, tid: u32) -> ThreadTime {
    let threads = &recorded.with_pid(pid).threads;
    let totals = threads.values().find(|thread| thread.tid == tid).expect("it is in the capture").clone();
    let time = ThreadTime::of(&totals, recorded.timeline.whole_until_ns());
    let events = std::mem::take(&mut recorded.timeline.events);
    let observed = gather(&recorded.timeline, events);
    let evidence = attribution::weigh(&observed);
    let found = observed.threads.find(tid, totals.since_ns).expect("it has spans");
    let spans = states::of(&observed.threads.all[found], &evidence.futexes, 0, u64::MAX);
    for (what, counted, by_spans) in [
        ("disk", time.wait_disk_ns, spans.wait_disk_ns),
        ("network", time.wait_network_ns, spans.wait_network_ns),
        ("timer", time.wait_timer_ns, spans.wait_timer_ns),
        ("thread", time.wait_thread_ns, spans.wait_thread_ns + spans.wait_lock_ns),
        ("other", time.wait_other_ns, spans.wait_other_ns),
    ] {
        let off_ns = counted.abs_diff(by_spans);
        assert!(off_ns * 100 <= asleep_ns(&time), "{what}: {time:?} and by spans {spans:?}");
    }
    time
}

fn asleep_ns(time: &ThreadTime) -> u64 {
    time.lifetime_ns - time.on_cpu_ns() - time.runqueue_ns
}

/// Both ends of a pseudo terminal.
fn terminal() -> (File, File) {
    let (mut master, mut slave) = (-1, -1);
    // SAFETY: room for two descriptors, which are this function's then.
    unsafe {
        assert_eq!(libc::openpty(&raw mut master, &raw mut slave, null_mut(), null_mut(), null_mut()), 0);
        (File::from_raw_fd(master), File::from_raw_fd(slave))
    }
}
