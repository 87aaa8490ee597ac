//! A matrix as it is written: TOML, every key with its meaning below.

use std::{
    collections::BTreeSet,
    fmt::{self, Debug},
    fs,
    num::NonZeroU32,
    path::Path,
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, Error as _},
};

use crate::{
    bench::{
        drivers::System,
        hosts::{DiskLimit, Link},
    },
    values,
};

use super::size::FileSize;

/// What is to be run. Serialized, it is what a manifest keeps: units stand in the names there.
#[derive(Deserialize, Serialize, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Matrix {
    /// As in `["transmission", "systems/http.toml"]`.
    #[serde(deserialize_with = "distinct_systems")]
    pub systems: Vec<System>,
    /// As in `[{ nodes = 8, seeders = [1, 2, 4] }]`.
    #[serde(deserialize_with = "distinct")]
    pub swarms: Vec<Swarm>,
    /// As in `["100MiB", "1GiB"]`.
    #[serde(rename(serialize = "file_sizes_bytes"), deserialize_with = "distinct")]
    pub file_sizes: Vec<FileSize>,
    /// Of each configuration; each transfers data of its own.
    #[serde(default = "one")]
    pub repetitions: NonZeroU32,
    /// For one run, from its preparation to its checksums: as in `"30m"`.
    #[serde(
        default = "half_an_hour",
        rename(serialize = "timeout_s"),
        deserialize_with = "values::time_in_file",
        serialize_with = "seconds"
    )]
    pub timeout: Duration,
    /// A transfer to which nothing comes for this long has failed: as in `"30s"`.
    #[serde(
        default = "stall_timeout",
        rename(serialize = "stall_timeout_s"),
        deserialize_with = "values::time_in_file",
        serialize_with = "seconds"
    )]
    pub stall_timeout: Duration,
    /// What the network of every node is limited to; without it, veth pairs as they are.
    #[serde(default)]
    pub link: Option<Link>,
    /// What the disk of every node is limited to.
    #[serde(default)]
    pub disk: Option<DiskLimit>,
    /// Whether the seeders' files leave the page cache before each run.
    #[serde(default, skip_serializing_if = "is_false")]
    pub cold: bool,
}

/// Sizes of a swarm that share their number of nodes.
#[derive(Deserialize, Serialize, Clone, Debug, PartialEq, Eq)]
#[serde(try_from = "TypedSwarm")]
pub struct Swarm {
    /// Seeders and leechers together.
    pub nodes: u32,
    pub seeders: Vec<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedSwarm {
    nodes: u32,
    #[serde(deserialize_with = "distinct")]
    seeders: Vec<u32>,
}

impl TryFrom<TypedSwarm> for Swarm {
    type Error = String;

    fn try_from(TypedSwarm { nodes, seeders }: TypedSwarm) -> Result<Self, String> {
        match seeders.iter().find(|seeders| !(1..nodes).contains(seeders)) {
            Some(wrong) => Err(format!(
                "{wrong} seeders of {nodes} nodes: at least one node seeds and at least one downloads"
            )),
            None => Ok(Self { nodes, seeders }),
        }
    }
}

/// The matrix of a file. Errors name the file, the line and what may stand there.
pub fn read(path: &Path) -> Result<Matrix> {
    let text = fs::read_to_string(path).with_context(|| format!("read the matrix {}", path.display()))?;
    parse(&text, &path.display().to_string())
}

/// The matrix of a text. `name` is what errors call it.
pub fn parse(text: &str, name: &str) -> Result<Matrix> {
    toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| text[..span.start].matches('\n').count() + 1);
        let place = line.map_or_else(|| name.to_owned(), |line| format!("{name}:{line}"));
        anyhow!("{place}: {}", error.message())
    })
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(value: &bool) -> bool {
    !value
}

fn one() -> NonZeroU32 {
    NonZeroU32::MIN
}

fn half_an_hour() -> Duration {
    Duration::from_secs(30 * 60)
}

fn stall_timeout() -> Duration {
    super::STALL_TIMEOUT
}

/// Systems as they are typed.
fn distinct_systems<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<System>, D::Error> {
    struct Typed(System);

    impl<'de> Deserialize<'de> for Typed {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            System::typed(&String::deserialize(from)?)
                .map(Self)
                .map_err(|error| D::Error::custom(format!("{error:#}")))
        }
    }

    impl Debug for Typed {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.fmt(f)
        }
    }

    Ok(distinct::<D, Typed>(from)?.into_iter().map(|typed| typed.0).collect())
}

/// A list that is not empty and repeats nothing.
fn distinct<'de, D: Deserializer<'de>, T: DeserializeOwned + Debug>(from: D) -> Result<Vec<T>, D::Error> {
    let list = Vec::<T>::deserialize(from)?;
    if list.is_empty() {
        return Err(D::Error::custom("the list is empty: at least one value is needed"));
    }
    let mut seen = BTreeSet::new();
    match list.iter().find(|value| !seen.insert(format!("{value:?}"))) {
        Some(twice) => Err(D::Error::custom(format!("{twice:?} stands twice in the list"))),
        None => Ok(list),
    }
}

fn seconds<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"
systems = ["transmission"]
swarms = [{ nodes = 2, seeders = [1] }, { nodes = 8, seeders = [1, 2, 4] }]
file_sizes = ["100MiB", 1000]
repetitions = 3
timeout = "90s"
stall_timeout = "30s"
cold = true

[link]
rate_bits_per_s = 100_000_000
delay = "5ms"
loss_percent = 0.5

[disk]
read_bytes_per_s = 20_000_000
"#;

    #[test]
    fn every_key_is_read() -> Result<()> {
        let matrix = parse(WHOLE, "whole.toml")?;
        assert_eq!(matrix.systems, [crate::bench::drivers::transmission::SYSTEM]);
        assert_eq!(matrix.swarms[1], Swarm { nodes: 8, seeders: vec![1, 2, 4] });
        assert_eq!(matrix.file_sizes, [FileSize(104_857_600), FileSize(1000)]);
        assert_eq!((matrix.repetitions.get(), matrix.timeout), (3, Duration::from_secs(90)));
        assert_eq!((matrix.stall_timeout, matrix.cold), (Duration::from_secs(30), true));
        let link = matrix.link.context("a link")?;
        assert_eq!(link.rate_bits_per_s, Some(100_000_000));
        assert_eq!(link.delay, Some(Duration::from_millis(5)));
        assert_eq!(link.loss_percent, Some(0.5));
        let disk = matrix.disk.context("a disk")?;
        assert_eq!(disk, DiskLimit { read_bytes_per_s: Some(20_000_000), write_bytes_per_s: None });
        Ok(())
    }

    #[test]
    fn a_manifest_has_its_units_in_the_names() -> Result<()> {
        let json = serde_json::to_value(parse(WHOLE, "whole.toml")?)?;
        assert_eq!(json["file_sizes_bytes"], serde_json::json!([104_857_600, 1000]));
        assert_eq!((&json["timeout_s"], &json["stall_timeout_s"]), (&90.0.into(), &30.0.into()));
        assert_eq!(json["link"]["delay_s"], 0.005);
        Ok(())
    }

    /// `WHOLE` with a line replaced, against the parts of the message.
    #[track_caller]
    fn check(line: &str, instead: &str, message_has: &[&str]) {
        assert!(WHOLE.contains(line), "{line}");
        let error = parse(&WHOLE.replace(line, instead), "bad.toml").expect_err(instead).to_string();
        for part in message_has {
            assert!(error.contains(part), "{instead}: {part:?} is missing in: {error}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line_and_the_way_out() {
        check("\ntimeout", "\ntime_out", &["bad.toml:6", "time_out", "timeout"]);
        check("[\"transmission\"]", "[\"napster\"]", &["bad.toml:2", "napster", "transmission"]);
        check("[\"transmission\"]", "[]", &["bad.toml:2", "at least one"]);
        check("seeders = [1]", "seeders = [2]", &["bad.toml:3", "2 seeders of 2 nodes", "at least one"]);
        check("seeders = [1]", "seeders = [0]", &["bad.toml:3", "0 seeders of 2 nodes"]);
        check("[1, 2, 4]", "[1, 2, 2]", &["bad.toml:3", "2 stands twice"]);
        check("\"100MiB\"", "\"large\"", &["bad.toml:4", "large", "100MiB"]);
        check("\"100MiB\"", "true", &["bad.toml:4", "number of bytes"]);
        check("1000", "0", &["bad.toml:4", "at least one byte"]);
        check("repetitions = 3", "repetitions = 0", &["bad.toml:5", "nonzero"]);
        check("\"90s\"", "\"soon\"", &["bad.toml:6", "soon", "30s"]);
        check("\"90s\"", "\"90\"", &["bad.toml:6", "90s"]);
        check("\"30s\"", "30", &["bad.toml:7", "30s"]);
        check("\"30s\"", "true", &["bad.toml:7", "30s"]);
        check("100_000_000", "0", &["bad.toml:11", "8,000"]);
        check("\"5ms\"", "\"-1\"", &["bad.toml:12", "500ms"]);
        check("\"5ms\"", "5", &["bad.toml:12", "5ms"]);
        check("0.5", "101.0", &["bad.toml:13", "from 0 to 100"]);
        check("20_000_000", "20", &["bad.toml:16", "at least 100000"]);
        check("cold = true", "cold = 1", &["bad.toml:8", "boolean"]);
        check("swarms", "# swarms", &["bad.toml", "missing field `swarms`"]);
        check("repetitions = 3", "repetitions = ", &["bad.toml:5"]);
    }
}
