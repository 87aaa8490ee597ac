//! Values of arguments, from how they are typed.

use std::{num::NonZeroU32, time::Duration};

use serde::{Deserialize, Deserializer, de::Error as _};

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

/// A time: numbers with their units, as in 30s, 1m 30s or 500ms.
pub fn time(text: &str) -> Result<Duration, String> {
    let number = text.trim();
    humantime::parse_duration(text).map_err(|error| match humantime::parse_duration(&format!("{number}s")) {
        // Seconds would be a guess: for the delay of a link, many mean milliseconds.
        Ok(_) => format!("a time needs its unit: {number}s for seconds, or {number}ms, {number}m, {number}h"),
        Err(_) => format!("{error}; a time is as in 500ms, 30s or 5m"),
    })
}

/// The same from a file, where it is a text; a number says nothing of its unit.
pub fn time_in_file<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a time is a text, as in \"30s\"")]
    enum Typed {
        Text(String),
        Number(f64),
    }
    let text = match Typed::deserialize(from)? {
        Typed::Text(text) => text,
        Typed::Number(number) => number.to_string(),
    };
    time(&text).map_err(|why| D::Error::custom(format!("`{text}`: {why}")))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(text: &str, message_has: &[&str]) {
        let message = time(text).expect_err(text);
        for part in message_has {
            assert!(message.contains(part), "{part:?} is missing in: {message}");
        }
    }

    #[test]
    fn a_time_is_refused_with_one_that_would_do() {
        assert_eq!(time("1m 30s"), Ok(Duration::from_secs(90)));
        refused("5", &["needs its unit", "5s", "5ms"]);
        refused(" 90 ", &[" 90s"]);
        refused("1m 30", &["1m 30s"]);
        refused("-1", &["30s"]);
        refused("soon", &["30s", "5m"]);
        refused("", &["30s", "5m"]);
        refused("5 parsecs", &["parsecs", "30s"]);
    }
}
