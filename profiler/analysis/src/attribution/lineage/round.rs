//! A round of a thread: what it did between two idle waits; and what bytes ended the wait before it.
//!
//! Bytes ended a wait only if they were still missing as it began. Which of a receive's bytes those were, the arrivals tell.

use abi::sockets::without_turn;

use super::Goal;
use crate::attribution::{
    Evidence,
    cause::Cause,
    observed::{
        payload::Movement,
        sequences::is_before,
        threads::{OffCpu, ThreadIndex},
    },
};
use capture::{Retransmit, traffic::Direction};

/// Bytes that a thread still missed as a wait began.
#[derive(Clone, Copy, Debug)]
pub struct Missing {
    pub receive: Movement,
    /// The first of them; None: a datagram.
    pub byte: Option<u32>,
    pub arrived_ns: u64,
}

/// Datagrams and bytes of other connections may be seen to arrive this long after the wake-up that they caused: an arrival is
/// recorded with its own clock reading.
const WAKE_UP_NS: u64 = 60_000;

/// A wait that has ended.
#[derive(Clone, Copy)]
pub struct Ended {
    pub thread: ThreadIndex,
    pub wait: usize,
    pub off: OffCpu,
    pub by: Cause,
    /// In a multiplexer.
    pub listened: bool,
    /// It is the wait before the goal's own round, and none of those before, in which a timer was armed for it.
    pub is_goals: bool,
}

/// What the goal still missed of its own connection as a wait began.
pub fn missing(evidence: &Evidence, ended: Ended, goal: Goal, until_ns: u64) -> Option<Missing> {
    let Ended { thread, wait, off, by: ended_by, listened, is_goals } = ended;
    let cookie = super::connection(goal)?;
    match (ended_by, goal) {
        // It waited for a thread, and not for bytes.
        (Cause::Thread { .. }, _) if !listened => return None,
        // A delay of its own rather than a poll; while it listens, bytes end it all the same.
        // Without arrivals a timer is believed.
        (Cause::Timer, _) if !evidence.observed.traffic.knows_arrivals(cookie) => return None,
        (Cause::Timer, _) if !listened && progressed(evidence, thread, wait, cookie) => {
            return None;
        }
        // The round had two reasons.
        (Cause::Timer | Cause::Thread { .. }, Goal::Send(_))
            if is_goals && evidence.triggers.of(thread, cookie).outweighs_messages(ended_by) =>
        {
            return None;
        }
        _ => {}
    }
    let since_ns = if ended_by == Cause::Network { began_ns(off) } else { off.off_ns };
    if let Goal::Receive(receive) = goal {
        return missing_at(evidence, &without_chatter(evidence, receive, since_ns), since_ns);
    }
    let traffic = &evidence.observed.traffic;
    let mut receives = traffic.on_socket_between(thread, cookie, Direction::Received, off.on_ns, until_ns);
    // A record may go on after the round: what came later was not needed for it.
    receives.find_map(|receive| {
        missing_at(evidence, &receive, since_ns).filter(|missing| missing.arrived_ns <= until_ns)
    })
}

/// Bytes of another connection that ended a wait: those that came first.
pub fn missing_elsewhere(
    evidence: &Evidence,
    thread: ThreadIndex,
    wait: usize,
    until_ns: u64,
) -> Option<Missing> {
    let all = &evidence.observed.threads.all[thread];
    let off = all.off_cpu(wait);
    let (segment, socket) = all.spans.look_at(wait, |span| (span.segment, span.socket));
    if segment.is_some() {
        // Nothing became readable as it woke.
        return None;
    }
    let moved = evidence.observed.traffic.of_thread_between(thread, off.on_ns, until_ns.max(off.on_ns));
    let receives = moved.filter(|movement| movement.direction == Direction::Received);
    let woke = receives
        .filter_map(|receive| missing_at(evidence, &receive, began_ns(off)))
        .filter(|missing| missing.arrived_ns <= off.runnable_ns.saturating_add(WAKE_UP_NS));
    match socket {
        // An interrupt knows the kernel's cookie only.
        Some(socket) => {
            woke.into_iter().find(|missing| without_turn(missing.receive.cookie) == without_turn(socket))
        }
        None => woke.min_by_key(|missing| missing.arrived_ns),
    }
}

/// What a thread first sent after a wait that brought no byte, by the socket that the wake-up names if it names one.
pub fn sent_after(evidence: &Evidence, thread: ThreadIndex, wait: usize, until_ns: u64) -> Option<Movement> {
    let all = &evidence.observed.threads.all[thread];
    let on_ns = all.off_cpu(wait).on_ns;
    let (segment, socket) = all.spans.look_at(wait, |span| (span.segment, span.socket));
    // An interrupt knows the kernel's cookie only.
    let is_its = |sent: &Movement| {
        segment.or(socket).is_none_or(|cookie| without_turn(cookie) == without_turn(sent.cookie))
    };
    let mut moved = evidence.observed.traffic.of_thread_between(thread, on_ns, until_ns.max(on_ns));
    moved.find(|movement| movement.direction == Direction::Sent && is_its(movement))
}

/// A receive without the bytes at its beginning that are next to nothing of what it still missed at a moment: a message that
/// came before the block, and was read with it.
fn without_chatter(evidence: &Evidence, receive: Movement, at_ns: u64) -> Movement {
    let reached = evidence.observed.traffic.missing_at(receive.cookie, at_ns);
    let (Some(first), Some(past)) = (receive.first_byte(), receive.past) else { return receive };
    let from =
        reached.filter(|reached| is_before(first, *reached) && is_before(*reached, past)).unwrap_or(first);
    let missing_bytes = past.wrapping_sub(from);
    // As a milestone does not count messages of less; of a small receive not more than an eighth.
    let chatter_bytes = (missing_bytes / 8).min(MESSAGE_BYTES).max(missing_bytes / 100);
    Movement { bytes: u64::from(missing_bytes - chatter_bytes), ..receive }
}

const MESSAGE_BYTES: u32 = 512;

/// When a wait began that the network ended. Bytes that come as a thread is about to leave its CPU wake it before it has left.
fn began_ns(OffCpu { off_ns, runnable_ns, .. }: OffCpu) -> u64 {
    if runnable_ns - off_ns < WAKE_UP_NS { off_ns.saturating_sub(WAKE_UP_NS) } else { off_ns }
}

/// The send that carried missing bytes; None where it was not recorded.
pub fn carrier(evidence: &Evidence, missing: Missing) -> Option<Movement> {
    let Missing { receive, byte, arrived_ns } = missing;
    let traffic = &evidence.observed.traffic;
    match byte {
        Some(byte) => {
            let sender = evidence.pairs.peer(evidence.observed.host.of(receive.cookie))?;
            traffic.carrier(sender.id, byte, receive.at_ns)
        }
        None => traffic.last_datagram(receive.cookie, arrived_ns),
    }
}

/// A lost byte that held up a missing one, and the send that carried it: TCP hands over nothing behind a gap, and the segment that
/// was sent again last closed it.
pub fn behind_a_gap(evidence: &Evidence, missing: Missing, sent: &Movement) -> Option<(Missing, Movement)> {
    let Missing { receive, byte, arrived_ns } = missing;
    let traffic = &evidence.observed.traffic;
    let byte = byte?;
    let reached = traffic.missing_at(receive.cookie, arrived_ns.checked_sub(1)?)?;
    let held_up = |segment: &Retransmit| {
        is_before(reached, segment.past)
            && is_before(segment.sequence, byte)
            && !is_before(byte, segment.past)
    };
    // Of one that has the byte itself the transit says so.
    let closed = traffic.resent(sent.cookie, sent.since_ns, arrived_ns).filter(held_up).last()?;
    let lost = if is_before(reached, closed.sequence) { closed.sequence } else { reached };
    let missing = Missing { byte: Some(lost), ..missing };
    carrier(evidence, missing).map(|sent| (missing, sent))
}

/// Whether the round before a wait moved bytes of a connection.
pub fn progressed(evidence: &Evidence, thread: ThreadIndex, wait: usize, cookie: u64) -> bool {
    let all = &evidence.observed.threads.all[thread];
    let began_ns = evidence.waits[thread].asked_before(wait).map_or(0, |before| all.off_cpu(before).on_ns);
    let off_ns = all.off_cpu(wait).off_ns;
    let traffic = &evidence.observed.traffic;
    let moved = |direction| traffic.on_socket_between(thread, cookie, direction, began_ns, off_ns).next();
    moved(Direction::Sent).or_else(|| moved(Direction::Received)).is_some()
}

/// When what of a receive had not arrived at a moment did; None if all had.
pub fn arrived_since(evidence: &Evidence, receive: &Movement, at_ns: u64) -> Option<u64> {
    missing_at(evidence, &without_chatter(evidence, *receive, at_ns), at_ns).map(|missing| missing.arrived_ns)
}

/// What of a receive had not arrived at a moment; None if all had.
fn missing_at(evidence: &Evidence, receive: &Movement, at_ns: u64) -> Option<Missing> {
    let traffic = &evidence.observed.traffic;
    let (Some(first), Some(past)) = (receive.first_byte(), receive.past) else {
        let arrived_ns = traffic.arrived_ns(receive).unwrap_or(receive.since_ns);
        return (arrived_ns > at_ns).then_some(Missing { receive: *receive, byte: None, arrived_ns });
    };
    let reached = traffic.missing_at(receive.cookie, at_ns).unwrap_or(first);
    let byte = if is_before(first, reached) { reached } else { first };
    is_before(byte, past).then(|| {
        let arrived_ns = traffic.byte_arrived_ns(receive.cookie, byte, receive.at_ns);
        Missing { receive: *receive, byte: Some(byte), arrived_ns: arrived_ns.unwrap_or(receive.at_ns) }
    })
}
