//! Names of probe families that a reader of captures asks for.

/// The family without which control groups have the members that they have at the start.
pub const GROUPS: &str = "control groups";

/// The family without which nothing is known of time.
pub const SCHEDULING: &str = "scheduling";

/// The family without which the cause of a wait is not known.
pub const CONTEXTS: &str = "wake-up context";

/// The family without which it is not known when bytes arrived, and what kept unsent bytes back.
pub const SEND_QUEUE: &str = "send-queue state and arrivals";

/// The family without which user and kernel time are not told apart.
pub const SAMPLES: &str = "samples";

/// The family that knows until when calls sleep, and who set a timer.
pub const TIMERS: &str = "timers";

/// The family that sees what the kernel throws away.
pub const DROPS: &str = "drops";

/// The family without which nothing that went through the page cache has an owner.
pub const OWNERS: &str = "owners";

/// The family that counts what io_uring moves of files.
pub const IO_URING: &str = "io_uring";

/// The family that counts what libaio moves of files.
pub const LIBAIO: &str = "libaio";

/// The family that counts what splice moves of files.
pub const SPLICE: &str = "splice";

/// The family without which kernel threads end waits for nothing known.
pub const WORKERS: &str = "kernel threads' work";

/// No probes, but what counts their runs: without it what they cost is not known. It is in captures that lack it only.
pub const PROBE_COST: &str = "probe cost";
