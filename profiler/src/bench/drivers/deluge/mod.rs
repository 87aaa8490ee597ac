//! Deluge 2 as Debian ships it: `deluged` on libtorrent 2, which maps its files into memory. The public harness
//! drives the same client. Controlled by its RPC.

mod rencode;
#[cfg(test)]
mod rencode_tests;
mod rpc;
#[cfg(test)]
mod rpc_tests;
mod settings;
mod tls;

use std::ffi::OsString;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::bittorrent::{self, CONTROL_PORT, Node};
use super::{Control, Driver, Entry, Pace, Place, System};
use crate::bench::hosts::program::{Program, Source, User};
use capture::Role;
use rpc::Rpc;

const USER: &str = "localclient";
/// No secret: whoever may enter the namespace is root.
const PASSWORD: &str = "benchmark";

pub const SYSTEM: System = System::new(&Entry {
    name: "deluge",
    help: Some("With the client's defaults, among them uTP"),
    // By runs on 2 CPUs: 100 MiB to one leecher in 11.6 s and to six from two seeders in 7.6 s, 20 MiB to
    // sixteen from sixteen in 5.5 s; of 36 s there, 26 s went by until all nodes seeded.
    pace: Pace {
        until_first_byte_s: 0.1,
        leecher_bytes_per_s: 9e6,
        cpu_s_per_byte: 1.6e-8,
        cpu_s_per_byte_and_peer: 0.0,
        node_memory_bytes: 48 << 20,
        node_start_s: 0.8,
    },
    driver: &|_| Ok(Arc::new(Deluge { has_utp: true })),
});

pub const WITHOUT_UTP: System = System::new(&Entry {
    name: "deluge-tcp",
    help: Some("Without uTP: all payload goes over TCP"),
    // The same three without uTP: 0.6 s, 1.5 s and 3.5 s.
    pace: Pace {
        until_first_byte_s: 0.1,
        leecher_bytes_per_s: 170e6,
        cpu_s_per_byte: 8e-9,
        cpu_s_per_byte_and_peer: 0.0,
        node_memory_bytes: 48 << 20,
        node_start_s: 0.8,
    },
    driver: &|_| Ok(Arc::new(Deluge { has_utp: false })),
});

pub struct Deluge {
    /// libtorrent's default.
    pub has_utp: bool,
}

impl Driver for Deluge {
    fn program(&self, _role: Role) -> Program {
        let package = "deluged";
        Program { name: package, source: Source::Package(package), user: User::Root }
    }

    fn configure(&self, place: &Place) -> Result<Vec<OsString>> {
        settings::write(place, self.has_utp)?;
        let address = Ipv4Addr::LOCALHOST.to_string();
        let mut arguments: Vec<OsString> =
            ["--do-not-daemonize", "--loglevel", "none", "--ui-interface", &address, "--config"]
                .map(OsString::from)
                .into();
        arguments.push(place.home.clone().into());
        Ok(arguments)
    }

    fn control(&self, _place: &Place) -> Box<dyn Control> {
        Box::new(Node::new(Client { rpc: None, torrent_id: Value::Null }))
    }
}

struct Client {
    /// Connected and logged in.
    rpc: Option<Rpc>,
    torrent_id: Value,
}

impl bittorrent::Client for Client {
    fn version(&mut self) -> Result<String> {
        let daemon = self.call("daemon.get_version", json!([]))?;
        let library = self.call("core.get_libtorrent_version", json!([]))?;
        Ok(format!("{} (libtorrent {})", text(&daemon, "version")?, text(&library, "libtorrent")?))
    }

    fn add(&mut self, torrent_path: &str) -> Result<()> {
        let torrent = fs::read(torrent_path).with_context(|| format!("read {torrent_path}"))?;
        let name = Path::new(torrent_path).file_name().and_then(|name| name.to_str());
        let arguments = json!([name, BASE64_STANDARD.encode(torrent), {}]);
        self.torrent_id = self.call("core.add_torrent_file", arguments)?;
        Ok(())
    }

    fn is_seeding(&mut self) -> Result<bool> {
        let torrent = self.torrent(&["is_seed", "tracker_status", "state", "message"])?;
        Ok(torrent["state"] == "Seeding"
            && torrent["is_seed"] == true
            && torrent["tracker_status"] == "Announce OK")
    }

    /// libtorrent counts blocks (16 KiB) that came but were neither written nor checked yet, so that the last
    /// byte is not taken as there before all pieces are.
    fn bytes_there(&mut self) -> Result<u64> {
        let torrent = self.torrent(&["total_done", "total_wanted", "is_seed", "state", "message"])?;
        let done_bytes = number(&torrent, "total_done")?;
        match torrent["is_seed"] == true {
            true => Ok(done_bytes),
            false => Ok(done_bytes.min(number(&torrent, "total_wanted")?.saturating_sub(1))),
        }
    }
}

impl Client {
    /// The wanted keys of the node's only torrent, `state` and `message` among them.
    fn torrent(&mut self, keys: &[&str]) -> Result<Value> {
        let torrent = self.call("core.get_torrent_status", json!([self.torrent_id, keys]))?;
        if torrent["state"] == "Error" {
            bail!("the client reports: {}", text(&torrent["message"], "message")?);
        }
        Ok(torrent)
    }

    fn call(&mut self, method: &str, arguments: Value) -> Result<Value> {
        let mut rpc = match self.rpc.take() {
            Some(rpc) => rpc,
            None => connect()?,
        };
        let result = rpc.call(method, arguments, json!({}))?;
        // After an error the connection is made anew: its answer may still come.
        self.rpc = Some(rpc);
        Ok(result)
    }
}

/// The daemon asks clients for their version, and refuses those before 2.
fn connect() -> Result<Rpc> {
    let mut rpc = Rpc::connect(CONTROL_PORT)?;
    rpc.call("daemon.login", json!([USER, PASSWORD]), json!({ "client_version": "2" }))?;
    Ok(rpc)
}

fn number(object: &Value, key: &str) -> Result<u64> {
    object[key].as_u64().with_context(|| format!("Deluge's answer has no number `{key}`"))
}

fn text<'a>(value: &'a Value, what: &str) -> Result<&'a str> {
    value.as_str().with_context(|| format!("Deluge's {what} is no text"))
}
