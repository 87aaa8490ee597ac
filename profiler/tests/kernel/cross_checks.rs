//! The kernel's own counts beside ours, of real work, and of captures that somebody edited.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::Ipv4Addr,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use analysis::report::{self, Comparison};
use capture::{Record, Writer};

use crate::{bytes::connect, image::Image, recorded::record_to};

const PAYLOAD_BYTES: usize = 12_345_678;
const FILE_BYTES: usize = 8 << 20;
const BUSY: Duration = Duration::from_millis(300);

#[test]
fn the_kernel_counted_the_same_and_an_edit_is_found() {
    let folder = tempfile::tempdir_in("/var/tmp").expect("make a folder");
    let path = folder.path().join("run.capture");
    record_to(&path, || work(folder.path()));
    let rows = cross_checks(&path);
    let own = format!("-{}", std::process::id());
    for (what, least) in [
        ("received over TCP", PAYLOAD_BYTES),
        ("sent over TCP", PAYLOAD_BYTES),
        ("read by calls", FILE_BYTES),
        ("written by calls", FILE_BYTES),
        ("dirtied, or direct", FILE_BYTES),
        ("time on the CPU", BUSY.as_nanos() as usize),
        ("time on the CPU of live threads", BUSY.as_nanos() as usize),
        ("payload sent", PAYLOAD_BYTES),
        ("payload received", PAYLOAD_BYTES),
    ] {
        let mut found = rows.iter().filter(|row| row.what == what);
        let row = found.find(|row| {
            row.of.contains(&own) || row.of.contains("connections") || row.of.contains("namespace")
        });
        let row = row.unwrap_or_else(|| panic!("no {what} in {rows:#?}"));
        assert!(row.agrees, "{row:?}");
        assert!(row.ours >= least as u64, "less than {least}: {row:?}");
    }
    // Hosts that hide completions are what that cross-check is for: see the limitations.
    let devices = rows.iter().filter(|row| row.what == "written to the device");
    let device = devices.max_by_key(|row| row.theirs).expect("a device wrote");
    assert!(device.theirs >= FILE_BYTES as u64, "{device:?}");

    check_edited(&path, "sent over TCP", |record| {
        if let Record::SocketTotals(totals) = record {
            totals.tx_bytes = totals.tx_bytes.saturating_sub(1);
        }
    });
    // The kernel counts a connection's FIN as a byte received (6.18): up to two, if both came before the sockets were closed.
    check_edited(&path, "received over TCP", |record| {
        if let Record::SocketTotals(totals) = record
            && totals.rx_bytes > 1_000_000
        {
            totals.rx_bytes += 3;
        }
    });
    check_edited(&path, "read by calls", |record| {
        if let Record::ThreadIo(io) = record
            && !io.baseline
        {
            io.read_chars /= 2;
        }
    });
    check_edited(&path, "dirtied, or direct", |record| {
        if let Record::InodeUse(file) = record {
            file.dirtied_bytes /= 2;
        }
    });
    check_edited(&path, "time on the CPU", |record| {
        if let Record::ThreadTotals(thread) = record {
            thread.cpu_ns /= 2;
        }
    });
    check_edited(&path, "payload received", |record| {
        if let Record::SocketTotals(totals) = record {
            totals.rx_bytes *= 1000;
        }
    });
    check_edited(&path, "written to the device", |record| {
        if let Record::DeviceTotals(device) = record {
            device.bytes += 1 << 40;
        }
    });
}

/// Each directory has a page of its own. ext4 without a journal dirties it in the writer's context, and the kernel's
/// accounting has it; with a journal neither count has.
#[test]
fn pages_of_directories_are_counted_as_the_accounting_does() {
    const DIRECTORIES: usize = 1000;
    let folder = tempfile::tempdir_in("/var/tmp").expect("make a folder");
    let path = folder.path().join("run.capture");
    let image = Image::mount(&["mkfs.ext4", "-q", "-b", "4096", "-O", "^has_journal"], 64 << 20, "noatime");
    record_to(&path, || {
        for number in 0..DIRECTORIES {
            fs::create_dir(image.folder().join(number.to_string())).expect("make a directory");
        }
    });
    let rows = cross_checks(&path);
    let row = rows.iter().find(|row| row.what == "dirtied, or direct").expect("a row");
    assert!(row.ours >= DIRECTORIES as u64 * 4096, "{row:?}");
    assert!(row.ours.abs_diff(row.theirs) < (DIRECTORIES as u64 * 4096) / 100, "{row:?}");
    assert!(row.agrees, "{row:?}");
}

/// TCP, a file, and the CPU.
fn work(folder: &Path) {
    let (mut near, mut far) = connect((Ipv4Addr::LOCALHOST, 0).into());
    let reader = thread::spawn(move || {
        let mut received = Vec::new();
        far.read_to_end(&mut received).expect("receive");
        received.len()
    });
    near.write_all(&vec![7; PAYLOAD_BYTES]).expect("send");
    drop(near);
    assert_eq!(reader.join().expect("the reader"), PAYLOAD_BYTES);
    let path = folder.join("file");
    let mut file = fs::File::create(&path).expect("create a file");
    file.write_all(&vec![7; FILE_BYTES]).expect("write a file");
    file.sync_all().expect("write it to its device");
    assert_eq!(fs::read(&path).expect("read it").len(), FILE_BYTES);
    let begun = Instant::now();
    while begun.elapsed() < BUSY * 2 {
        std::hint::spin_loop();
    }
    // The last acknowledgements of the connection.
    thread::sleep(Duration::from_millis(200));
}

/// Changes the capture's records; the witness notices, and the report says so.
#[track_caller]
fn check_edited(path: &Path, what: &str, edit: impl Fn(&mut Record)) {
    let edited = path.with_extension("edited");
    let _ = fs::remove_file(&edited);
    let mut original = capture::read(path).expect("open the capture");
    let mut writer = Writer::create(&edited).expect("another capture");
    while let Some(mut record) = original.next().expect("a record") {
        edit(&mut record);
        writer.push(&record).expect("write it");
    }
    writer.finish_frame().expect("the last frame");
    let trust = report::of_capture(&edited).expect("a report").trust;
    let noticed = trust.cross_checks.iter().any(|row| row.what == what && !row.agrees);
    assert!(noticed, "{what}: {:#?}", trust.cross_checks);
    assert!(trust.reasons.iter().any(|reason| reason.starts_with(what)), "{what}: {:#?}", trust.reasons);
}

fn cross_checks(path: &Path) -> Vec<Comparison> {
    report::of_capture(path).expect("a report").trust.cross_checks
}
