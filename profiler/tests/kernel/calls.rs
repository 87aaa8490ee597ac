//! Every way to move payload, counted to the byte: each end of each row equals the sum of its own calls' results.
//!
//! The rows of a table run within one recording, each on a pair of sockets of its own; a row that differs is named.
//! They make system calls only: no programs, no network but the loopback interface.

#[path = "calls/connections.rs"]
mod connections;
#[path = "calls/datagrams.rs"]
mod datagrams;
#[path = "calls/heirs.rs"]
mod heirs;
#[path = "calls/messages.rs"]
mod messages;
#[path = "calls/namespaces.rs"]
mod namespaces;
#[path = "calls/pair.rs"]
mod pair;
#[path = "calls/receives.rs"]
mod receives;
#[path = "calls/rings.rs"]
mod rings;
#[path = "calls/sends.rs"]
mod sends;
#[path = "calls/splices.rs"]
mod splices;

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::fd::OwnedFd,
    panic::{AssertUnwindSafe, catch_unwind},
};

use pair::Pair;
pub use pair::{cookie, pipe};

use crate::recorded::{Recorded, record};

/// What a row does with its end of a pair; it gives the sum of its calls' results.
#[derive(Clone, Copy)]
enum Side {
    /// Sends. The far end receives with `read` and `recv`.
    Sends(fn(&OwnedFd) -> u64),
    /// Receives what the near end sends with `write` and `send`.
    Receives(fn(&OwnedFd) -> u64),
    /// Both ends, near and far: what was sent and what was received.
    Both(fn(&OwnedFd, &OwnedFd) -> (u64, u64)),
}

/// A call, and what is done with it.
type Row = (&'static str, Side);

/// Runs the rows of all tables over IPv4 and IPv6 in one recording, and compares each end with what its calls said.
#[track_caller]
fn check(protocol: &str, make: fn(IpAddr) -> Pair, tables: &[&[Row]]) {
    let mut ran = Vec::new();
    let recorded = record(|| {
        for address in [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
            for (call, side) in tables.iter().copied().flatten() {
                let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
                let name = format!("{call}, {protocol} over {family}");
                let pair = make(address);
                let cookies = (cookie(&pair.near), cookie(&pair.far));
                let moved = catch_unwind(AssertUnwindSafe(|| pair.run(*side)));
                ran.push((name, cookies, moved));
            }
        }
    });
    let failed: Vec<String> = ran
        .into_iter()
        .filter_map(|(name, (near, far), moved)| {
            let Ok((sent, received)) = moved else { return Some(format!("{name}: failed, see above")) };
            assert!(sent > 0 && received > 0, "{name} moved nothing");
            let (near, far) = (counted(&recorded, near), counted(&recorded, far));
            let wrong = (near, far) != (Some((0, sent)), Some((received, 0)));
            wrong.then(|| {
                format!(
                    "{name}: sent {sent}, counted (rx, tx) {near:?}; received {received}, counted {far:?}"
                )
            })
        })
        .collect();
    assert!(failed.is_empty(), "{} rows differ:\n{}", failed.len(), failed.join("\n"));
}

/// Received and sent bytes of this process's socket.
fn counted(recorded: &Recorded, cookie: u64) -> Option<(u64, u64)> {
    counted_by(recorded, std::process::id(), cookie)
}

/// Received and sent bytes of a process's use of a socket.
fn counted_by(recorded: &Recorded, pid: u32, cookie: u64) -> Option<(u64, u64)> {
    recorded.with_pid(pid).sockets.get(&cookie).map(|socket| (socket.rx_bytes, socket.tx_bytes))
}
