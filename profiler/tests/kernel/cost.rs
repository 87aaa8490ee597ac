//! What the profiler says of its own cost.

use crate::{files::MIB, recorded::record};

/// Entry and exit of the softirq, the arrival, send and receive; kernels before 6.3 have no arrivals.
#[test]
fn the_way_to_a_probe_is_measured_on_datagrams_that_pass_five_and_the_maps_keep_to_their_limit() {
    let recorded = record(|| ());
    let trip = recorded.timeline.dispatch.expect("loopback takes datagrams");
    assert!((4.0..7.0).contains(&trip.runs_per_trip), "{trip:?}");
    assert!(trip.counted_ns_per_trip > 0.0, "{trip:?}");
    // Tables, whatever there is to record, and ring buffers on top, whose blocks have spare room of 1/32.
    let map_bytes = recorded.timeline.daemon.expect("the capture has its daemon").last.map_bytes;
    let cpus = std::thread::available_parallelism().unwrap().get() as u64;
    let ring_bytes = 16.max(cpus) * MIB * 33 / 32;
    assert!((ring_bytes..ring_bytes + 40 * MIB).contains(&map_bytes), "{map_bytes} bytes of maps");
}

/// A hog on the other thread of the core may last as long as the datagrams without probes: most recordings, not each.
#[test]
fn datagrams_that_pass_probes_take_longer() {
    let trips = [(); 3].map(|()| record(|| ()).timeline.dispatch.expect("loopback takes datagrams"));
    let longer = trips.iter().filter(|trip| trip.probed_ns_per_trip > trip.bare_ns_per_trip).count();
    assert!(longer >= 2, "{trips:?}");
}
