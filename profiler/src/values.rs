//! Values of arguments, from how they are typed.

use std::num::NonZeroU32;

/// A size: bytes, or with a suffix, as in 100MiB or 1GB.
pub fn bytes(text: &str) -> Result<u64, String> {
    parse_size::parse_size(text)
        .map_err(|error| format!("{error}; a size is a number, or as in 100MiB or 1GB"))
}

/// The size of a transfer.
pub fn payload(text: &str) -> Result<u64, String> {
    match bytes(text)? {
        0 => Err("a transfer has at least one byte".to_owned()),
        size => Ok(size),
    }
}

/// The size of all ring buffers together: a power of two, at least a page.
pub fn ring_buffer(text: &str) -> Result<NonZeroU32, String> {
    let size = bytes(text)?;
    let page = procfs::page_size();
    match u32::try_from(size).ok().and_then(NonZeroU32::new) {
        Some(size) if size.is_power_of_two() && u64::from(size.get()) >= page => Ok(size),
        _ => Err(format!("{size} bytes is no power of two from {page} to 2 GiB")),
    }
}
