//! The real probes against real traffic, disks and threads. Needs root; without it every test fails.
//!
//! The test process is its own target, so it knows to the byte what it did.

#[path = "kernel/actor.rs"]
mod actor;
#[path = "kernel/bench.rs"]
mod bench;
#[path = "kernel/brief.rs"]
mod brief;
#[path = "kernel/bytes.rs"]
mod bytes;
#[path = "kernel/calls.rs"]
mod calls;
#[path = "kernel/capabilities.rs"]
mod capabilities;
#[path = "kernel/cost.rs"]
mod cost;
#[path = "kernel/counters.rs"]
mod counters;
#[path = "kernel/cross_checks.rs"]
mod cross_checks;
#[path = "kernel/daemon.rs"]
mod daemon;
#[path = "kernel/deluge.rs"]
mod deluge;
#[path = "kernel/described.rs"]
mod described;
#[path = "kernel/devices.rs"]
mod devices;
#[path = "kernel/disk.rs"]
mod disk;
#[path = "kernel/drops.rs"]
mod drops;
#[path = "kernel/faults.rs"]
mod faults;
#[path = "kernel/file_rings.rs"]
mod file_rings;
#[path = "kernel/file_ways.rs"]
mod file_ways;
#[path = "kernel/files.rs"]
mod files;
#[path = "kernel/first_threads.rs"]
mod first_threads;
#[path = "kernel/fuse.rs"]
mod fuse;
#[path = "kernel/groups.rs"]
mod groups;
#[path = "kernel/held.rs"]
mod held;
#[path = "kernel/hooks.rs"]
mod hooks;
#[path = "kernel/image.rs"]
mod image;
#[path = "kernel/limits.rs"]
mod limits;
#[path = "kernel/losses.rs"]
mod losses;
#[path = "kernel/matrix.rs"]
mod matrix;
#[path = "kernel/memory.rs"]
mod memory;
#[path = "kernel/modules.rs"]
mod modules;
#[path = "kernel/netem.rs"]
mod netem;
#[path = "kernel/network.rs"]
mod network;
#[path = "kernel/owners.rs"]
mod owners;
#[path = "kernel/pcap.rs"]
mod pcap;
#[path = "kernel/processes.rs"]
mod processes;
#[path = "kernel/readers.rs"]
mod readers;
#[path = "kernel/reconnects.rs"]
mod reconnects;
#[path = "kernel/recorded.rs"]
mod recorded;
#[path = "kernel/runs.rs"]
mod runs;
#[path = "kernel/spans.rs"]
mod spans;
#[path = "kernel/stacked.rs"]
mod stacked;
#[path = "kernel/storms.rs"]
mod storms;
#[path = "kernel/streams.rs"]
mod streams;
#[path = "kernel/threads.rs"]
mod threads;
#[path = "kernel/time.rs"]
mod time;
#[path = "kernel/timers.rs"]
mod timers;
#[path = "kernel/traffic.rs"]
mod traffic;
#[path = "kernel/verify.rs"]
mod verify;
#[path = "kernel/wakes.rs"]
mod wakes;
#[path = "kernel/xfs.rs"]
mod xfs;
