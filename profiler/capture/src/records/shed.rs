//! Families that were detached to keep a limit of cost.

use serde::{Deserialize, Serialize};

/// Which families are detached from a time on, because probes and daemon took more than they may, or less again.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Shed {
    pub at_ns: u64,
    /// All that are detached from then on. None: all are attached again.
    pub families: Vec<String>,
    /// What probes and daemon took just before, and what they may take: CPU time in each second.
    pub cost_ns_per_s: u64,
    pub limit_ns_per_s: u64,
}
