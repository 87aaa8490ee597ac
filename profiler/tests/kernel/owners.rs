//! Files whose pages one process dirties, and another process or a kernel thread moves to the device.

use std::{
    fs::{self, File},
    os::fd::AsRawFd as _,
    thread,
    time::Duration,
};

use capture::Operation::{self, Write};

use crate::{
    actor::Actor,
    files::{MIB, folder, write_blocks, write_mapped, write_out},
    recorded::{Recorded, record, record_others},
};

#[test]
fn each_writer_is_credited_with_its_own_bytes_when_a_stranger_syncs_them() {
    check_sync_by_a_third(false, |file| file.sync_all().unwrap());
}

#[test]
fn each_writer_is_credited_with_its_own_bytes_when_another_target_syncs_them() {
    check_sync_by_a_third(true, |file| {
        // The whole file system, by its writeback worker.
        // SAFETY: an open file.
        assert_eq!(unsafe { libc::syncfs(file.as_raw_fd()) }, 0);
    });
}

#[track_caller]
fn check_sync_by_a_third(is_target: bool, sync: fn(&File)) {
    let folder = folder();
    let (mapped, written) = (folder.path().join("mapped"), folder.path().join("written"));
    let mapper = Actor::new(|| write_mapped(&mapped, 32 * MIB));
    let writer = Actor::new(|| write_blocks(&written, (0..24).map(|i| i * MIB), 0));
    let third =
        Actor::new(|| [&mapped, &written].map(File::open).into_iter().for_each(|f| sync(&f.unwrap())));
    let pids = [mapper.pid, writer.pid, third.pid];
    let recorded = record_others(|recording| {
        for pid in &pids[..if is_target { 3 } else { 2 }] {
            recording.register(*pid).unwrap();
        }
        mapper.act();
        writer.act();
        third.act();
    });
    check("through the mapping", credited(&recorded, pids[0], Write), 32 * MIB);
    check("by calls", credited(&recorded, pids[1], Write), 24 * MIB);
    if is_target {
        assert_eq!(credited(&recorded, pids[2], Write), 0, "the third wrote nothing itself");
    }
}

#[test]
fn a_buffered_write_belongs_to_its_writer() {
    let folder = folder();
    let recorded = record(|| {
        let path = folder.path().join("written");
        write_blocks(&path, (0..32).map(|i| i * MIB), 0);
        File::open(&path).unwrap().sync_all().unwrap();
    });
    check("written and synced", credited(&recorded, std::process::id(), Write), 32 * MIB);
    check("dirtied", recorded.own().dirtied_bytes, 32 * MIB);
}

#[test]
fn each_of_some_thousand_files_counts() {
    let folder = folder();
    let recorded = record(|| {
        for number in 0..3000 {
            fs::write(folder.path().join(number.to_string()), [7]).unwrap();
        }
    });
    // A page each.
    check("dirtied", recorded.own().dirtied_bytes, 3000 * 4096);
}

#[test]
fn a_synchronous_write_belongs_to_its_writer() {
    let folder = folder();
    let recorded =
        record(|| write_blocks(&folder.path().join("written"), (0..8).map(|i| i * MIB), libc::O_SYNC));
    check("written with O_SYNC", credited(&recorded, std::process::id(), Write), 8 * MIB);
}

#[test]
fn a_file_written_twice_counts_twice_though_it_was_forgotten_in_between() {
    let folder = folder();
    let path = folder.path().join("written");
    let recorded = record(|| {
        for pause_s in [8, 0] {
            write_blocks(&path, (0..8).map(|i| i * MIB), 0);
            File::open(&path).unwrap().sync_all().unwrap();
            // The kernel's tables keep a file that is on the device as a whole for 5 s.
            thread::sleep(Duration::from_secs(pause_s));
        }
    });
    check("written twice", credited(&recorded, std::process::id(), Write), 16 * MIB);
}

#[test]
fn two_writers_of_one_file_have_their_shares() {
    let folder = folder();
    let path = folder.path().join("shared");
    let even = Actor::new(|| write_blocks(&path, (0..32).step_by(2).map(|i| i * MIB), 0));
    let odd = Actor::new(|| write_blocks(&path, (1..16).step_by(2).map(|i| i * MIB), 0));
    let pids = [even.pid, odd.pid];
    let recorded = record_others(|recording| {
        let _ = pids.map(|pid| recording.register(pid).unwrap());
        even.act();
        odd.act();
        File::open(&path).unwrap().sync_all().unwrap();
    });
    check("two thirds", credited(&recorded, pids[0], Write), 16 * MIB);
    check("one third", credited(&recorded, pids[1], Write), 8 * MIB);
}

#[test]
fn a_stranger_who_writes_to_the_file_of_a_target_keeps_its_bytes() {
    for stranger_first in [false, true] {
        let folder = folder();
        let path = folder.path().join("shared");
        let target = Actor::new(|| write_blocks(&path, (0..8).map(|i| i * MIB), 0));
        let stranger = Actor::new(|| write_blocks(&path, (8..32).map(|i| i * MIB), 0));
        let pid = target.pid;
        let recorded = record_others(|recording| {
            recording.register(pid).unwrap();
            let (first, second) = if stranger_first { (stranger, target) } else { (target, stranger) };
            first.act();
            second.act();
            File::open(&path).unwrap().sync_all().unwrap();
        });
        check("the target's", credited(&recorded, pid, Write), 8 * MIB);
    }
}

#[test]
fn of_a_file_that_is_written_in_part_so_far_each_has_its_share() {
    let folder = folder();
    let path = folder.path().join("shared");
    let target = Actor::new(|| write_blocks(&path, (0..8).map(|i| i * MIB), 0));
    let stranger = Actor::new(|| write_blocks(&path, (8..16).map(|i| i * MIB), 0));
    let pid = target.pid;
    let recorded = record_others(|recording| {
        recording.register(pid).unwrap();
        target.act();
        stranger.act();
        write_out(&path, 0, 8 * MIB);
    });
    check("half of the half", credited(&recorded, pid, Write), 4 * MIB);
}

/// Of 1 %: what a process moves beside what the test lets it move is less.
#[track_caller]
pub fn check(what: &str, got: u64, expected: u64) {
    assert!(got.abs_diff(expected) * 100 <= expected, "{what}: {got} bytes, not {expected}");
}

/// Bytes on devices that were credited to a process.
pub fn credited(recorded: &Recorded, pid: u32, operation: Operation) -> u64 {
    recorded.timeline.credited_bytes(recorded.with_pid(pid), operation)
}
