//! What the probes remember of a socket whose bytes they follow on their way.

/// One entry per socket that carries peer traffic, by cookie. The probes of arrivals and of TCP's holding look at
/// every socket of the host: what has no entry is none of theirs.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Traffic {
    /// Monotonic ns of the last arrival that was recorded.
    pub arrival_ns: u64,
    /// Monotonic ns of the last record of TCP's holding.
    pub holding_ns: u64,
    /// TCP: `rcv_nxt` at the last arrival, recorded or not.
    pub arrived: u32,
    /// What that record said, in short; 0 if there was none. See `probes/holding.rs`.
    pub holding: u32,
    /// With the key and the hash table's own bytes two cache lines, as for sockets.
    pub _pad: [u64; 6],
}

const _: () = assert!(size_of::<Traffic>() == 72);
