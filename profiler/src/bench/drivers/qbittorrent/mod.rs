//! qBittorrent as Debian ships it: `qbittorrent-nox` on libtorrent 2, controlled by its Web API.
//!
//! Its settings stay at the client's defaults but for what keeps the swarm closed, and how often it looks at its own
//! progress.

mod web;

use std::ffi::OsString;
use std::fs;
use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use capture::Role;
use serde_json::Value;

use super::bittorrent::{self, CONTROL_PORT, Node, PEER_PORT};
use super::{Control, Driver, Entry, Pace, Place, System};
use crate::bench::hosts::program::{Program, Source, User};
use web::Web;

/// By runs on 2 CPUs, CPU of all nodes: 100 MiB to one leecher in 5.8 s with 1.4 s, without uTP in 1.4 s with 0.6 s; to the
/// first byte 0.9 to 1.0 s.
const PACE: Pace = Pace {
    until_first_byte_s: 1.0,
    leecher_bytes_per_s: 22e6,
    cpu_s_per_byte: 1.4e-8,
    cpu_s_per_byte_and_peer: 0.0,
    node_memory_bytes: 64 << 20,
    node_start_s: 1.5,
};

pub const SYSTEM: System = System::new(&Entry {
    name: "qbittorrent",
    help: Some("With the client's defaults, among them uTP"),
    pace: PACE,
    driver: &|_| Ok(Arc::new(QBittorrent { has_utp: true })),
});

pub const WITHOUT_UTP: System = System::new(&Entry {
    name: "qbittorrent-tcp",
    help: Some("Without uTP: all payload goes over TCP"),
    pace: Pace { leecher_bytes_per_s: 240e6, cpu_s_per_byte: 6e-9, ..PACE },
    driver: &|_| Ok(Arc::new(QBittorrent { has_utp: false })),
});

pub struct QBittorrent {
    /// The client's default.
    has_utp: bool,
}

impl Driver for QBittorrent {
    fn program(&self, _role: Role) -> Program {
        let package = "qbittorrent-nox";
        Program { name: package, source: Source::Package(package), user: User::Root }
    }

    fn configure(&self, place: &Place) -> Result<Vec<OsString>> {
        let folder = place.home.join("qBittorrent/config");
        fs::create_dir_all(&folder).with_context(|| format!("make the folder {}", folder.display()))?;
        let path = folder.join("qBittorrent.conf");
        fs::write(&path, settings(place, self.has_utp))
            .with_context(|| format!("write {}", path.display()))?;
        let mut profile = OsString::from("--profile=");
        profile.push(&place.home);
        Ok(vec![profile])
    }

    fn control(&self, place: &Place) -> Box<dyn Control> {
        let data = place.data.display().to_string();
        Box::new(Node::new(Client { web: Web::new(CONTROL_PORT), data }))
    }
}

/// It refreshes what it answers every 1.5 s by default, and so would its milestones.
fn settings(place: &Place, has_utp: bool) -> String {
    let protocol = if has_utp { "Both" } else { "TCP" };
    let (address, data) = (place.address, place.data.display());
    format!(
        "[LegalNotice]\nAccepted=true\n\n[BitTorrent]\nSession\\BTProtocol={protocol}\n\
         Session\\DHTEnabled=false\nSession\\LSDEnabled=false\nSession\\PeXEnabled=false\n\
         Session\\Port={PEER_PORT}\nSession\\InterfaceAddress={address}\nSession\\DefaultSavePath={data}\n\
         Session\\RefreshInterval=20\nSession\\QueueingSystemEnabled=false\n\n[Network]\n\
         PortForwardingEnabled=false\n\n[Preferences]\nWebUI\\Address={}\nWebUI\\Port={CONTROL_PORT}\n\
         WebUI\\LocalHostAuth=false\nWebUI\\UseUPnP=false\n",
        Ipv4Addr::LOCALHOST
    )
}

struct Client {
    web: Web,
    data: String,
}

impl bittorrent::Client for Client {
    fn version(&mut self) -> Result<String> {
        let version = self.web.text("app/version")?;
        let libraries: Value = self.web.json("app/buildInfo")?;
        let library = libraries["libtorrent"].as_str().context("the client names no libtorrent")?;
        Ok(format!("{version} (libtorrent {library})"))
    }

    fn add(&mut self, torrent_path: &str) -> Result<()> {
        let torrent = fs::read(torrent_path).with_context(|| format!("read {torrent_path}"))?;
        // A seeder checks its file, as the other clients' do.
        let fields = [("savepath", self.data.as_str()), ("autoTMM", "false"), ("root_folder", "false")];
        let answer = self.web.add("torrents/add", &fields, &torrent)?;
        ensure!(answer == "Ok.", "the client refused the torrent: {answer}");
        Ok(())
    }

    fn is_seeding(&mut self) -> Result<bool> {
        let torrent = self.torrent()?;
        if !matches!(torrent["state"].as_str(), Some("uploading" | "stalledUP" | "forcedUP")) {
            return Ok(false);
        }
        let hash = torrent["hash"].as_str().context("the client's torrent has no `hash`")?;
        let trackers: Value = self.web.json(&format!("torrents/trackers?hash={hash}"))?;
        // Of the tracker, not of DHT, PeX and LSD, which are listed too: 2 is "contacted and works".
        let mut trackers = trackers.as_array().into_iter().flatten();
        Ok(trackers.any(|tracker| {
            tracker["status"] == 2 && tracker["url"].as_str().is_some_and(|url| url.starts_with("http"))
        }))
    }

    /// `completed` counts blocks that came but were neither written nor checked yet: the last byte is not taken as there
    /// before all pieces are.
    fn bytes_there(&mut self) -> Result<u64> {
        let torrent = self.torrent()?;
        let number = |key: &str| {
            torrent[key].as_u64().with_context(|| format!("the client's torrent has no number `{key}`"))
        };
        let done = number("completed")?;
        let is_whole = matches!(
            torrent["state"].as_str(),
            Some("uploading" | "stalledUP" | "forcedUP" | "queuedUP" | "pausedUP")
        );
        Ok(if is_whole { done } else { done.min(number("size")?.saturating_sub(1)) })
    }
}

impl Client {
    /// The node's only torrent.
    fn torrent(&mut self) -> Result<Value> {
        let torrents: Value = self.web.json("torrents/info")?;
        let torrent = torrents.as_array().and_then(|torrents| torrents.first()).cloned();
        // It appears some time after it was added.
        let Some(torrent) = torrent else {
            return Ok(serde_json::json!({ "state": "added", "completed": 0, "size": 0 }));
        };
        match torrent["state"].as_str() {
            Some(state @ ("error" | "missingFiles")) => bail!("the client reports: {state}"),
            _ => Ok(torrent),
        }
    }
}
