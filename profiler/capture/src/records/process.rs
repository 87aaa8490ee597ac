//! Processes and threads: what they moved and how long they were in which state.
//!
//! `…Totals` are cumulative since the recording began: the last one of a key counts, and earlier ones serve captures
//! that were cut short.

use serde::{Deserialize, Serialize};

use crate::ProcessSerial;

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct ProcessTotals {
    pub at_ns: u64,
    pub process: ProcessSerial,
    pub pid: u32,
    pub parent_pid: u32,
    pub comm: String,
    /// When it became a target.
    pub since_ns: u64,
    pub exited_ns: Option<u64>,
    pub tcp_rx_bytes: u64,
    pub tcp_tx_bytes: u64,
    pub udp_rx_bytes: u64,
    pub udp_tx_bytes: u64,
    /// Payload without control traffic.
    pub peer_rx_bytes: u64,
    pub peer_tx_bytes: u64,
    pub peer_rx_last_ns: Option<u64>,
    pub peer_tx_last_ns: Option<u64>,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum ThreadState {
    Cpu,
    Runqueue,
    Blocked,
    /// Asleep since before the recording.
    Idle,
    Exited,
    /// Runnable, and the CPU quota of its cgroup is used up.
    Throttled,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct ThreadTotals {
    pub at_ns: u64,
    pub process: ProcessSerial,
    pub tid: u32,
    /// Start of the thread; with `tid` it is unique.
    pub start_ns: u64,
    pub comm: String,
    /// From here on its time is accounted for: its start, or that of its process's recording.
    pub since_ns: u64,
    pub cpu_ns: u64,
    pub runqueue_ns: u64,
    pub throttled_ns: u64,
    /// Parts of `cpu_ns`.
    pub softirq_ns: u64,
    pub hardirq_ns: u64,
    /// Samples in user and in kernel mode.
    pub user_samples: u32,
    pub kernel_samples: u32,
    pub waits: Waits,
    pub switches: u64,
    /// The state that had not ended at `at_ns`, and when it began.
    pub state: ThreadState,
    pub state_since_ns: u64,
    /// The thread that created it, which may be another process's; None where that was before the recording. Appended.
    pub creator_tid: Option<u32>,
}

/// Time asleep, by the context of the wake-up that ended it.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    /// The context said nothing.
    pub other_ns: u64,
    pub network_ns: u64,
    pub disk_ns: u64,
    pub timer_ns: u64,
    /// Another task, profiled or not.
    pub thread_ns: u64,
    /// Asleep from before the recording until the first wake-up in it.
    pub idle_ns: u64,
    /// The wake-up was not seen.
    pub unseen_ns: u64,
    /// Inside direct reclaim, or in another stall that the kernel counts as one of memory.
    pub memory_ns: u64,
}

/// The kernel's I/O accounting of a thread (`/proc/PID/task/TID/io`). The first record of a thread is where it
/// stood when the recording began, unless the thread is younger.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadIo {
    pub at_ns: u64,
    pub process: ProcessSerial,
    pub tid: u32,
    pub read_chars: u64,
    pub write_chars: u64,
    pub read_bytes: u64,
    pub write_bytes: u64,
    /// Where the thread stood when it became a target, rather than what it had done.
    pub baseline: bool,
}

/// Cumulative peer payload of a process.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub at_ns: u64,
    pub process: ProcessSerial,
    /// The socket and the thread whose call completed the stride.
    pub cookie: u64,
    pub tid: u32,
    pub rx_bytes: u64,
    pub tx_bytes: u64,
}

/// A task that is no target and woke one. The last name of an id counts.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct OutsideWaker {
    pub tid: u32,
    pub comm: String,
}

/// A stack that spans name by its id.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Stack {
    pub id: u32,
    /// Innermost first; an address where there is no name.
    pub frames: Vec<String>,
    /// It had more frames than the kernel records.
    pub truncated: bool,
}

impl Waits {
    /// Without the family that sees interrupts, a wake-up by one looks as if the current task had made it.
    pub fn forget_causes(&mut self) {
        let Self { other_ns, network_ns, disk_ns, timer_ns, thread_ns, idle_ns, unseen_ns, memory_ns } =
            *self;
        let asleep_ns = other_ns + network_ns + disk_ns + timer_ns + thread_ns;
        *self = Self { other_ns: asleep_ns, idle_ns, unseen_ns, memory_ns, ..Self::default() };
    }
}

/// A command name as the kernel keeps it: 15 bytes and a zero.
pub fn comm_text(comm: &[u8; 16]) -> String {
    let end = comm.iter().position(|&byte| byte == 0).unwrap_or(comm.len());
    String::from_utf8_lossy(&comm[..end]).into_owned()
}
