//! What connections received past the calls that are counted: what readers have taken of the stream, less the sum of
//! those calls.

use std::collections::HashMap;

use abi::sockets::{IPPROTO_TCP, Socket, SocketBytes, SocketKey};
use anyhow::Result;

use super::open::Open;
use crate::clock::now_ns;
use crate::collect::{
    drain::{Sink, totals},
    maps::Table,
};
use capture::{Bypassed, ProcessSerial, Protocol, Record, SocketEnds, SocketTotals};

/// Of a connection that the kernel has released. Its numbers are final.
pub fn write_closed(cookie: u64, socket: &Socket, counted_bytes: u64, out: &mut dyn Sink) -> Result<()> {
    if socket.protocol != IPPROTO_TCP {
        return Ok(());
    }
    let read_bytes = socket.read_bytes.saturating_sub(socket.read_before_bytes);
    write(cookie, socket.process, read_bytes, counted_bytes, out)
}

/// Of connections that were open when the probes were detached. They were looked at before; the calls are counted since,
/// so that what moves in between makes the difference smaller.
pub fn write_open(
    open: Vec<Open>,
    sockets: &Table<u64, Socket>,
    established: &Table<u64, u64>,
    counted: &HashMap<u64, u64>,
    out: &mut dyn Sink,
) -> Result<()> {
    // Several descriptors and processes may have one.
    let open: HashMap<u64, Open> = open.into_iter().map(|one| (one.cookie, one)).collect();
    for (cookie, one) in open {
        let counted_bytes = counted.get(&cookie).copied().unwrap_or(0);
        if let Ok(socket) = sockets.get(&cookie) {
            if !counted.contains_key(&cookie) {
                // Nothing but its ends is known otherwise: of a connection that was only spliced.
                let key = SocketKey { cookie, process: socket.process };
                let totals = totals::socket(now_ns(), &key, &SocketBytes::default(), Some(&socket));
                out.push(&Record::SocketTotals(totals))?;
            }
            let read_bytes = one.read_bytes.saturating_sub(socket.read_before_bytes);
            write(cookie, socket.process, read_bytes, counted_bytes, out)?;
        } else if let Ok(established_ns) = established.get(&cookie)
            && one.read_bytes > 0
        {
            // No call that is counted has touched it.
            out.push(&Record::SocketTotals(untouched(&one, established_ns)))?;
            write(cookie, one.process, one.read_bytes, counted_bytes, out)?;
        }
    }
    Ok(())
}

fn write(cookie: u64, process: u64, read_bytes: u64, counted_bytes: u64, out: &mut dyn Sink) -> Result<()> {
    match read_bytes.saturating_sub(counted_bytes) {
        0 => Ok(()),
        bytes => out.push(&Record::Bypassed(Bypassed {
            at_ns: now_ns(),
            cookie,
            process: ProcessSerial(process),
            bytes,
        })),
    }
}

fn untouched(open: &Open, established_ns: u64) -> SocketTotals {
    SocketTotals {
        at_ns: now_ns(),
        cookie: open.cookie,
        process: ProcessSerial(open.process),
        rx_bytes: 0,
        tx_bytes: 0,
        rx_calls: 0,
        tx_calls: 0,
        first_ns: 0,
        last_ns: 0,
        control: false,
        ends: Some(SocketEnds {
            protocol: Protocol::Tcp,
            local: open.local,
            peer: open.peer,
            netns: open.netns,
            established_ns: Some(established_ns),
            retransmits: 0,
            closed: None,
        }),
    }
}
