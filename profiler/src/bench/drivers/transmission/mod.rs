//! Transmission 3.00 as Debian ships it: `transmission-daemon`, controlled by JSON RPC.
//!
//! Its settings stay at the client's defaults (uTP on, encryption preferred, a 4 MiB write cache) but for
//! what keeps the swarm closed and its control apart from its payload.

mod http;
mod rpc;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fs;
use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::bittorrent::{self, CONTROL_PORT, Node, PEER_PORT};
use super::{Control, Driver, Entry, Pace, Place, System};
use crate::bench::hosts::program::{Program, Source, User};
use capture::Role;
use rpc::Rpc;

const SETTINGS: &str = "settings.json";

/// `TR_STATUS_SEED`: the file is complete and offered to others.
const STATUS_SEEDING: u64 = 6;
/// `TR_STAT_LOCAL_ERROR`: a disk that is full, a file that is gone. Trouble with a tracker has other numbers.
const ERROR_LOCAL: u64 = 3;

pub const SYSTEM: System = System::new(&Entry {
    name: "transmission",
    help: Some("With the client's defaults, among them uTP"),
    pace: Pace {
        until_first_byte_s: 19.0,
        leecher_bytes_per_s: 6.5e6,
        cpu_s_per_byte: 2.1e-8,
        cpu_s_per_byte_and_peer: 0.0,
        node_memory_bytes: 24 << 20,
        node_start_s: 0.5,
    },
    driver: &|_| Ok(Arc::new(Transmission)),
});

pub struct Transmission;

impl Driver for Transmission {
    fn program(&self, _role: Role) -> Program {
        let package = "transmission-daemon";
        Program { name: package, source: Source::Package(package), user: User::Root }
    }

    fn configure(&self, place: &Place) -> Result<Vec<OsString>> {
        let settings = json!({
            "download-dir": place.data,
            "incomplete-dir-enabled": false,
            "rpc-bind-address": Ipv4Addr::LOCALHOST,
            "rpc-port": CONTROL_PORT,
            "peer-port": PEER_PORT,
            "port-forwarding-enabled": false,
            "dht-enabled": false,
            "lpd-enabled": false,
            "pex-enabled": false,
        });
        let path = place.home.join(SETTINGS);
        fs::write(&path, settings.to_string()).with_context(|| format!("write {}", path.display()))?;
        Ok(vec!["--foreground".into(), "--config-dir".into(), place.home.clone().into()])
    }

    fn control(&self, _place: &Place) -> Box<dyn Control> {
        Box::new(Node::new(Client { rpc: Rpc::new(CONTROL_PORT) }))
    }
}

struct Client {
    rpc: Rpc,
}

impl bittorrent::Client for Client {
    fn version(&mut self) -> Result<String> {
        let session: Session = self.rpc.call("session-get", Fields { fields: &["version"] })?;
        Ok(session.version)
    }

    fn add(&mut self, torrent_path: &str) -> Result<()> {
        self.rpc.call("torrent-add", json!({ "filename": torrent_path })).map(|IgnoredAny| ())
    }

    fn is_seeding(&mut self) -> Result<bool> {
        let seeding: Seeding =
            self.torrent(&["status", "leftUntilDone", "trackerStats", "error", "errorString"])?;
        check(seeding.error, &seeding.error_string)?;
        let is_complete = seeding.status == STATUS_SEEDING && seeding.left_until_done == 0;
        Ok(is_complete
            && seeding.tracker_stats.first().is_some_and(|tracker| tracker.last_announce_succeeded))
    }

    /// Counted anew for each answer, block by block (16 KiB), whether or not the block's piece is complete. A
    /// complete piece is checked before the next request is read, so that a complete file is also a valid
    /// one.
    fn bytes_there(&mut self) -> Result<u64> {
        let progress: Progress = self.torrent(&["haveValid", "haveUnchecked", "error", "errorString"])?;
        check(progress.error, &progress.error_string)?;
        Ok(progress.have_valid + progress.have_unchecked)
    }
}

impl Client {
    /// The wanted fields of the node's only torrent.
    fn torrent<T: DeserializeOwned>(&mut self, fields: &[&str]) -> Result<T> {
        let Torrents { torrents: [torrent] } = self.rpc.call("torrent-get", Fields { fields })?;
        Ok(torrent)
    }
}

/// An error if the torrent has one that ends its transfer.
fn check(error: u64, error_string: &str) -> Result<()> {
    ensure!(error != ERROR_LOCAL, "the client reports: {error_string}");
    Ok(())
}

#[derive(Serialize)]
struct Fields<'a> {
    fields: &'a [&'a str],
}

#[derive(Deserialize)]
struct Session {
    version: String,
}

#[derive(Deserialize)]
struct Torrents<T> {
    torrents: [T; 1],
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Progress {
    have_valid: u64,
    have_unchecked: u64,
    error: u64,
    error_string: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Seeding {
    status: u64,
    left_until_done: u64,
    tracker_stats: Vec<TrackerStats>,
    error: u64,
    error_string: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TrackerStats {
    last_announce_succeeded: bool,
}
