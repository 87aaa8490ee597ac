//! The file: frames of records, how they are read, written and packed. See `docs/capture-format.md`.

mod converter;
mod layout;
mod pack;
mod read;
mod write;

pub use layout::layout;
pub use pack::pack;
pub use read::{Capture, Ending, read};
pub use write::Writer;

const MAGIC: [u8; 8] = *b"XFERPROF";

/// The version that this program writes. It stays readable for good: records are appended to, and new kinds are skipped
/// by older readers.
pub const VERSION: u32 = 5;

const HEADER_BYTES: usize = 12;

/// Before each record of a frame, its kind and the length of its body.
const RECORD_HEADER_BYTES: usize = 8;

/// A frame never holds more plain bytes: what claims to is no capture.
const FRAME_LIMIT_BYTES: usize = 16 << 20;

#[cfg(test)]
mod tests;
