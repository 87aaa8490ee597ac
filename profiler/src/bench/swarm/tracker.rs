//! The tracker through which the nodes find each other: opentracker, in the hub of the network.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::bench::hosts::Host;
use crate::bench::hosts::child::ChildProcess;
use crate::bench::hosts::program::{Program, Source, User};

pub const PROGRAM: Program =
    Program { name: "opentracker", source: Source::Package("opentracker"), user: User::Nobody };

const PORT: u16 = 6969;
const WHITELIST: &str = "whitelist";
const LIMIT: Duration = Duration::from_secs(10);

/// Where the tracker of a hub with this address listens, over TCP and UDP.
pub fn address(hub_address: Ipv4Addr) -> SocketAddr {
    (hub_address, PORT).into()
}

/// What clients are told to announce themselves to.
pub fn announce_url(hub_address: Ipv4Addr) -> String {
    format!("http://{}/announce", address(hub_address))
}

/// Starts a tracker for one torrent in the hub, and waits until it listens.
pub fn start(hub: &Host, info_hash: &str, home: &Path, stop: &AtomicBool) -> Result<ChildProcess> {
    fs::create_dir(home).with_context(|| format!("make the folder {}", home.display()))?;
    // Debian builds opentracker to serve only what is on its whitelist.
    let whitelist = home.join(WHITELIST);
    fs::write(&whitelist, format!("{info_hash}\n"))
        .with_context(|| format!("write {}", whitelist.display()))?;
    let address = address(hub.address);
    let (ip, port) = (address.ip().to_string(), address.port().to_string());
    // `.`, not the path: the run's folder is closed to nobody, who starts inside this one.
    let arguments = ["-i", &ip, "-p", &port, "-P", &port, "-d", ".", "-w", WHITELIST].map(Into::into);
    let mut daemon = ChildProcess::start(&PROGRAM, arguments.into(), "the hub", &hub.namespace, None, home)?;
    daemon.wait_until(&format!("listens on {address}"), LIMIT, stop, || {
        hub.namespace.run(|| Ok(TcpStream::connect(address).ok().map(drop)))
    })?;
    Ok(daemon)
}
