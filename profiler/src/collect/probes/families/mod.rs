//! The probe families: which programs they consist of, and what a report lacks without them. What a program needs from
//! the kernel is not said here: see [`reads`](super::reads).

mod accounting;
mod bursts;
mod context;
mod direct;
mod disk;
mod drops;
mod file_ways;
mod groups;
mod owners;
mod pinned;
mod processes;
mod quota;
mod samples;
mod sched;
mod send_queue;
mod sockets;
mod timers;
mod way;
mod workers;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

pub use way::{Way, find};

/// In the order in which their programs are attached and detached.
pub const FAMILIES: &[Family] = &[
    processes::FAMILY,
    groups::FAMILY,
    sockets::FAMILY,
    drops::FAMILY,
    send_queue::FAMILY,
    disk::FAMILY,
    owners::FAMILY,
    direct::FAMILY,
    file_ways::IO_URING,
    file_ways::LIBAIO,
    file_ways::SPLICE,
    context::FAMILY,
    timers::FAMILY,
    sched::FAMILY,
    samples::FAMILY,
    quota::FAMILY,
    workers::FAMILY,
    pinned::FAMILY,
    bursts::FAMILY,
    accounting::FAMILY,
];

pub struct Family {
    pub name: &'static str,
    /// What a report lacks without it.
    pub counts: &'static str,
    /// Nothing can be recorded without it.
    pub required: bool,
    /// [`ProbeSet::Counters`] has it.
    pub is_counter: bool,
    pub programs: &'static [Program],
    /// Where the kernel says what programs, of this family or of others, read only where it is there; the newest way
    /// first. Any one is enough.
    pub ways: &'static [Way],
    /// It goes by the addresses of the kernel's functions, which the kernel may hide.
    pub knows_functions: bool,
}

impl Family {
    /// What most families are.
    const PLAIN: Self = Self {
        name: "",
        counts: "",
        required: false,
        is_counter: false,
        programs: &[],
        ways: &[],
        knows_functions: false,
    };
}

pub struct Program {
    pub name: &'static str,
    /// The tracepoint's leading parameters, as the program reads them by position. Of a function, all of them: the returned
    /// value stands behind.
    pub parameters: &'static [&'static str],
    /// The programs that are attached together where this one cannot be. Trampolines (fentry, fexit) are refused by some
    /// kernels and cost more, so that they are tried only then.
    pub instead: &'static [Program],
}

impl Program {
    const fn new(name: &'static str, parameters: &'static [&'static str]) -> Self {
        Self { name, parameters, instead: &[] }
    }

    const fn or(self, instead: &'static [Program]) -> Self {
        Self { instead, ..self }
    }
}

/// How much is watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ProbeSet {
    /// Where the time goes, too: every switch of a target's threads, and what wakes them
    #[default]
    All,
    /// Bytes, milestones, files and devices only
    Counters,
}

impl ProbeSet {
    /// Whether they have a family that is one of counters, or is none.
    pub fn have(self, is_counter: bool) -> bool {
        is_counter || self == Self::All
    }
}

/// The programs of families, in the order in which they are detached.
pub fn of(names: &[&str]) -> impl Iterator<Item = &'static Program> {
    let families = FAMILIES.iter().filter(|family| names.contains(&family.name));
    families
        .flat_map(|family| family.programs)
        .flat_map(|program| std::iter::once(program).chain(program.instead))
}

/// Every program of the object, in the order in which they are detached.
pub fn programs() -> impl Iterator<Item = &'static Program> {
    let programs = FAMILIES.iter().flat_map(|family| family.programs);
    programs.flat_map(|program| std::iter::once(program).chain(program.instead))
}
