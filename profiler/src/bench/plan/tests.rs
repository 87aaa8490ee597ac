//! Hostile matrix files: an error, or a plan.

use std::time::Duration;

use proptest::{collection::vec, prelude::any, sample::select};

use super::plan;
use super::{Room, parse, table};
use capture::testing::fuzz::fuzz;

/// What somebody could write for each key, and what is right but out of all proportion.
const LINES: [&str; 24] = [
    "swarms = [{ nodes = 4294967295, seeders = [1, 4294967294] }]",
    "swarms = [{ nodes = 4294967295, seeders = [1] }]",
    "swarms = [{ nodes = 0, seeders = [0] }]",
    "swarms = [{ nodes = 2, seeders = [] }]",
    "swarms = []",
    "file_sizes = [\"100MiB\", 9223372036854775807]",
    "file_sizes = [\"18446744073709551615\"]",
    "file_sizes = [\"1e300 GB\"]",
    "file_sizes = [\"16EiB\"]",
    "file_sizes = [-1]",
    "repetitions = 4294967295",
    "repetitions = 0",
    "repetitions = 99999999999999999999",
    "timeout = \"584542046090years\"",
    "timeout = \"99999999999999999999years\"",
    "timeout = \"∞\"",
    "stall_timeout = 1979-05-27",
    "link.rate_bits_per_s = 34359738360",
    "link.rate_bits_per_s = 9223372036854775807",
    "link.delay = \"584542046090years\"",
    "link.loss_percent = nan",
    "link.loss_percent = 1e308",
    "link = []",
    "others = true",
];

const WHOLE: &str = "systems = [\"transmission\"]\nswarms = [{ nodes = 2, seeders = [1] }]\nfile_sizes = [\"1GiB\"]\n\
                     repetitions = 3\ntimeout = \"90s\"\n[link]\nrate_bits_per_s = 8000\ndelay = \"5ms\"\n";

/// Read, planned and shown, or an error that names the file.
fn look(text: &str) {
    match parse(text, "made.toml") {
        Err(error) => assert!(error.to_string().contains("made.toml"), "{error}"),
        Ok(matrix) => {
            let room = Room { disk_bytes: u64::MAX, memory_bytes: u64::MAX, cpus: 2, ..Room::default() };
            let planned = plan(&matrix, &room);
            assert!(!planned.is_empty());
            assert!(table(&planned, &matrix, &room).contains("configurations fit"));
        }
    }
}

#[test]
fn a_run_longer_than_time_itself_is_planned_and_does_not_fit() {
    let text = WHOLE
        .replace("2, seeders = [1]", "4294967295, seeders = [1]")
        .replace("1GiB", "16383PiB")
        .replace("repetitions = 3", "repetitions = 4294967295");
    let matrix = parse(&text, "made.toml").expect("every value is one that may stand there");
    let room = Room { disk_bytes: u64::MAX, memory_bytes: u64::MAX, cpus: 2, ..Room::default() };
    let planned = plan(&matrix, &room);
    assert!(planned[0].needs.run > Duration::from_secs(1 << 60));
    assert!(table(&planned, &matrix, &room).contains("0 of 1 configurations fit, 0 runs"));
}

#[test]
fn no_matrix_ends_in_a_panic() {
    fuzz(&vec(select(LINES.to_vec()), 0..6), |lines| {
        look(&lines.join("\n"));
        // In the place of what is right, and of nothing twice.
        let key = |line: &str| line.split([' ', '.']).next().map(str::to_owned);
        let right =
            ["systems = [\"transmission\"]", "swarms = [{ nodes = 2, seeders = [1] }]", "file_sizes = [1]"];
        let kept = right.into_iter().filter(|line| lines.iter().all(|other| key(other) != key(line)));
        look(&kept.chain(lines.iter().copied()).collect::<Vec<_>>().join("\n"));
    });
}

#[test]
fn no_text_ends_in_a_panic() {
    let changes = vec((0..WHOLE.len(), any::<u8>()), 0..8);
    fuzz(&(changes, any::<String>(), 0..300_usize), |(changes, noise, depth)| {
        let mut bytes = WHOLE.as_bytes().to_vec();
        changes.into_iter().for_each(|(at, byte)| bytes[at] = byte);
        look(&String::from_utf8_lossy(&bytes));
        look(&noise);
        look(&format!("systems = {}", "[".repeat(depth)));
        look(&format!("{noise} = {{{noise}"));
    });
}
