//! What the disk of every node is limited to.

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

/// Bytes per second of each node on the scratch disk; what is missing is not limited.
///
/// With control groups of version 1 the kernel holds back reads, and writes that are direct or synchronous; what it
/// writes back from the page cache passes. With version 2 that is held back too.
#[derive(Deserialize, Serialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct DiskLimit {
    #[serde(deserialize_with = "rate")]
    pub read_bytes_per_s: Option<u64>,
    #[serde(deserialize_with = "rate")]
    pub write_bytes_per_s: Option<u64>,
}

fn rate<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    /// At less a node does not even start: its program is read through the limit.
    const LEAST_BYTES_PER_S: u64 = 100_000;
    match u64::deserialize(from)? {
        rate @ LEAST_BYTES_PER_S.. => Ok(Some(rate)),
        rate => Err(D::Error::custom(format!(
            "{rate} bytes per second are no rate of a disk: at least {LEAST_BYTES_PER_S}"
        ))),
    }
}
