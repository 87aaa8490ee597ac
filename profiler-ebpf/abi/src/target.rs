//! Processes that are profiled: one slot each, found from the thread group id by two array look-ups.

use crate::Plain;

/// One slot of `PROCESSES`: a profiled process and what it moved since it became a target.
///
/// Bytes are payload: the return values of the process's own calls. `peer_*` leaves out control traffic
/// (sockets with a port of `CONTROL_PORTS` on either side) and is what milestones are found in.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Process {
    /// Unique within a recording, from 1; 0 is a free slot. Process ids are reused, serials are not.
    pub serial: u64,
    /// Monotonic ns: when it became a target (fork, exec, or attach).
    pub since_ns: u64,
    /// Monotonic ns: when its last thread began to exit; 0 while it lives.
    pub exited_ns: u64,
    /// Monotonic ns of the last time that a thread other than the first executed a program; 0 if none did.
    pub thread_exec_ns: u64,
    pub tcp_rx_bytes: u64,
    pub tcp_tx_bytes: u64,
    pub udp_rx_bytes: u64,
    pub udp_tx_bytes: u64,
    pub peer_rx_bytes: u64,
    pub peer_tx_bytes: u64,
    pub peer_rx_last_ns: u64,
    pub peer_tx_last_ns: u64,
    /// The counts in the last progress record, and its time.
    pub progress_rx_bytes: u64,
    pub progress_tx_bytes: u64,
    pub progress_ns: u64,
    pub tgid: u32,
    pub parent_tgid: u32,
    pub comm: [u8; 16],
    /// 1 if it had lived, and perhaps done I/O, when the probes made it a target.
    pub moved_in: u64,
    /// Three cache lines: two processes that run on two CPUs must not write to the same one.
    pub _pad: [u64; 5],
}

// SAFETY: plain integers, padding is explicit.
unsafe impl Plain for Process {}

const _: () = assert!(size_of::<Process>() == 192);

/// Slots, and so the number of processes that can be profiled at one time. Slot 0 means "no target".
pub const PROCESS_SLOTS: u32 = 4096;

/// `SLOT_OF` holds four slots in each 8-byte element: array elements are never smaller than 8 bytes.
pub const SLOTS_PER_ELEMENT: u32 = 4;

/// `PID_MAX_LIMIT` of a 64-bit kernel: no thread group id reaches it.
pub const PID_LIMIT: u32 = 4 * 1024 * 1024;

/// Ports of control traffic that can be named for one recording.
pub const CONTROL_PORTS: usize = 32;
