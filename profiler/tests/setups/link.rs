//! Two hosts and a link of limited rate between them: network namespaces, and a token bucket on the sender's end.

use std::{path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};
use futures_util::StreamExt as _;
use profiler::bench::{
    hosts::{self, Host, links},
    swarm::scratch::Run,
};
use rtnetlink::{
    packet_core::{
        DefaultNla, NLM_F_ACK, NLM_F_CREATE, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
    },
    packet_route::{
        RouteNetlinkMessage,
        tc::{TcAttribute, TcHandle, TcMessage, TcOption},
    },
};

/// Dropping it removes the hosts, and what runs there.
pub struct Link {
    pub sender: Host,
    pub receiver: Host,
    hub: Host,
    _run: Run,
}

/// With a smaller burst the kernel cuts large segments before the bucket.
const BURST_BYTES: u32 = 128 << 10;
const SMALL_BURST_BYTES: u32 = 4000;
/// What the bucket holds back: 50 ms at 100 Mbit/s.
const QUEUE_BYTES: u32 = 640_000;
/// Attributes of the tbf qdisc, from `linux/pkt_sched.h`.
const TCA_TBF_PARMS: u16 = 1;
const TCA_TBF_BURST: u16 = 6;
/// Rates are of whole Ethernet frames. Without a link layer the kernel wants a table of times.
const TC_LINKLAYER_ETHERNET: u8 = 1;

impl Link {
    /// The rate counts Ethernet frames. `scratch` is a folder on a disk.
    pub fn new(bits_per_s: u32, scratch: &Path) -> Self {
        Self::set_up(bits_per_s, BURST_BYTES, scratch).expect("make a link, which needs root")
    }

    /// The same, with packets of one segment each.
    pub fn of_single_segments(bits_per_s: u32, scratch: &Path) -> Self {
        Self::set_up(bits_per_s, SMALL_BURST_BYTES, scratch).expect("make a link, which needs root")
    }

    /// Has so many of a thousand of the sender's packets dropped on their way.
    pub fn lose(&self, per_mille: u32) {
        let rules = [
            "add table netdev loss".to_owned(),
            "add chain netdev loss way { type filter hook ingress device \"sender\" priority 0; }".to_owned(),
            format!("add rule netdev loss way numgen random mod 1000 < {per_mille} drop"),
        ];
        let nft = || {
            let output =
                Command::new("nft").arg(rules.join("\n")).output().context("run nft, of nftables")?;
            ensure!(output.status.success(), "nft: {}", String::from_utf8_lossy(&output.stderr));
            Ok(())
        };
        if per_mille > 0 {
            self.hub.namespace.run(nft).expect("have the link lose packets");
        }
    }

    fn set_up(bits_per_s: u32, burst_bytes: u32, scratch: &Path) -> Result<Self> {
        let run = Run::begin(scratch)?;
        let prefix = run.namespace_prefix();
        let hub = hosts::make_hub(&prefix)?;
        let sender = hosts::make_host(&prefix, "sender", 1, &hub)?;
        let receiver = hosts::make_host(&prefix, "receiver", 2, &hub)?;
        limit(&sender, bits_per_s / 8, burst_bytes).context("limit the rate of the sender's end")?;
        Ok(Self { sender, receiver, hub, _run: run })
    }
}

fn limit(host: &Host, bytes_per_s: u32, burst_bytes: u32) -> Result<()> {
    links::within(&host.namespace, async |mut handle| {
        let index = i32::try_from(links::index_of(links::NODE_INTERFACE)?)?;
        let mut message = TcMessage::with_index(index);
        message.header.parent = TcHandle::ROOT;
        message.attributes.push(TcAttribute::Kind("tbf".to_owned()));
        message.attributes.push(TcAttribute::Options(vec![
            TcOption::Other(DefaultNla::new(TCA_TBF_PARMS, parameters(bytes_per_s))),
            TcOption::Other(DefaultNla::new(TCA_TBF_BURST, burst_bytes.to_ne_bytes().to_vec())),
        ]));
        let mut request = NetlinkMessage::from(RouteNetlinkMessage::NewQueueDiscipline(message));
        request.header.flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
        let mut answers = handle.request(request)?;
        while let Some(answer) = answers.next().await {
            if let NetlinkPayload::Error(error) = answer.payload
                && error.code.is_some()
            {
                return Err(error.to_io().into());
            }
        }
        Ok(())
    })
}

/// `struct tc_tbf_qopt`: two `struct tc_ratespec`, then limit, buffer and mtu. The burst has its own attribute.
fn parameters(bytes_per_s: u32) -> Vec<u8> {
    // cell_log, linklayer, overhead, cell_align, mpu.
    let rate = [&[0, TC_LINKLAYER_ETHERNET, 0, 0, 0, 0, 0, 0], &bytes_per_s.to_ne_bytes()[..]].concat();
    let no_peak = [0; 12];
    [&rate[..], &no_peak, &QUEUE_BYTES.to_ne_bytes(), &[0; 8]].concat()
}
