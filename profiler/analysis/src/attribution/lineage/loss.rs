//! Datagrams that were dropped before their sender tried again: what then looks like the sender's timer was the loss.

use super::Goal;
use crate::attribution::Evidence;
use capture::SocketEnds;

/// A drop may be told so much before the send that it was returns, or later.
const TOLD_NS: u64 = 1_500_000;

/// When the kernel last dropped something of a connection since the datagram before the goal's: sent to the socket `towards`, or
/// what that one answered. Nothing for streams, whose segments TCP sends again by itself.
pub fn before(evidence: &Evidence, goal: Goal, towards: Option<u64>) -> Option<u64> {
    let observed = evidence.observed;
    let (Goal::Send(sent), Some(towards)) = (goal, towards) else { return None };
    if observed.drops.is_empty() || sent.past.is_some() {
        return None;
    }
    let last = observed.traffic.last_datagram_between(sent.cookie, towards, sent.since_ns)?;
    let times = (last.since_ns.saturating_sub(TOLD_NS), sent.since_ns);
    let ends = |cookie: u64| {
        let sockets = &observed.traffic.sockets;
        sockets.iter().find(|socket| socket.cookie.id == cookie).map(|socket| &socket.ends)
    };
    let dropped = |at: u64, of: u64| {
        let of = ends(of)?;
        observed.drops.last_between(at, times, |source| is_from(of, source))
    };
    dropped(towards, sent.cookie).into_iter().chain(dropped(sent.cookie, towards)).max()
}

/// Whether a packet with this sender can be a socket's.
fn is_from(ends: &SocketEnds, source: std::net::SocketAddr) -> bool {
    let (local, source_ip) = (ends.local.ip().to_canonical(), source.ip().to_canonical());
    ends.local.port() == source.port() && (local.is_unspecified() || local == source_ip)
}
