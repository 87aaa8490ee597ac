//! The sockets of a capture with their byte counts, over all processes that used them.

use std::{collections::BTreeMap, io::Read};

use anyhow::Result;

use capture::{Capture, Clock, ProcessSerial, Record, SocketEnds, SocketTotals};

/// What the capture says. Times are wall clock ns, by the capture's first pair of clocks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sockets {
    /// By cookie.
    pub sockets: BTreeMap<u64, Socket>,
    /// `None` where the capture has no pair of clocks.
    pub recorded_ns: Option<(u64, u64)>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Socket {
    /// The processes that used it.
    pub processes: Vec<String>,
    pub rx_bytes: u64,
    pub tx_bytes: u64,
    /// First and last call that moved payload, wall clock.
    pub used_ns: Option<(u64, u64)>,
    /// For the order of sockets with the same addresses.
    pub first_ns: u64,
    /// Missing where the kernel side's table of sockets was full.
    pub ends: Option<SocketEnds>,
}

/// Reads a capture to its end; a cut one as far as it goes.
///
/// # Errors
/// Those of [`Capture::next`].
pub fn read<R: Read>(capture: &mut Capture<R>) -> Result<Sockets> {
    let mut totals = BTreeMap::<(u64, ProcessSerial), SocketTotals>::new();
    let mut names = BTreeMap::<ProcessSerial, String>::new();
    let mut clock = None;
    let mut from_ns = None;
    let mut to_ns = 0;
    while let Some(record) = capture.next()? {
        match record {
            Record::Start(start) => from_ns = Some(start.at_ns),
            Record::Clock(pair) => {
                clock.get_or_insert(pair);
            }
            Record::Label(label) => {
                names.insert(label.process, label.label);
            }
            Record::ProcessTotals(process) => {
                to_ns = to_ns.max(process.at_ns);
                names.entry(process.process).or_insert_with(|| format!("{}-{}", process.comm, process.pid));
            }
            Record::SocketTotals(socket) => {
                to_ns = to_ns.max(socket.at_ns);
                totals.insert((socket.cookie, socket.process), socket);
            }
            Record::End(end) => to_ns = end.at_ns,
            _ => {}
        }
    }
    let wall = |ns: u64| clock.as_ref().and_then(|clock| wall_ns(clock, ns));
    let mut sockets = BTreeMap::<u64, Socket>::new();
    for ((cookie, process), used) in totals {
        let name = names.get(&process).cloned().unwrap_or_else(|| "unknown".to_owned());
        let (first_ns, last_ns) = used.used_ns();
        let used_ns = wall(first_ns).zip(wall(last_ns));
        match sockets.get_mut(&cookie) {
            None => {
                let socket = Socket {
                    processes: vec![name],
                    rx_bytes: used.rx_bytes,
                    tx_bytes: used.tx_bytes,
                    used_ns,
                    first_ns,
                    ends: used.ends,
                };
                sockets.insert(cookie, socket);
            }
            Some(socket) => {
                socket.processes.push(name);
                socket.rx_bytes += used.rx_bytes;
                socket.tx_bytes += used.tx_bytes;
                socket.used_ns = socket.used_ns.zip(used_ns).map(|(a, b)| (a.0.min(b.0), a.1.max(b.1)));
                socket.first_ns = socket.first_ns.min(first_ns);
                socket.ends = later(socket.ends.take(), used.ends);
            }
        }
    }
    Ok(Sockets { sockets, recorded_ns: from_ns.and_then(wall).zip(wall(to_ns)) })
}

/// The one that knows how the socket ended.
fn later(one: Option<SocketEnds>, other: Option<SocketEnds>) -> Option<SocketEnds> {
    match (&one, &other) {
        (Some(ends), _) if ends.closed.is_some() => one,
        (_, Some(_)) => other,
        (_, None) => one,
    }
}

fn wall_ns(clock: &Clock, monotonic_ns: u64) -> Option<u64> {
    let ns = i128::from(clock.wall_ns) + i128::from(monotonic_ns) - i128::from(clock.monotonic_ns);
    u64::try_from(ns).ok()
}
