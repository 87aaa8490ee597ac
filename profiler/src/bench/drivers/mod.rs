//! How each storage system is started, told what to do, and asked how far it is.
//!
//! A driver knows its system's program and protocol; where nodes run, when they start and what is measured is
//! not its business.

mod bittorrent;
pub mod codex;
pub mod deluge;
pub mod described;
pub mod qbittorrent;
mod system;
pub mod transmission;

use std::ffi::OsString;
use std::io::Read;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use anyhow::{Result, bail};

use super::dataset::Dataset;
use crate::bench::dataset::Sample;
use crate::bench::hosts::program::Program;
use capture::Role;
use rustix::process::Signal;

pub use system::{Entry, Pace, Parser, System};

/// Every system that the program knows by itself, in the order of a plan. A new one is its folder, and a line here.
pub static SYSTEMS: [System; 6] = [
    transmission::SYSTEM,
    deluge::SYSTEM,
    deluge::WITHOUT_UTP,
    qbittorrent::SYSTEM,
    qbittorrent::WITHOUT_UTP,
    codex::SYSTEM,
];

/// What is particular to a system. The answers that stand here are those of BitTorrent's clients.
pub trait Driver: Send + Sync {
    /// The program that a node runs.
    fn program(&self, role: Role) -> Program;

    /// Programs that are called beside it.
    fn helpers(&self) -> Vec<Program> {
        Vec::new()
    }

    /// Whether a node's program ends when it has the file.
    fn ends_by_itself(&self, _role: Role) -> bool {
        false
    }

    /// What asks a node to end in order.
    fn stop_signal(&self) -> Signal {
        Signal::TERM
    }

    /// How its nodes find each other.
    fn meeting(&self) -> Meeting {
        Meeting::Tracker
    }

    /// Ports on which nodes are controlled and find each other, inside their namespace.
    fn control_ports(&self) -> Vec<u16> {
        vec![bittorrent::CONTROL_PORT]
    }

    /// The control port that takes the file from a client, if the system has uploads. Seeders of a system
    /// that has none find the file in their folder.
    fn upload_port(&self) -> Option<u16> {
        None
    }

    /// The port on which nodes talk to each other, over TCP and UDP.
    fn peer_port(&self) -> u16 {
        bittorrent::PEER_PORT
    }

    /// Writes a node's settings, and returns the arguments to start its program with.
    fn configure(&self, place: &Place) -> Result<Vec<OsString>>;

    /// Control over the node that was started there, for a thread inside the node's namespace.
    fn control(&self, place: &Place) -> Box<dyn Control>;
}

/// How the nodes of a system find each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meeting {
    /// Through a tracker, which runs in the hub.
    Tracker,
    /// Through the first node, whose contact the others are started with.
    FirstNode,
    /// They do not: a leecher asks a seeder.
    Nowhere,
}

/// What a node is started with.
#[derive(Clone, Debug)]
pub struct Place {
    pub role: Role,
    /// For settings.
    pub home: PathBuf,
    /// For the payload.
    pub data: PathBuf,
    pub address: Ipv4Addr,
    /// The seeder that a leecher asks, where leechers ask one. They take turns.
    pub seeder: Ipv4Addr,
    pub file_size_bytes: u64,
    /// The first node's, for all others of a system that meets there.
    pub contact: Option<String>,
}

/// The control connection to one node. It is made at the first request, and again when it was lost, by the
/// thread that asks: that thread must be inside the node's namespace.
pub trait Control: Send {
    /// The program's version by its own word. Fails as long as the node is not up yet.
    fn version(&mut self) -> Result<String>;

    /// By what others find this node, in a system whose nodes meet at the first one.
    fn contact(&mut self) -> Result<String>;

    /// What other nodes call this one, in a system whose nodes meet at the first one.
    fn identity(&mut self) -> Result<String>;

    /// Whether the node has heard from the one of that identity, in a system whose nodes meet at the first one.
    fn knows(&mut self, identity: &str) -> Result<bool>;

    /// Has the node serve the file, and returns by what others ask for it, once it is served: until then to be
    /// called again. An upload is one call, and tells how much of the file the node has taken.
    fn offer(
        &mut self,
        dataset: &Dataset,
        tell: &mut dyn FnMut(Sample) -> Result<()>,
    ) -> Result<Option<String>>;

    /// Asks the node for the file.
    fn download(&mut self, reference: &str) -> Result<Download>;

    /// Payload bytes that the application says are there, pieces in progress included, of a download that is
    /// polled.
    fn bytes_there(&mut self) -> Result<u64>;

    /// Payload bytes by which the answers of a download that is polled grow: how much more than it says may be there.
    fn batch_bytes(&self) -> u64 {
        1
    }

    /// The file out of the node's store, in a system whose nodes have one.
    fn read_back(&mut self, _reference: &str) -> Result<Box<dyn Read>> {
        bail!("the file is in the node's folder")
    }
}

/// How a download is followed.
pub enum Download {
    /// The node puts the file into its folder, and is asked how far it is.
    Polled,
    /// The node puts the file into a store of its own, and is asked how far it is.
    Held,
    /// The node hands the file over, in order, as it arrives.
    Streamed(Box<dyn Read>),
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// A second one of a name could not be asked for, and its results would be taken for the first one's.
    #[test]
    fn no_two_systems_have_the_same_name() {
        let names: BTreeSet<&str> = SYSTEMS.iter().map(|system| system.name()).collect();
        assert_eq!(names.len(), SYSTEMS.len(), "{names:?}");
    }
}
