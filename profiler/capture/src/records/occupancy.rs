//! Who else had a CPU for which a thread waited.

use serde::{Deserialize, Serialize};

/// A task that is no target ran from one time to another, while a target's thread waited for this CPU. Of each CPU the last 64
/// are known when the thread comes to it.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct OutsideRun {
    pub cpu: u32,
    pub from_ns: u64,
    pub to_ns: u64,
    /// Of a thread of the kernel its own id.
    pub pid: u32,
    /// The command name of the process.
    pub comm: String,
}
