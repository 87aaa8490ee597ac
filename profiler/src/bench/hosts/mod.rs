//! The hosts of a benchmark: a network namespace for each node, joined by a hub.
//!
//! The hub is a namespace too. It holds a bridge, to which each node's veth goes, and the tracker. Nothing of
//! it is reachable from outside, and the host's own network is not touched.

pub mod child;
mod disk_limit;
mod link;
pub mod links;
pub mod logs;
pub mod namespace;
pub mod processes;
pub mod program;
mod shaping;
pub mod throttle;

use std::net::Ipv4Addr;

use anyhow::{Context, Result};

pub use disk_limit::DiskLimit;
pub use link::Link;
use namespace::Namespace;

/// Private (RFC 1918), and less often in use than the first networks of the range. Only seen inside the
/// namespaces.
pub const HUB_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 213, 0, 1);
const PREFIX_LENGTH: u8 = 16;

/// The machine of one node, or the hub.
pub struct Host {
    pub namespace: Namespace,
    pub address: Ipv4Addr,
}

/// Makes the hub of a run. Names of namespaces begin with `prefix`.
pub fn make_hub(prefix: &str) -> Result<Host> {
    let namespace = Namespace::create(&format!("{prefix}hub"))?;
    links::set_up_hub(&namespace, HUB_ADDRESS, PREFIX_LENGTH).context("set up the hub of the network")?;
    Ok(Host { namespace, address: HUB_ADDRESS })
}

/// The address of the node with this number, which counts from 1.
pub fn address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(HUB_ADDRESS.to_bits() + number)
}

/// Makes the host of a node and plugs it into the hub. `number` counts from 1 and gives the address; `label`
/// names the interface in the hub, and must fit its 15 characters.
pub fn make_host(prefix: &str, label: &str, number: u32, hub: &Host) -> Result<Host> {
    let address = address(number);
    let namespace = Namespace::create(&format!("{prefix}{label}"))?;
    links::plug_in(&hub.namespace, label, &namespace, address, PREFIX_LENGTH)
        .with_context(|| format!("set up the network of {label}"))?;
    Ok(Host { namespace, address })
}

/// Limits the link of a node that is plugged in as `label`.
pub fn limit(host: &Host, hub: &Host, label: &str, link: &Link) -> Result<()> {
    shaping::shape(host, hub, label, link).with_context(|| format!("limit the link of {label}"))
}
