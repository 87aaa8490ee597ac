//! What the clients of BitTorrent do alike: nodes meet at a tracker, a seeder finds the file in its folder and
//! checks it, and a leecher is asked how far it is.

use anyhow::{Context, Result, bail};

use super::{Control, Download};
use crate::bench::dataset::Dataset;
use crate::bench::dataset::Sample;

/// Nodes have namespaces of their own: every client is told to listen on the same ports.
pub const CONTROL_PORT: u16 = 9091;
pub const PEER_PORT: u16 = 51413;

/// What each client does in its own way. The node has one torrent at most.
pub trait Client: Send {
    /// The program's version by its own word. Fails as long as the node is not up yet.
    fn version(&mut self) -> Result<String>;

    /// Gives the node a torrent file to seed, if the payload is there already, or to download.
    fn add(&mut self, torrent_path: &str) -> Result<()>;

    /// Whether the node has checked the whole file, serves it, and is known to the tracker.
    fn is_seeding(&mut self) -> Result<bool>;

    /// As in [`Control::bytes_there`]. The whole file is there when every piece of it was checked.
    fn bytes_there(&mut self) -> Result<u64>;
}

/// Control over a node that runs a client of BitTorrent.
pub struct Node<C> {
    client: C,
    is_offered: bool,
}

impl<C> Node<C> {
    pub fn new(client: C) -> Self {
        Self { client, is_offered: false }
    }
}

impl<C: Client> Control for Node<C> {
    fn version(&mut self) -> Result<String> {
        self.client.version()
    }

    fn contact(&mut self) -> Result<String> {
        bail!("the nodes meet at a tracker")
    }

    fn identity(&mut self) -> Result<String> {
        bail!("the nodes meet at a tracker")
    }

    fn knows(&mut self, _identity: &str) -> Result<bool> {
        bail!("the nodes meet at a tracker")
    }

    /// The torrent's file name, once the node seeds.
    fn offer(
        &mut self,
        dataset: &Dataset,
        _tell: &mut dyn FnMut(Sample) -> Result<()>,
    ) -> Result<Option<String>> {
        let torrent = dataset.torrent.as_ref().context("there is no torrent")?;
        if !self.is_offered {
            self.client.add(&torrent.path)?;
            self.is_offered = true;
        }
        Ok(self.client.is_seeding()?.then(|| torrent.path.clone()))
    }

    fn download(&mut self, reference: &str) -> Result<Download> {
        self.client.add(reference)?;
        Ok(Download::Polled)
    }

    fn bytes_there(&mut self) -> Result<u64> {
        self.client.bytes_there()
    }
}
