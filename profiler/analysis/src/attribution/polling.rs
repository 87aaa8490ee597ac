//! Busy polling: CPU time of a thread that asked again and again for bytes that had not arrived.
//!
//! Between two payloads of a thread, the time up to the arrival of the second was polled if calls on its
//! socket came back empty meanwhile. A thread that computes between empty calls polls as well, by this
//! measure.

use crate::attribution::{observed::traffic::Traffic, segment::Segment, shares::Share};
use capture::traffic::Direction;

/// How much of a segment was polled; 0 unless it is CPU time.
pub fn polled_ns(traffic: &Traffic, segment: Segment) -> u64 {
    let (Share::Cpu, Some(thread)) = (segment.share, segment.thread) else { return 0 };
    let mut since_ns = segment.from_ns;
    let mut polled_ns = 0;
    for payload in traffic.of_thread_between(thread, segment.from_ns, u64::MAX) {
        if payload.since_ns <= segment.from_ns {
            continue;
        }
        if payload.direction == Direction::Received && payload.empty_calls > 0 {
            let arrived_ns = traffic.arrived_ns(&payload).unwrap_or(payload.since_ns);
            polled_ns += arrived_ns.min(payload.since_ns).min(segment.to_ns).saturating_sub(since_ns);
        }
        if payload.since_ns >= segment.to_ns {
            break;
        }
        since_ns = since_ns.max(payload.at_ns);
    }
    polled_ns
}
