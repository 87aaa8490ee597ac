//! A storage system that the benchmark can drive: its name, its driver, and the pace that plans go by.

use std::{
    cmp::Ordering,
    collections::BTreeMap,
    ffi::OsStr,
    fmt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Result, bail};
use clap::{
    Arg, Command, Error,
    builder::{PossibleValue, TypedValueParser},
    error::ErrorKind,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{Driver, SYSTEMS, described};

/// One of [`SYSTEMS`], or one that a file describes.
#[derive(Clone, Copy)]
pub struct System(&'static Entry);

pub type MakeDriver = dyn Fn(Option<&Path>) -> Result<Arc<dyn Driver>> + Send + Sync;

/// What a driver's folder, or a file, says of a system.
pub struct Entry {
    /// As it is typed, and as results name it.
    pub name: &'static str,
    /// How it is run, where there is more than one way.
    pub help: Option<&'static str>,
    pub pace: Pace,
    /// Its driver. The path is that of Codex's program, if it is not in PATH.
    pub driver: &'static MakeDriver,
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

/// Systems that are none of [`SYSTEMS`], by their names. They stay as long as the program runs: a system is copied
/// everywhere, and there are few.
static OTHERS: Mutex<BTreeMap<String, System>> = Mutex::new(BTreeMap::new());

impl Pace {
    /// Of a system of which nothing is known: a guess on the slow side.
    pub const UNKNOWN: Self = Self {
        until_first_byte_s: 1.0,
        leecher_bytes_per_s: 10e6,
        cpu_s_per_byte: 2e-8,
        cpu_s_per_byte_and_peer: 0.0,
        node_memory_bytes: 64 << 20,
        node_start_s: 1.0,
    };
}

impl System {
    /// As somebody types it: one of [`SYSTEMS`] by its name, or the file that describes one, whose name ends in `.toml`.
    pub fn typed(text: &str) -> Result<Self> {
        if Path::new(text).extension() == Some(OsStr::new("toml")) {
            return described::read(Path::new(text));
        }
        match Self::known(text) {
            Some(system) => Ok(system),
            None => {
                let names = SYSTEMS.map(|system| format!("`{system}`"));
                bail!(
                    "unknown variant `{text}`, expected one of {}, or the file that describes a system, `NAME.toml`",
                    names.join(", ")
                )
            }
        }
    }

    fn known(name: &str) -> Option<Self> {
        SYSTEMS.into_iter().find(|system| system.name() == name)
    }

    /// A system that is none of [`SYSTEMS`].
    pub fn register(entry: Entry) -> Self {
        let system = Self(Box::leak(Box::new(entry)));
        let mut others = OTHERS.lock().unwrap_or_else(PoisonError::into_inner);
        others.insert(system.name().to_owned(), system);
        system
    }

    /// As results name it: its description may not be at hand.
    fn of_results(name: &str) -> Self {
        let other = || OTHERS.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied();
        Self::known(name).or_else(other).unwrap_or_else(|| {
            let name: &'static str = Box::leak(name.to_owned().into_boxed_str());
            Self::register(Entry {
                name,
                help: None,
                pace: Pace::UNKNOWN,
                driver: Box::leak(Box::new(move |_: Option<&Path>| {
                    bail!("{name} is described by a file, which was not named: `NAME.toml`")
                })),
            })
        })
    }

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
        let order = |system: Self| (system.place().unwrap_or(SYSTEMS.len()), system.name());
        order(*self).cmp(&order(*other))
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

/// Of arguments: lists [`SYSTEMS`], and takes files too.
#[derive(Clone)]
pub struct Parser;

impl TypedValueParser for Parser {
    type Value = System;

    fn parse_ref(&self, command: &Command, argument: Option<&Arg>, value: &OsStr) -> Result<System, Error> {
        System::typed(&value.to_string_lossy()).map_err(|error| {
            let argument = argument.map(ToString::to_string).unwrap_or_default();
            Error::raw(ErrorKind::InvalidValue, format!("{argument}: {error:#}\n")).with_cmd(command)
        })
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let values = SYSTEMS.iter().map(|system| PossibleValue::new(system.name()).help(system.0.help));
        Some(Box::new(values))
    }
}

impl Serialize for System {
    fn serialize<S: Serializer>(&self, into: S) -> Result<S::Ok, S::Error> {
        into.serialize_str(self.name())
    }
}

/// As results name it. What is typed goes through [`System::typed`].
impl<'de> Deserialize<'de> for System {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = String::deserialize(from)?;
        match name.is_empty() {
            true => Err(D::Error::custom("a system has a name")),
            false => Ok(Self::of_results(&name)),
        }
    }
}
