use std::{collections::BTreeMap, path::Path};

use analysis::trace;
use prost::Message as _;

use super::{
    Written,
    messages::{COUNTER, File, INSTANT, SLICE_BEGIN, SLICE_END},
};

fn fixture(name: &str) -> (Written, File) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    let mut bytes = Vec::new();
    let written = trace::of_capture(&path, |trace| super::write(trace, &mut bytes)).expect("a trace");
    (written, File::decode(&*bytes).expect("packets"))
}

#[test]
fn what_is_counted_is_what_is_there() {
    let (written, file) = fixture("quick.capture");
    let events = || file.packet.iter().filter_map(|packet| packet.track_event.as_ref());
    let of = |kind| events().filter(|event| event.r#type == Some(kind)).count() as u64;
    assert_eq!((of(SLICE_BEGIN), of(SLICE_END)), (written.slices, written.slices));
    assert_eq!((of(INSTANT), of(COUNTER)), (written.instants, written.counters));
    let ends = events().flat_map(|event| &event.terminating_flow_ids).count() as u64;
    assert_eq!(ends, written.flows);
    assert!(written.flows > 1_000 && written.slices > 10_000, "{written:?}");
}

/// A viewer drops an arrow whose end lies before its beginning, or that has none.
#[test]
fn each_flow_begins_once_and_before_it_ends() {
    let (_, file) = fixture("quick.capture");
    let (mut begun, mut ended) = (BTreeMap::new(), BTreeMap::new());
    for packet in &file.packet {
        let Some(event) = &packet.track_event else { continue };
        for flow in &event.flow_ids {
            assert_eq!(begun.insert(*flow, packet.timestamp), None, "flow {flow} begins twice");
        }
        for flow in &event.terminating_flow_ids {
            assert_eq!(ended.insert(*flow, packet.timestamp), None, "flow {flow} ends twice");
        }
    }
    for (flow, at) in &ended {
        assert!(begun.get(flow).is_some_and(|since| since <= at), "flow {flow} ends at {at:?}");
    }
}

/// On each track a slice ends before the next begins, and names are said before they are used.
#[test]
fn slices_of_a_track_follow_each_other() {
    let (_, file) = fixture("quick.capture");
    let (mut open, mut until, mut names) = (BTreeMap::new(), BTreeMap::new(), 0);
    for packet in &file.packet {
        names += packet.interned_data.iter().flat_map(|data| &data.event_names).count() as u64;
        let Some(event) = &packet.track_event else { continue };
        assert!(event.name_iid.is_none_or(|name| (1..=names).contains(&name)), "{event:?}");
        let (track, at) = (event.track_uuid, packet.timestamp);
        match event.r#type {
            Some(SLICE_BEGIN) => {
                assert!(until.get(&track).is_none_or(|until| *until <= at), "{event:?} at {at:?}");
                assert_eq!(open.insert(track, at), None, "{event:?}");
            }
            Some(SLICE_END) => {
                assert!(open.remove(&track).is_some_and(|since| since < at), "{event:?}");
                until.insert(track, at);
            }
            _ => {}
        }
    }
    assert!(open.is_empty(), "{open:?}");
}
