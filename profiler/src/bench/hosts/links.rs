//! Interfaces and addresses inside namespaces, through rtnetlink.
//!
//! Each function works on the namespaces that it is given; the host's own interfaces are never touched.

use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};

use anyhow::{Context, Result};
use rtnetlink::{Handle, LinkBridge, LinkUnspec, LinkVeth};
use rustix::net::netdevice::name_to_index;
use tokio::runtime;

use super::namespace::Namespace;

const LOOPBACK: &str = "lo";
/// The hub's interface that every packet between nodes crosses.
pub const BRIDGE: &str = "bridge";
/// What a node calls its only interface besides loopback.
pub const NODE_INTERFACE: &str = "eth0";

/// Gives the hub its loopback, and the bridge that every node is plugged into.
pub fn set_up_hub(hub: &Namespace, address: Ipv4Addr, prefix_length: u8) -> Result<()> {
    within(hub, async |links| {
        up(&links, LOOPBACK).await?;
        // Spanning tree is off by default: a port forwards as soon as it has a carrier.
        let bridge = LinkBridge::new(BRIDGE).up().build();
        links.link().add(bridge).execute().await.context("make the bridge")?;
        add_address(&links, BRIDGE, address, prefix_length).await
    })
}

/// Plugs a node into the hub with a veth pair, whose end in the hub is called `port`, and sets the node up.
pub fn plug_in(
    hub: &Namespace,
    port: &str,
    node: &Namespace,
    address: Ipv4Addr,
    prefix_length: u8,
) -> Result<()> {
    let node_fd = node.as_fd().as_raw_fd();
    within(hub, async |links| {
        let pair = LinkVeth::new(port, NODE_INTERFACE).build();
        links.link().add(pair).execute().await.with_context(|| format!("make the veth pair {port}"))?;
        let moved = LinkUnspec::new_with_name(NODE_INTERFACE).setns_by_fd(node_fd).build();
        links
            .link()
            .set(moved)
            .execute()
            .await
            .with_context(|| format!("move the far end of {port} to its node"))?;
        let plugged = LinkUnspec::new_with_name(port).controller(index_of(BRIDGE)?).up().build();
        links.link().set(plugged).execute().await.with_context(|| format!("plug {port} into the bridge"))
    })?;
    within(node, async |links| {
        up(&links, LOOPBACK).await?;
        add_address(&links, NODE_INTERFACE, address, prefix_length).await?;
        up(&links, NODE_INTERFACE).await
    })
}

async fn up(links: &Handle, name: &str) -> Result<()> {
    let message = LinkUnspec::new_with_name(name).up().build();
    links.link().set(message).execute().await.with_context(|| format!("bring {name} up"))
}

async fn add_address(links: &Handle, name: &str, address: Ipv4Addr, prefix_length: u8) -> Result<()> {
    let request = links.address().add(index_of(name)?, address.into(), prefix_length);
    request.execute().await.with_context(|| format!("give {name} the address {address}"))
}

/// The index of an interface in the calling thread's namespace.
pub fn index_of(name: &str) -> Result<u32> {
    // The ioctl takes any socket of the namespace.
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).context("open a socket")?;
    name_to_index(&socket, name).with_context(|| format!("find the interface {name}"))
}

/// Runs netlink requests in a namespace: a netlink socket belongs to the namespace of the thread that opens
/// it.
pub fn within(namespace: &Namespace, requests: impl AsyncFnOnce(Handle) -> Result<()> + Send) -> Result<()> {
    namespace.run(|| {
        let runtime = runtime::Builder::new_current_thread().enable_io().build().context("start tokio")?;
        runtime.block_on(async {
            let (connection, handle, _) = rtnetlink::new_connection().context("open a netlink socket")?;
            tokio::spawn(connection);
            requests(handle).await
        })
    })
}
