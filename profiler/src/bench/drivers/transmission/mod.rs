//! Transmission 3.00 as Debian ships it: `transmission-daemon`, controlled by JSON RPC.
//!
//! Its settings stay at the client's defaults (uTP on, encryption preferred, a 4 MiB write cache) but for
//! what keeps the swarm closed and its control apart from its payload.

mod rpc;

use std::ffi::OsString;
use std::fs;
use std::net::Ipv4Addr;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::bittorrent::{self, CONTROL_PORT, Node, PEER_PORT};
use super::{Control, Driver, Place};
use crate::bench::program::{Program, Source, User};
use rpc::Rpc;

const SETTINGS: &str = "settings.json";

/// `TR_STATUS_SEED`: the file is complete and offered to others.
const STATUS_SEEDING: u64 = 6;
/// `TR_STAT_LOCAL_ERROR`: a disk that is full, a file that is gone. Trouble with a tracker has other numbers.
const ERROR_LOCAL: u64 = 3;

pub struct Transmission;

impl Driver for Transmission {
    fn program(&self) -> Program {
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
        Ok(vec!["--foreground".into(), "--config-dir".into(), place.home.into()])
    }

    fn control(&self) -> Box<dyn Control> {
        Box::new(Node::new(Client { rpc: Rpc::new(CONTROL_PORT) }))
    }
}

struct Client {
    rpc: Rpc,
}

impl bittorrent::Client for Client {
    fn version(&mut self) -> Result<String> {
        let session = self.rpc.call("session-get", json!({ "fields": ["version"] }))?;
        text(&session, "version")
    }

    fn add(&mut self, torrent_path: &str) -> Result<()> {
        self.rpc.call("torrent-add", json!({ "filename": torrent_path })).map(drop)
    }

    fn is_seeding(&mut self) -> Result<bool> {
        let torrent = self.torrent(&["status", "leftUntilDone", "trackerStats", "error", "errorString"])?;
        let is_complete =
            number(&torrent, "status")? == STATUS_SEEDING && number(&torrent, "leftUntilDone")? == 0;
        let is_announced = torrent["trackerStats"][0]["lastAnnounceSucceeded"] == json!(true);
        Ok(is_complete && is_announced)
    }

    /// Counted anew for each answer, block by block (16 KiB), whether or not the block's piece is complete. A
    /// complete piece is checked before the next request is read, so that a complete file is also a valid
    /// one.
    fn bytes_there(&mut self) -> Result<u64> {
        let torrent = self.torrent(&["haveValid", "haveUnchecked", "error", "errorString"])?;
        Ok(number(&torrent, "haveValid")? + number(&torrent, "haveUnchecked")?)
    }
}

impl Client {
    /// The wanted fields of the node's only torrent.
    fn torrent(&mut self, fields: &[&str]) -> Result<Value> {
        let mut answer = self.rpc.call("torrent-get", json!({ "fields": fields }))?;
        let torrent = answer["torrents"][0].take();
        if number(&torrent, "error")? == ERROR_LOCAL {
            bail!("the client reports: {}", text(&torrent, "errorString")?);
        }
        Ok(torrent)
    }
}

fn number(object: &Value, field: &str) -> Result<u64> {
    object[field].as_u64().with_context(|| format!("Transmission's answer has no number `{field}`"))
}

fn text(object: &Value, field: &str) -> Result<String> {
    Ok(object[field]
        .as_str()
        .with_context(|| format!("Transmission's answer has no text `{field}`"))?
        .to_owned())
}
