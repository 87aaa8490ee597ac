//! How each storage system is started, told what to do, and asked how far it is.
//!
//! A driver knows its system's program and protocol; where nodes run, when they start and what is measured is
//! not its business.

mod transmission;

use std::ffi::OsString;
use std::path::Path;

use anyhow::Result;

use super::plan::System;
use super::program::Program;

/// What is particular to a system.
pub trait Driver {
    /// The program that each node runs.
    fn program(&self) -> Program;

    /// Ports on which nodes are controlled, inside their namespace.
    fn control_ports(&self) -> Vec<u16>;

    /// The port on which nodes talk to each other, over TCP and UDP.
    fn peer_port(&self) -> u16;

    /// Writes a node's settings into its folder `home`, and returns the arguments to start its program with.
    /// The node is to keep the payload in the folder `data`.
    fn configure(&self, home: &Path, data: &Path) -> Result<Vec<OsString>>;

    /// Control over one node, for a thread inside the node's namespace.
    fn control(&self) -> Box<dyn Control>;
}

/// The control connection to one node. It is made at the first request, and again when it was lost, by the
/// thread that asks: that thread must be inside the node's namespace.
pub trait Control: Send {
    /// The program's version by its own word. Fails as long as the node is not up yet.
    fn version(&mut self) -> Result<String>;

    /// Gives the node a torrent to seed, if the file is there already, or to download.
    fn add(&mut self, torrent: &Path) -> Result<()>;

    /// Whether the node has checked the whole file, and is known to the tracker.
    fn is_seeding(&mut self) -> Result<bool>;

    /// Payload bytes that the application says are there, pieces in progress included.
    fn bytes_there(&mut self) -> Result<u64>;
}

pub fn driver(system: System) -> &'static dyn Driver {
    match system {
        System::Transmission => &transmission::Transmission,
    }
}
