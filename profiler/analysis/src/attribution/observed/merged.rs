//! Movements as cheaper probes might record them, for tests: attribution must say the same.

use capture::traffic::Payload;

const MERGED_NS: u64 = 1_000_000;

/// What a thread moved on a connection, one way and to one place, within a millisecond, as one record each.
pub fn merged(mut payloads: Vec<Payload>) -> Vec<Payload> {
    payloads.sort_by_key(|payload| payload.at_ns);
    let mut records: Vec<Payload> = Vec::with_capacity(payloads.len());
    for payload in payloads {
        let of = |payload: &Payload| (payload.tid, payload.cookie, payload.direction, payload.destination);
        let open = records.iter_mut().rev().take_while(|record| payload.at_ns - record.at_ns <= MERGED_NS);
        let continues = |record: &&mut Payload| {
            of(record) == of(&payload) && payload.at_ns - record.since_ns <= MERGED_NS
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
    records
}
