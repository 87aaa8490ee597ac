//! What processes moved of files past the tasks' own accounting of calls.

use serde::{Deserialize, Serialize};

use super::Operation;
use crate::{
    ProcessSerial,
    families::{IO_URING, LIBAIO, SPLICE},
};

/// A way that `rchar` and `wchar` do not have.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
pub enum FileWay {
    IoUring,
    Libaio,
    Splice,
}

/// What one process's calls returned since the recording began.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct WayTotals {
    pub at_ns: u64,
    pub process: ProcessSerial,
    pub way: FileWay,
    pub operation: Operation,
    pub bytes: u64,
    /// 0 where it was only seen in such a call, which was not counted.
    pub calls: u64,
}

impl FileWay {
    pub const ALL: [Self; 3] = [Self::IoUring, Self::Libaio, Self::Splice];

    /// Its name, which is that of the probe family that counts it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::IoUring => IO_URING,
            Self::Libaio => LIBAIO,
            Self::Splice => SPLICE,
        }
    }
}
