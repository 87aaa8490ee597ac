//! What could not be recorded, and what the probes cost.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The class of runs of our programs that the kernel skipped, because one was interrupted by itself.
pub const PROBE_REENTRY: &str = "probe_reentry";

/// Of these, those of the probe of arrivals: a softirq interrupted it as it saw a socket's backlog, in task context.
pub const ARRIVAL_REENTRY: &str = "arrival_reentry";

/// The class of stacks that had more frames than the kernel records.
pub const STACK_TRUNCATED: &str = "stack_truncated";

/// The class of records of the ring buffers that the daemon could not read.
pub const UNDECODABLE: &str = "undecodable";

/// The class of records and events of kinds that the reader does not know.
pub const UNKNOWN_KIND: &str = "unknown_kind";

/// The program that does nothing, among those of a [`ProbeWindow`].
pub const EMPTY_PROGRAM: &str = "empty";

/// The program that sees arrivals.
pub const ARRIVALS: &str = "sock_arrive";

/// Everything that could not be recorded so far, by class; classes without a loss are there with 0.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Losses {
    pub at_ns: u64,
    pub counts: BTreeMap<String, u64>,
}

/// A window in which the kernel counted the runs and the run time of every program. Outside of such windows
/// the statistics are off, because they cost every program on the host.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct ProbeWindow {
    pub from_ns: u64,
    pub to_ns: u64,
    pub programs: Vec<ProgramRuns>,
}

/// Datagrams that the profiler sent to itself before the recording, through probes that let them go; for each, sent and
/// received.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
pub struct ProbeDispatch {
    /// Before the probes were attached.
    pub bare_ns_per_trip: f64,
    pub probed_ns_per_trip: f64,
    /// Of probes.
    pub runs_per_trip: f64,
    /// Of the probes' runs, by the kernel's statistics, with what these add.
    pub counted_ns_per_trip: f64,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct ProgramRuns {
    pub program: String,
    pub runs: u64,
    pub run_ns: u64,
}
