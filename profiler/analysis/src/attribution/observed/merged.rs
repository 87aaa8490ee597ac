//! Movements as cheaper probes might record them, for tests: attribution must say the same.

use std::collections::HashMap;

use crate::rows::Rows;
use capture::{span::Span, traffic::Payload};

const MERGED_NS: u64 = 1_000_000;

/// What a thread moved on a connection, one way and to one place, within a millisecond in which it did not leave its CPU, as one
/// record each.
pub fn merged(payloads: Rows<Payload>, spans: impl IntoIterator<Item = Span>) -> Rows<Payload> {
    let mut left_ns: HashMap<u32, Vec<u64>> = HashMap::new();
    for span in spans {
        left_ns.entry(span.tid).or_default().push(span.off_ns);
    }
    left_ns.values_mut().for_each(|left_ns| left_ns.sort_unstable());
    let stayed = |tid: u32, from_ns: u64, to_ns: u64| {
        let left_ns = left_ns.get(&tid).map_or(&[][..], Vec::as_slice);
        let next = left_ns.partition_point(|&off_ns| off_ns < from_ns);
        left_ns.get(next).is_none_or(|&off_ns| off_ns >= to_ns)
    };
    let mut records: Vec<Payload> = Vec::with_capacity(payloads.len());
    for payload in payloads.into_order() {
        let of = |payload: &Payload| (payload.tid, payload.cookie, payload.direction, payload.destination);
        let open = records.iter_mut().rev().take_while(|record| payload.at_ns - record.at_ns <= MERGED_NS);
        let continues = |record: &&mut Payload| {
            of(record) == of(&payload)
                && payload.at_ns - record.since_ns <= MERGED_NS
                && stayed(payload.tid, record.at_ns, payload.at_ns)
        };
        match open.into_iter().find(continues) {
            Some(record) => {
                record.at_ns = payload.at_ns;
                record.bytes += payload.bytes;
                record.sequence = payload.sequence;
                record.empty_calls += payload.empty_calls;
            }
            None => records.push(payload),
        }
    }
    records.into_iter().collect()
}
