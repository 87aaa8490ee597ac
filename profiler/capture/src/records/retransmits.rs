//! Segments that TCP sent again.

use serde::{Deserialize, Serialize};

/// Sequence numbers are TCP's own, and wrap.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retransmit {
    pub at_ns: u64,
    pub cookie: u64,
    pub sequence: u32,
    /// Behind its last byte.
    pub past: u32,
}
