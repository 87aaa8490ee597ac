//! Codex, later Logos Storage: `codex` or `storage`, controlled over REST. No package has it: the user names the
//! program, or has it in PATH.
//!
//! Nodes keep their defaults, but for what keeps the swarm closed. The file goes in through a client's upload,
//! and comes out of the leecher's in-order stream, whose network the node fetches through.

mod abilities;
mod intake;
mod progress;
mod rest;
#[cfg(test)]
mod stub;
mod table;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{self, Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};

use super::{Control, Download, Driver, Entry, Meeting, Pace, Place, System};
use crate::bench::dataset::Dataset;
use crate::bench::dataset::Sample;
use crate::bench::hosts::program::{Program, Source, User, in_path};
use abilities::Abilities;
use capture::Role;
use progress::Fetch;
use rest::{From, Limits, Rest};

/// As in the public harness.
const REST_PORT: u16 = 6891;
const PEER_PORT: u16 = 6892;
const DISCOVERY_PORT: u16 = 6890;

pub const SYSTEM: System = System::new(&Entry {
    name: "codex",
    help: None,
    // By runs of v0.2.5 on 2 CPUs, CPU of all nodes: 100 MiB to one leecher with 3.0 s in 12 s, to seven with 37 s,
    // 20 MiB to twelve of 16 nodes with 36 s. Each node asks all others for each block, and some come twice.
    pace: Pace {
        until_first_byte_s: 1.0,
        leecher_bytes_per_s: 7.2e6,
        cpu_s_per_byte: 2e-8,
        cpu_s_per_byte_and_peer: 8e-9,
        node_memory_bytes: 112 << 20,
        node_start_s: 1.0,
    },
    driver: &|program| Ok(Arc::new(Codex::find(program)?)),
});

pub struct Codex {
    program: Program,
    abilities: Abilities,
}

impl Codex {
    /// A driver of the node program at `path`, or else in PATH.
    pub fn find(path: Option<&Path>) -> Result<Self> {
        let found = ["codex", "storage"].into_iter().find_map(|name| Some((name, in_path(name)?)));
        let (name, path): (_, PathBuf) = match path {
            // Nodes start in folders of their own.
            Some(path) => ("codex", path::absolute(path).context("find the program of Codex")?),
            None => found.context(
                "neither codex nor storage is in PATH: build a node from its repository (codex-storage/nim-codex, \
                 later logos-storage/logos-storage-nim), and put it into PATH or name it with `--codex-bin PATH`",
            )?,
        };
        let program = Program { name, source: Source::File(path), user: User::Root };
        let abilities = Abilities::of(&program.find()?)?;
        Ok(Self { program, abilities })
    }
}

impl Driver for Codex {
    fn program(&self, _role: Role) -> Program {
        self.program.clone()
    }

    fn meeting(&self) -> Meeting {
        Meeting::FirstNode
    }

    fn control_ports(&self) -> Vec<u16> {
        [REST_PORT].into_iter().chain(self.abilities.discovery_port()).collect()
    }

    fn upload_port(&self) -> Option<u16> {
        Some(REST_PORT)
    }

    fn peer_port(&self) -> u16 {
        PEER_PORT
    }

    fn configure(&self, place: &Place) -> Result<Vec<OsString>> {
        // The node refuses a data directory that others may read.
        fs::set_permissions(&place.data, Permissions::from_mode(0o700))
            .with_context(|| format!("close {} to others", place.data.display()))?;
        let data = place.data.to_str().with_context(|| format!("{} is not UTF-8", place.data.display()))?;
        let mut arguments = vec![
            format!("--data-dir={data}"),
            format!("--api-bindaddr={}", Ipv4Addr::LOCALHOST),
            format!("--api-port={REST_PORT}"),
            // Without an address, the node asks the router for one.
            format!("--nat=extip:{}", place.address),
        ];
        arguments.extend(self.abilities.arguments(place.address, place.contact.as_deref()));
        Ok(arguments.into_iter().map(OsString::from).collect())
    }

    fn control(&self, _place: &Place) -> Box<dyn Control> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, REST_PORT));
        Box::new(Node::new(Rest::new(address, Limits::default()), self.abilities))
    }
}

struct Node {
    rest: Rest,
    abilities: Abilities,
    /// Whether it tells of its downloads, once it was asked.
    tells_progress: Option<bool>,
    /// The download that is polled.
    fetch: Option<Fetch>,
}

impl Node {
    fn new(rest: Rest, abilities: Abilities) -> Self {
        Self { rest, abilities, tells_progress: None, fetch: None }
    }

    fn tells_progress(&mut self) -> Result<bool> {
        let tells = match self.tells_progress {
            Some(tells) => tells,
            None => progress::tells(&mut self.rest)?,
        };
        self.tells_progress = Some(tells);
        Ok(tells)
    }
}

impl Control for Node {
    fn version(&mut self) -> Result<String> {
        let (_, info) = self.rest.debug_info()?;
        let tells_progress = self.tells_progress()?;
        self.abilities.version(&info, tells_progress)
    }

    /// The node's signed peer record.
    fn contact(&mut self) -> Result<String> {
        let record = self.rest.text_or_field("spr", "spr")?;
        ensure!(record.starts_with("spr:"), "the node's peer record is none: {record:?}");
        Ok(record)
    }

    /// The node's peer id.
    fn identity(&mut self) -> Result<String> {
        self.rest.text_or_field("peerid", "id")
    }

    fn knows(&mut self, identity: &str) -> Result<bool> {
        let (_, info) = self.rest.debug_info()?;
        Ok(table::has_heard_from(&info, identity))
    }

    fn offer(
        &mut self,
        dataset: &Dataset,
        tell: &mut dyn FnMut(Sample) -> Result<()>,
    ) -> Result<Option<String>> {
        intake::upload(&mut self.rest, &dataset.file, tell).map(Some)
    }

    /// A stream of a node that does not tell of its progress.
    fn download(&mut self, reference: &str) -> Result<Download> {
        if self.tells_progress()? {
            self.fetch = Some(progress::fetch(&mut self.rest, reference)?);
            return Ok(Download::Held);
        }
        Ok(Download::Streamed(Box::new(self.rest.stream(reference, From::Network)?)))
    }

    fn batch_bytes(&self) -> u64 {
        progress::BATCH_BYTES
    }

    fn bytes_there(&mut self) -> Result<u64> {
        self.fetch.as_mut().context("this download is not polled")?.bytes_there(&mut self.rest)
    }

    fn read_back(&mut self, reference: &str) -> Result<Box<dyn Read>> {
        Ok(Box::new(self.rest.stream(reference, From::Store)?))
    }
}
