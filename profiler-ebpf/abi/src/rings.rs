//! Ring buffers: one for each CPU, written by the probes on it and read by the daemon through its memory.
//!
//! `BPF_MAP_TYPE_RINGBUF` is one for all CPUs, behind a spin lock: there a record costs some 170 ns beside another CPU
//! that writes, and 100 ns alone (6.18).
//!
//! A ring's bytes are numbered from 0 on, and lie in blocks. A record begins where the one before ended; it may run over
//! the end of its block into the block's spare room, and never goes on in the next block. The bytes of the next block that
//! have its numbers are left out.

/// Bytes of a ring in one block.
pub const BLOCK_BYTES: u64 = 4096;

/// Room for the end of a block's last record: no record is larger.
pub const SPARE_BYTES: u64 = 128;

/// What a probe leaves free. One that is interrupted between its look at the room and its reservation finds less than it
/// has seen, by what other probes were about to reserve: some records, each looked for itself.
pub const MARGIN_BYTES: u64 = 1024;

/// One element of `RING_BLOCKS`; a ring has a power of two of them, one after the other.
#[repr(C)]
pub struct Block(pub [u64; ((BLOCK_BYTES + SPARE_BYTES) / 8) as usize]);

/// One element of `RING_ENDS`: how far a CPU's ring is written and read, in bytes since the beginning. Two pairs of cache
/// lines, because the kernel writes the first at each record, and the daemon the second.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct RingEnds {
    /// Reserved by probes.
    pub reserved: u64,
    /// Reserved and written. As much as `reserved` says that no probe is writing: all records up to there are whole.
    pub written: u64,
    pub _pad: [u64; 14],
    /// The daemon is done with these.
    pub read: u64,
    pub _pad_read: [u64; 15],
}

const _: () = assert!(size_of::<RingEnds>() == 256);
