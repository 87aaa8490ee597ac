//! The file: frames of records, how they are read, written and packed. See `docs/capture-format.md`.

mod pack;
mod read;
mod write;

pub use pack::pack;
pub use read::{Capture, Ending, read};
pub use write::Writer;

const MAGIC: [u8; 8] = *b"XFERPROF";

/// The version that this program writes, and the newest that it reads.
pub const VERSION: u32 = 4;

const HEADER_BYTES: usize = 12;

/// Before each record of a frame, its length.
const LENGTH_BYTES: usize = 4;

/// Bit of the length of what is no encoded record, but events as the probes wrote them.
const EVENTS: u32 = 1 << 31;

/// A frame never holds more plain bytes: what claims to is no capture.
const FRAME_LIMIT_BYTES: usize = 16 << 20;

#[cfg(test)]
mod tests;
