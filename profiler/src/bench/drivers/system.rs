//! A storage system that the benchmark can drive: its name, its driver, and the pace that plans go by.

use std::{cmp::Ordering, fmt, path::Path, sync::Arc};

use anyhow::Result;
use clap::{ValueEnum, builder::PossibleValue};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{Driver, SYSTEMS};

/// One of [`SYSTEMS`].
#[derive(Clone, Copy)]
pub struct System(&'static Entry);

/// What a driver's folder says of a system.
pub struct Entry {
    /// As it is typed, and as results name it.
    pub name: &'static str,
    /// How it is run, where there is more than one way.
    pub help: Option<&'static str>,
    pub pace: Pace,
    /// Its driver. The path is that of Codex's program, if it is not in PATH.
    pub driver: fn(Option<&Path>) -> Result<Arc<dyn Driver>>,
}

/// How one system behaves. Another one is calibrated before its estimates mean anything.
pub struct Pace {
    /// From the request until payload flows.
    pub until_first_byte_s: f64,
    /// Of one leecher that nothing holds back.
    pub leecher_bytes_per_s: f64,
    /// CPU of all nodes for each byte that a leecher receives.
    pub cpu_s_per_byte: f64,
    /// The same, more for each other node.
    pub cpu_s_per_byte_and_peer: f64,
    pub node_memory_bytes: u64,
    /// From its start until it answers, and to check its file's torrent.
    pub node_start_s: f64,
}

impl System {
    pub const fn new(entry: &'static Entry) -> Self {
        Self(entry)
    }

    pub fn name(self) -> &'static str {
        self.0.name
    }

    pub fn pace(self) -> &'static Pace {
        &self.0.pace
    }

    /// Its driver. `codex_bin` is the program of Codex, if it is not in PATH.
    pub fn driver(self, codex_bin: Option<&Path>) -> Result<Arc<dyn Driver>> {
        (self.0.driver)(codex_bin)
    }

    /// Its place in the list.
    fn place(self) -> Option<usize> {
        SYSTEMS.iter().position(|system| *system == self)
    }
}

impl PartialEq for System {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for System {}

impl PartialOrd for System {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for System {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place().cmp(&other.place())
    }
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl ValueEnum for System {
    fn value_variants<'a>() -> &'a [Self] {
        &SYSTEMS
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()).help(self.0.help))
    }
}

impl Serialize for System {
    fn serialize<S: Serializer>(&self, into: S) -> Result<S::Ok, S::Error> {
        into.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for System {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = String::deserialize(from)?;
        SYSTEMS.into_iter().find(|system| system.name() == name).ok_or_else(|| {
            let names = SYSTEMS.map(|system| format!("`{system}`"));
            D::Error::custom(format!("unknown variant `{name}`, expected one of {}", names.join(", ")))
        })
    }
}
