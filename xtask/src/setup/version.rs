//! Versions of compilers and of LLVM, as far as they are compared.

use std::{fmt, str::FromStr};

use anyhow::{Context as _, Error, Result};

/// Three numbers; what follows them (`-nightly`, `+rust1`) does not matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    pub major: u32,
    pub minor: u32,
    pub patch: u32,
}

impl FromStr for Version {
    type Err = Error;

    /// `1.95`, `1.97.0-nightly` and `22.1.4` are versions.
    fn from_str(text: &str) -> Result<Self> {
        let numbers = text.split(['-', '+']).next().unwrap_or_default();
        let mut numbers = numbers.split('.').map(str::parse::<u32>);
        let mut next = || numbers.next().transpose().with_context(|| format!("`{text}` is not a version"));
        let major = next()?.with_context(|| format!("`{text}` is not a version"))?;
        Ok(Self { major, minor: next()?.unwrap_or(0), patch: next()?.unwrap_or(0) })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(text.parse::<Version>().expect("a version").to_string(), expected);
    }

    #[test]
    fn versions_are_read_with_and_without_their_tails() {
        check("1.95", "1.95.0");
        check("1.97.0-nightly", "1.97.0");
        check("22.1.4", "22.1.4");
        check("1.96.0+dfsg1", "1.96.0");
    }

    #[test]
    fn what_is_no_version_is_an_error() {
        for text in ["", "nightly", "1.x"] {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
    }

    #[test]
    fn versions_are_ordered_by_number_not_by_letter() {
        let version = |text: &str| text.parse::<Version>().expect("a version");
        assert!(version("1.100.0") > version("1.95.0"));
        assert!(version("1.95.1") > version("1.95.0-nightly"));
    }
}
