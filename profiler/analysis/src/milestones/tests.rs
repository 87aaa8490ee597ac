use std::collections::BTreeMap;

use super::*;
use crate::timeline::Requested;
use capture::{ProcessSerial, ProcessTotals, Transfer};

const KIB: u64 = 1 << 10;
const REQUESTED_NS: u64 = 100;

/// One download of 100 KiB, requested at 100 ns.
struct Case {
    /// Time and KiB received so far.
    progress: &'static [(u64, u64)],
    /// Time of the last receive, and KiB in all.
    last: (u64, u64),
    /// Time of the application's 100 % and its resolution.
    p100: Option<(u64, u64)>,
}

const PLAIN: Case = Case {
    progress: &[(110, 10), (120, 20), (130, 60), (140, 95), (150, 104)],
    last: (150, 104),
    p100: Some((155, 10)),
};

/// `expected` has a word per milestone: `time-resolution@KiB`, and the final KiB last.
#[track_caller]
fn check(what: &str, case: Case, expected: &str) {
    let (timed, process) = case.build();
    let found = find(&timed, &process);
    let mut words: Vec<_> = found
        .milestones
        .iter()
        .map(|milestone| {
            let kernel =
                milestone.kernel.map_or("none".to_owned(), |s| format!("{}-{}", s.at_ns, s.resolution_ns));
            format!("{kernel}@{}", milestone.kernel_bytes.map_or(0, |bytes| bytes / KIB))
        })
        .collect();
    words.push(format!("{:?} {}", found.finish, found.final_bytes / KIB));
    assert_eq!(words.join(" "), expected, "{what}");
}

impl Case {
    fn build(&self) -> (TimedTransfer, Process) {
        let transfer = Transfer {
            label: "leecher".to_owned(),
            process: ProcessSerial(1),
            direction: Direction::Download,
            file_size_bytes: 100 * KIB,
            requested_ns: REQUESTED_NS,
        };
        let claim = |(at_ns, resolution_ns)| capture::Milestone {
            label: "leecher".to_owned(),
            name: MilestoneName::P100,
            at_ns,
            resolution_ns,
            bytes: 100 * KIB,
        };
        let claims = self.p100.map(|p100| (MilestoneName::P100, claim(p100))).into_iter().collect();
        let point = |&(at_ns, kib): &(u64, u64)| Point { at_ns, rx_bytes: kib * KIB, tx_bytes: 0 };
        let process = Process {
            totals: Some(ProcessTotals {
                at_ns: 1_000,
                process: ProcessSerial(1),
                pid: 1,
                parent_pid: 0,
                comm: "c".to_owned(),
                since_ns: 0,
                exited_ns: None,
                tcp_rx_bytes: 0,
                tcp_tx_bytes: 0,
                udp_rx_bytes: 0,
                udp_tx_bytes: 0,
                peer_rx_bytes: self.last.1 * KIB,
                peer_tx_bytes: 0,
                peer_rx_last_ns: (self.last.1 > 0).then_some(self.last.0),
                peer_tx_last_ns: None,
            }),
            progress: self.progress.iter().map(point).collect(),
            ..Process::default()
        };
        (
            TimedTransfer { transfer, requested: Requested::Recorded, claims, polling: None, checksum: None },
            process,
        )
    }
}

#[test]
fn milestones_are_fractions_of_the_kernels_final_count() {
    check("as it should be", PLAIN, "120-10@20 130-10@60 140-10@95 150-10@104 Claimed 104");
    check(
        "chatter after the end moves nothing",
        Case {
            progress: &[(120, 20), (130, 60), (140, 95), (150, 104), (900, 300)],
            last: (950, 310),
            ..PLAIN
        },
        "120-20@20 130-10@60 140-10@95 150-10@104 Claimed 104",
    );
    check(
        "the size is reached after the claim",
        Case { p100: Some((131, 2)), ..PLAIN },
        "120-10@20 130-10@60 140-10@95 150-10@60 Claimed 104",
    );
    check(
        "the last bytes have no progress record: the last receive's own time",
        Case { last: (153, 105), ..PLAIN },
        "120-10@20 130-10@60 140-10@95 153-8@105 Claimed 105",
    );
    check(
        "nobody claims: complete when the size was counted",
        Case { p100: None, ..PLAIN },
        "120-10@20 130-10@60 140-10@95 150-10@104 SizeReached 104",
    );
    check(
        "neither claimed nor complete",
        Case { progress: &[(110, 20), (120, 40)], last: (120, 40), p100: None },
        "110-10@20 110-10@20 120-10@40 120-10@40 Unknown 40",
    );
    check(
        "what moved before the request does not count",
        Case {
            progress: &[(90, 50), (110, 70), (120, 104), (130, 154)],
            last: (130, 154),
            p100: Some((140, 1)),
        },
        "110-10@20 120-10@54 130-10@104 130-10@104 Claimed 104",
    );
    check(
        "nothing moved",
        Case { progress: &[], last: (0, 0), p100: Some((140, 1)) },
        "none@0 none@0 none@0 none@0 Claimed 0",
    );
    check(
        "less than a first byte moved: half of it",
        Case { progress: &[(110, 10)], last: (110, 10), p100: None },
        "110-10@10 110-10@10 110-10@10 110-10@10 Unknown 10",
    );
    check(
        "totals older than the progress, in a cut capture",
        Case { last: (120, 20), ..PLAIN },
        "120-10@20 130-10@60 140-10@95 150-10@104 Claimed 104",
    );
}

#[test]
fn kernel_bytes_are_those_at_the_applications_time() {
    let (mut timed, process) = PLAIN.build();
    let p50 = capture::Milestone {
        name: MilestoneName::P50,
        at_ns: 145,
        ..timed.claims[&MilestoneName::P100].clone()
    };
    timed.claims = BTreeMap::from([(MilestoneName::P50, p50)]);
    assert_eq!(find(&timed, &process).milestones[1].kernel_bytes, Some(95 * KIB));
}

#[test]
fn uploads_are_found_in_what_was_sent() {
    let (mut timed, mut process) = PLAIN.build();
    timed.transfer.direction = Direction::Upload;
    for point in &mut process.progress {
        (point.rx_bytes, point.tx_bytes) = (0, point.rx_bytes);
    }
    assert_eq!(find(&timed, &process).milestones[1].kernel, Some(Sighting { at_ns: 130, resolution_ns: 10 }));
}

#[track_caller]
fn check_order(what: &str, times: [Option<u64>; 4], expected: Option<(MilestoneName, MilestoneName)>) {
    let mut names = NAMES.into_iter();
    let milestones = times.map(|at_ns| Milestone {
        name: names.next().expect("four names"),
        app: at_ns.map(|at_ns| Sighting { at_ns, resolution_ns: 0 }),
        kernel: None,
        kernel_bytes: None,
        chatter: None,
    });
    assert_eq!(out_of_order(&milestones, |milestone| milestone.app), expected, "{what}");
}

#[test]
fn order_is_checked_over_gaps() {
    use MilestoneName::{P50, P90, P100};
    check_order("none", [None; 4], None);
    check_order("in order", [Some(1), Some(2), Some(3), Some(4)], None);
    check_order("at the same time", [Some(1), Some(1), Some(1), Some(1)], None);
    check_order("50 % after 90 %", [Some(1), Some(3), Some(2), Some(4)], Some((P50, P90)));
    check_order("50 % after 100 %, nothing between", [Some(1), Some(3), None, Some(2)], Some((P50, P100)));
}

/// What came in messages behind the last block is told apart, and ends no phase.
#[test]
fn chatter_behind_the_last_block_is_no_part_of_the_transfer() {
    let (timed, mut process) = PLAIN.build();
    let blocks = [(110, 10 * KIB), (120, 60 * KIB), (130, 104 * KIB)];
    let messages = (1..=20).map(|n| (130 + n * 20_000_000, 104 * KIB + n * 10));
    let point = |(at_ns, rx_bytes)| Point { at_ns, rx_bytes, tx_bytes: 0 };
    process.progress = blocks.into_iter().chain(messages).map(point).collect();
    let totals = process.totals.as_mut().unwrap();
    (totals.peer_rx_bytes, totals.peer_rx_last_ns) = (104 * KIB + 200, Some(400_000_130));
    let late = TimedTransfer {
        claims: timed
            .claims
            .into_iter()
            .map(|(name, claim)| (name, capture::Milestone { at_ns: 400_000_200, ..claim }))
            .collect(),
        ..timed
    };
    let p100 = find(&late, &process).milestones[3];
    assert_eq!(p100.kernel.map(|sighting| sighting.at_ns), Some(130));
    assert_eq!(p100.chatter, Some(Chatter { bytes: 200, lasted_ns: 400_000_000 }));
    assert_eq!(p100.kernel_bytes, Some(104 * KIB + 200), "at the application's time");
    // A last block that is late is one all the same.
    process.progress.truncate(3);
    process.progress.push(point((400_000_130, 104 * KIB + 16 * KIB)));
    process.totals.as_mut().unwrap().peer_rx_bytes = 120 * KIB;
    let p100 = find(&late, &process).milestones[3];
    assert_eq!((p100.kernel.map(|sighting| sighting.at_ns), p100.chatter), (Some(400_000_130), None));
}
