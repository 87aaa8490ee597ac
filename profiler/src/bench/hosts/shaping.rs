//! Limits of a node's link: qdiscs on both ends of its veth pair, through rtnetlink.
//!
//! A token bucket (tbf) at each end holds the rate, netem at the node's end delays and loses what the node sends.
//! rtnetlink has no builders for these two; the attributes are those of `linux/pkt_sched.h`.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use futures_util::StreamExt;
use rtnetlink::Handle;
use rtnetlink::packet_core::{
    DefaultNla, NLM_F_ACK, NLM_F_CREATE, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::tc::{TcAttribute, TcHandle, TcMessage};

use super::Host;
use super::links::{self, NODE_INTERFACE};
use crate::bench::hosts::Link;

const TCA_OPTIONS: u16 = 2;
const TCA_TBF_PARMS: u16 = 1;
const TCA_TBF_BURST: u16 = 6;
const TCA_NETEM_LATENCY64: u16 = 10;
/// Rates are of whole Ethernet frames. Without a link layer the kernel wants a table of times.
const TC_LINKLAYER_ETHERNET: u8 = 1;
/// With a smaller burst the kernel cuts large segments before the bucket.
const LEAST_BURST_BYTES: u64 = 128 << 10;
/// Tokens are filled up in the time of a timer tick, at the latest.
const BURST_S: f64 = 0.01;
/// What waits for the bucket, and is dropped beyond.
const QUEUE_S: f64 = 0.05;
/// Packets that netem holds: a second of 1 Gbit/s in full frames.
const NETEM_LIMIT_PACKETS: u32 = 100_000;

/// Limits the link of a plugged-in node. `port` is the name of its end in the hub.
pub fn shape(node: &Host, hub: &Host, port: &str, link: &Link) -> Result<()> {
    let rate = link.rate_bits_per_s.map(|bits| bits / 8);
    links::within(&node.namespace, async |handle| {
        let mut parent = TcHandle::ROOT;
        if link.delay.is_some() || link.loss_percent.is_some() {
            let options = netem(link.delay.unwrap_or_default(), link.loss_percent.unwrap_or(0.0));
            add(&handle, NODE_INTERFACE, parent, "netem", options).await?;
            parent = TcHandle { major: HANDLE_MAJOR, minor: 1 };
        }
        match rate {
            Some(bytes_per_s) => add(&handle, NODE_INTERFACE, parent, "tbf", tbf(bytes_per_s)?).await,
            None => Ok(()),
        }
    })?;
    let Some(bytes_per_s) = rate else { return Ok(()) };
    links::within(&hub.namespace, async |handle| {
        add(&handle, port, TcHandle::ROOT, "tbf", tbf(bytes_per_s)?).await
    })
}

const HANDLE_MAJOR: u16 = 1;

async fn add(handle: &Handle, interface: &str, parent: TcHandle, kind: &str, options: Vec<u8>) -> Result<()> {
    let index = i32::try_from(links::index_of(interface)?)?;
    let mut message = TcMessage::with_index(index);
    message.header.parent = parent;
    if parent == TcHandle::ROOT {
        message.header.handle = TcHandle { major: HANDLE_MAJOR, minor: 0 };
    }
    message.attributes.push(TcAttribute::Kind(kind.to_owned()));
    message.attributes.push(TcAttribute::Other(DefaultNla::new(TCA_OPTIONS, options)));
    let mut request = NetlinkMessage::from(RouteNetlinkMessage::NewQueueDiscipline(message));
    request.header.flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
    let mut answers = handle.clone().request(request).context("send a request to the kernel")?;
    while let Some(answer) = answers.next().await {
        let NetlinkPayload::Error(error) = answer.payload else { continue };
        if error.code.is_none() {
            continue;
        }
        let error = error.to_io();
        // The kernel has no such qdisc, neither built in nor as a module.
        if error.raw_os_error() == Some(libc::ENOENT) {
            bail!(
                "this kernel has no {kind} (CONFIG_NET_SCH_{}), which {} of the matrix needs: leave it out, or \
                 take a kernel that has it",
                kind.to_uppercase(),
                if kind == "netem" { "`delay` or `loss_percent`" } else { "`rate_bits_per_s`" },
            );
        }
        return Err(anyhow!(error).context(format!("limit {interface} with {kind}")));
    }
    Ok(())
}

/// `struct tc_tbf_qopt` (two `struct tc_ratespec`, then limit, buffer and mtu), and the burst.
fn tbf(bytes_per_s: u64) -> Result<Vec<u8>> {
    let rate = u32::try_from(bytes_per_s).context("the kernel takes the rate in 32 bits")?;
    let burst = ((bytes_per_s as f64 * BURST_S) as u64).max(LEAST_BURST_BYTES);
    let queue = ((bytes_per_s as f64 * QUEUE_S) as u64).max(2 * burst);
    // cell_log, linklayer, overhead, cell_align, mpu.
    let ratespec = [&[0, TC_LINKLAYER_ETHERNET, 0, 0, 0, 0, 0, 0], &rate.to_ne_bytes()[..]].concat();
    let no_peak = [0; 12];
    let parameters = [&ratespec[..], &no_peak, &u32::try_from(queue)?.to_ne_bytes(), &[0; 8]].concat();
    let burst = u32::try_from(burst)?.to_ne_bytes();
    Ok([attribute(TCA_TBF_PARMS, &parameters), attribute(TCA_TBF_BURST, &burst)].concat())
}

/// `struct tc_netem_qopt` (latency, limit, loss, gap, duplicate, jitter), and the delay in ns.
fn netem(delay: Duration, loss_percent: f64) -> Vec<u8> {
    // A probability is a part of 2^32 - 1.
    let loss = (loss_percent / 100.0 * f64::from(u32::MAX)) as u32;
    let head: Vec<u8> =
        [0, NETEM_LIMIT_PACKETS, loss, 0, 0, 0].into_iter().flat_map(u32::to_ne_bytes).collect();
    let delay_ns = delay.as_nanos() as i64;
    [head, attribute(TCA_NETEM_LATENCY64, &delay_ns.to_ne_bytes())].concat()
}

/// A netlink attribute, whose value has a length that is a multiple of four.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = 4 + value.len() as u16;
    [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_have_the_sizes_that_the_kernel_expects() -> Result<()> {
        // struct tc_tbf_qopt has 36 bytes, struct tc_netem_qopt 24.
        assert_eq!(tbf(12_500_000)?.len(), (4 + 36) + (4 + 4));
        assert_eq!(netem(Duration::from_millis(5), 0.1).len(), 24 + (4 + 8));
        assert_eq!(netem(Duration::ZERO, 100.0)[8..12], u32::MAX.to_ne_bytes());
        assert!(tbf(u64::from(u32::MAX) + 1).is_err());
        Ok(())
    }
}
