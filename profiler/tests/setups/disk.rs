//! Programs that wait for the disk, and move nothing over a network.

use std::time::Duration;

use libtest_mimic::Trial;

use crate::{
    cgroup::Cgroup,
    expect::{at_least, truth, within},
    log::State,
    programs::{Program, Reader, Syncer, disk::By},
    stage::{ANYWHERE, Place, Stage, core},
    trial,
};

/// The limit lets the first bytes pass at once: little of so many.
const FILE_BYTES: usize = 40_000_000;

pub fn trials() -> Vec<Trial> {
    vec![
        trial("disk::throttled_direct", || throttled(By::Direct)),
        trial("disk::throttled_page_cache", || throttled(By::PageCache)),
        trial("disk::throttled_mmap", || throttled(By::Mmap)),
        trial("disk::fsync_after_every_block", fsync_after_every_block),
    ]
}

fn throttled(by: By) {
    let mut stage = Stage::new();
    let limit = Cgroup::with_disk_limit(stage.folder(), 20_000_000);
    let path = stage.cold_file(FILE_BYTES);
    let place = Place { cgroup: Some(&limit), ..ANYWHERE };
    stage.start("reader", Program::Reader(Reader { path, by }), place);
    let outcome = stage.play();
    let log = outcome.truth("reader");
    let whole = log.whole();
    let mb_per_s = log.moved_bytes(State::Read) as f64 * 1e3 / whole.ns() as f64;
    truth("MB/s", mb_per_s, within(20.0, 1.0));
    let reads = log.waits(State::Read, whole);
    truth("the reader waits", reads.off_cpu, at_least(0.95));
    outcome.check_wait("reader", "wait_disk", reads);
    outcome.path("reader").bottleneck("disk").waited("disk", reads);
}

fn fsync_after_every_block() {
    let mut stage = Stage::new();
    let limit = Cgroup::with_disk_limit(stage.folder(), 20_000_000);
    let path = stage.folder().join("synced");
    let program = Syncer { path, block_bytes: 256 << 10, time: Duration::from_millis(1500) };
    stage.start(
        "syncer",
        Program::Syncer(program),
        Place { cgroup: Some(&limit), core: core(1), ..ANYWHERE },
    );
    let outcome = stage.play();
    let log = outcome.truth("syncer");
    let syncs = log.waits(State::Fsync, log.whole());
    truth("the writer waits for fsync", syncs.off_cpu, at_least(0.9));
    outcome.check_wait("syncer", "wait_disk", syncs);
    outcome.path("syncer").bottleneck("disk").waited("disk", syncs).longest("disk", &["call"], "fsync");
}
