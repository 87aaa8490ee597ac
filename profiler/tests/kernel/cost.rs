//! What the profiler says of its own cost.

use crate::recorded::record;

/// Entry and exit of the softirq, the arrival, send and receive; kernels before 6.3 have no arrivals.
#[test]
fn the_way_to_a_probe_is_measured_on_datagrams_that_pass_five() {
    let recorded = record(|| ());
    let trip = recorded.timeline.dispatch.expect("loopback takes datagrams");
    assert!((4.0..7.0).contains(&trip.runs_per_trip), "{trip:?}");
    assert!(trip.probed_ns_per_trip > trip.bare_ns_per_trip, "{trip:?}");
    assert!(trip.counted_ns_per_trip > 0.0, "{trip:?}");
}
