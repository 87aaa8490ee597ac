//! What time went to, with the colour and the words of each: one hue a resource, pale where it is on the peer's side.

use std::collections::BTreeMap;

use analysis::{
    attribution::shares::{NetworkDetail, Shares},
    report::TransferReport,
};

/// A share, or a part of the network's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Of the style sheet, and of the JSON report.
    pub class: &'static str,
    pub label: &'static str,
    /// Behind a percentage.
    pub in_words: &'static str,
}

/// In the order in which they are stacked, from the top: one's own, the network, the peers'.
pub static PARTS: [Part; 22] = [
    part("cpu", "cpu", "computing"),
    part("cpu_wait", "cpu wait", "waiting for a CPU"),
    part("disk", "disk", "waiting for a disk"),
    part("lock", "lock", "waiting for a lock"),
    part("memory", "memory", "waiting for memory"),
    part("timer", "timer", "waiting for its own timer"),
    part("other", "other", "other"),
    part("link", "link", "on the link"),
    part("nagle", "nagle", "held back by Nagle's algorithm"),
    part("cwnd", "cwnd", "held back by the congestion window"),
    part("pacing", "pacing", "held back by pacing"),
    part("peer_window", "peer window", "held back by the peer's window"),
    part("retransmit", "retransmit", "until lost segments had come again"),
    part("loss", "loss", "until dropped datagrams were sent again"),
    part("unknown", "network, unknown", "in the network, not known where"),
    part("peer_cpu", "peer: cpu", "while the peer computed"),
    part("peer_cpu_wait", "peer: cpu wait", "while the peer waited for a CPU"),
    part("peer_disk", "peer: disk", "while the peer waited for a disk"),
    part("peer_lock", "peer: lock", "while the peer waited for a lock"),
    part("peer_memory", "peer: memory", "while the peer waited for memory"),
    part("peer_timer", "peer: timer", "waiting for the peer's timer"),
    part("peer_other", "peer: other", "other of the peer"),
];

const fn part(class: &'static str, label: &'static str, in_words: &'static str) -> Part {
    Part { class, label, in_words }
}

/// Shares with the network's in parts, in the order of [`PARTS`].
pub fn values(shares: &Shares<f64>, detail: &NetworkDetail<f64>) -> [f64; PARTS.len()] {
    let named: BTreeMap<&str, f64> = shares.named().into_iter().chain(detail.named()).collect();
    PARTS.each_ref().map(|part| named.get(part.class).copied().unwrap_or(0.0))
}

/// Those that are there, each with where it begins below the top and how high it is, as parts of the whole.
pub fn stacked(values: [f64; PARTS.len()]) -> Vec<(&'static Part, f64, f64)> {
    let mut top = 0.0;
    let mut stack = Vec::new();
    for (part, value) in PARTS.iter().zip(values) {
        if value >= SHOWN {
            stack.push((part, top, value));
        }
        top += value;
    }
    stack
}

/// Less is not seen.
const SHOWN: f64 = 0.002;

/// What a process did, by the name of its share as it sees it itself; `None` for the network, which is nobody's.
pub fn of_process(share: &str, is_own: bool) -> Option<&'static Part> {
    let peers = format!("peer_{share}");
    let class = if is_own { share } else { &peers };
    PARTS.iter().find(|part| part.class == class)
}

/// Parts of a transfer's whole time, the largest first.
pub fn of_transfer(transfer: &TransferReport) -> Vec<(&'static Part, f64)> {
    let mut sums = [0.0; PARTS.len()];
    let mut wall_s = 0.0;
    for phase in &transfer.phases {
        let Some(budget) = &phase.budget else { continue };
        wall_s += phase.wall_s;
        for (sum, value) in sums.iter_mut().zip(values(&budget.shares, &budget.network_detail)) {
            *sum += value * phase.wall_s;
        }
    }
    let mut all: Vec<_> = PARTS.iter().zip(sums).map(|(part, sum)| (part, sum / wall_s)).collect();
    all.retain(|(_, share)| *share > 0.0);
    all.sort_by(|one, other| other.1.total_cmp(&one.1));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One that is not in the list would not be drawn.
    #[test]
    fn every_share_is_a_part() {
        let named = Shares::<f64>::default().named().into_iter().map(|(name, _)| name);
        let detail = NetworkDetail::<f64>::default().named().into_iter().map(|(name, _)| name);
        let missing: Vec<&str> = named
            .filter(|name| *name != "network")
            .chain(detail)
            .filter(|name| !PARTS.iter().any(|part| part.class == *name))
            .collect();
        assert_eq!(missing, Vec::<&str>::new());
    }
}
