//! Nodes whose payload is moved by their children, as rsync's daemon has one for each connection: what is said of such a
//! node is said of those.

use std::collections::BTreeMap;

use capture::{Direction, ProcessSerial, Transfer};

use super::Process;

/// Hands the label of a process on to its descendants that moved more payload than it did, if any did, and a transfer to
/// the one of them that moved most of it.
pub fn take_over(processes: &mut BTreeMap<ProcessSerial, Process>, transfers: &mut [Transfer]) {
    let labelled: Vec<_> = processes.iter().filter(|(_, process)| process.label.is_some()).collect();
    let labelled: Vec<_> = labelled.into_iter().map(|(serial, _)| *serial).collect();
    for node in labelled {
        let own_bytes = moved(&processes[&node]);
        let mut heirs = descendants(processes, node);
        heirs.retain(|heir| moved(&processes[heir]) > own_bytes && processes[heir].label.is_none());
        if heirs.is_empty() {
            continue;
        }
        for transfer in transfers.iter_mut().filter(|transfer| transfer.process == node) {
            let of = |heir: &&ProcessSerial| in_direction(&processes[heir], transfer.direction);
            transfer.process = heirs.iter().max_by_key(of).copied().unwrap_or(node);
        }
        let label = processes.get_mut(&node).and_then(|process| process.label.take());
        for heir in heirs {
            if let Some(process) = processes.get_mut(&heir) {
                process.label = label.clone().map(|label| capture::Label { process: heir, ..label });
            }
        }
    }
}

fn moved(process: &Process) -> u64 {
    process.totals.as_ref().map_or(0, |totals| totals.peer_rx_bytes + totals.peer_tx_bytes)
}

fn in_direction(process: &Process, direction: Direction) -> u64 {
    process.totals.as_ref().map_or(0, |totals| match direction {
        Direction::Upload => totals.peer_tx_bytes,
        Direction::Download | Direction::Intake => totals.peer_rx_bytes,
    })
}

/// Those that it started, and those that they did.
fn descendants(processes: &BTreeMap<ProcessSerial, Process>, node: ProcessSerial) -> Vec<ProcessSerial> {
    let mut found = vec![node];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        next += 1;
        let Some(totals) = &processes[&parent].totals else { continue };
        // A process is a target before its children are; an id that is used again is a later process's.
        let until = processes.range(parent..).skip(1);
        let until = until.take_while(|(_, other)| other.totals.as_ref().is_none_or(|o| o.pid != totals.pid));
        let children =
            until.filter(|(_, child)| child.totals.as_ref().is_some_and(|c| c.parent_pid == totals.pid));
        found.extend(children.map(|(serial, _)| *serial));
    }
    found.split_off(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::{Timeline, sample::timeline};
    use capture::testing::sample::*;
    use capture::{Record, Role};

    const CHILD: ProcessSerial = ProcessSerial(7);

    fn child(of: ProcessSerial, rx_bytes: u64, tx_bytes: u64) -> Record {
        let Record::ProcessTotals(mut totals) = process(CHILD, "child", rx_bytes, tx_bytes) else {
            unreachable!("a process's totals")
        };
        let Record::ProcessTotals(parent) = process(of, "parent", 0, 0) else {
            unreachable!("a process's totals")
        };
        totals.parent_pid = parent.pid;
        Record::ProcessTotals(totals)
    }

    /// A leecher with a transfer that received so much itself, and a child.
    fn told(own_bytes: u64, child: Record) -> Timeline {
        let leecher = process(LEECHER, "rsync", own_bytes, 0);
        timeline(vec![start(), label(LEECHER, Role::Leecher), transfer(), leecher, child, end()])
    }

    #[track_caller]
    fn check(timeline: &Timeline, whose: ProcessSerial) {
        assert_eq!(timeline.transfers[0].transfer.process, whose);
        let labelled: Vec<_> =
            timeline.processes.iter().filter(|(_, process)| process.label.is_some()).collect();
        assert_eq!(labelled.iter().map(|(serial, _)| **serial).collect::<Vec<_>>(), [whose]);
        assert_eq!(labelled[0].1.name(), "leecher-1");
    }

    #[test]
    fn a_child_that_moved_the_payload_is_the_node() {
        check(&told(132, child(LEECHER, PEER_BYTES, 10)), CHILD);
    }

    #[test]
    fn a_node_that_moved_it_itself_stays_one() {
        check(&told(PEER_BYTES, child(LEECHER, 1_000, 10)), LEECHER);
        check(&told(132, child(SEEDER, PEER_BYTES, 10)), LEECHER);
    }
}
