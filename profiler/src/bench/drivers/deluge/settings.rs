//! The files that a daemon of Deluge is started with.
//!
//! Its settings stay at the client's defaults but for what keeps the swarm closed and ports where the benchmark
//! wants them.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::json;

use super::{PASSWORD, USER};
use crate::bench::drivers::Place;
use crate::bench::drivers::bittorrent::{CONTROL_PORT, PEER_PORT};

/// Of a user that may do everything.
const ADMIN: u32 = 10;

/// libtorrent's own settings, in bencode: Deluge has none of them for uTP.
const WITHOUT_UTP: &str = "d8:settingsd19:enable_incoming_utpi0e19:enable_outgoing_utpi0eee";

/// Writes the settings of a node into its home.
pub fn write(place: &Place, has_utp: bool) -> Result<()> {
    let head = json!({ "file": 1, "format": 1 });
    let settings = json!({
        "daemon_port": CONTROL_PORT,
        "download_location": place.data,
        "listen_interface": place.address,
        "listen_ports": [PEER_PORT, PEER_PORT],
        "random_port": false,
        "dht": false,
        "lsd": false,
        "upnp": false,
        "natpmp": false,
        "utpex": false,
    });
    // Two objects, one after the other.
    write_file(&place.home, "core.conf", &format!("{head}{settings}"))?;
    write_file(&place.home, "auth", &format!("{USER}:{PASSWORD}:{ADMIN}\n"))?;
    match has_utp {
        true => Ok(()),
        false => write_file(&place.home, "session.state", WITHOUT_UTP),
    }
}

fn write_file(folder: &Path, name: &str, text: &str) -> Result<()> {
    let path = folder.join(name);
    fs::write(&path, text).with_context(|| format!("write {}", path.display()))
}
