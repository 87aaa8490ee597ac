//! Sizes of files as people write them.

use serde::{Deserialize, Serialize};

/// Bytes; at least one.
#[derive(Deserialize, Serialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(try_from = "Typed", into = "u64")]
pub struct FileSize(pub u64);

#[derive(Deserialize)]
#[serde(untagged, expecting = "a size is a number of bytes, or as in \"100MiB\" or \"1GB\"")]
enum Typed {
    Bytes(u64),
    Text(String),
}

impl TryFrom<Typed> for FileSize {
    type Error = String;

    fn try_from(typed: Typed) -> Result<Self, String> {
        let bytes = match typed {
            Typed::Bytes(bytes) => bytes,
            Typed::Text(text) => parse_size::parse_size(&text).map_err(|error| {
                format!("`{text}` is no size ({error}): a number of bytes, or as in \"100MiB\" or \"1GB\"")
            })?,
        };
        if bytes == 0 {
            return Err("a file has at least one byte".to_owned());
        }
        Ok(Self(bytes))
    }
}

impl From<FileSize> for u64 {
    fn from(size: FileSize) -> Self {
        size.0
    }
}

/// Without a space, and exact: `100MiB`, `1500B`.
pub fn name(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let whole = units.into_iter().find(|(shift, _)| bytes > 0 && bytes.trailing_zeros() >= *shift);
    whole.map_or_else(|| format!("{bytes}B"), |(shift, unit)| format!("{}{unit}", bytes >> shift))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_exact() {
        let check = |bytes, expected: &str| assert_eq!(name(bytes), expected);
        check(104_857_600, "100MiB");
        check(5_368_709_120, "5GiB");
        check(100_000_000, "100000000B");
        check(1536, "1536B");
        check(3 << 10, "3KiB");
    }
}
