//! A packet capture of everything that nodes send each other, taken at the hub by tcpdump.
//!
//! Every packet crosses the hub's bridge, and is seen there once. What a node sends to itself is not seen.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use crate::bench::hosts::child::ChildProcess;
use crate::bench::hosts::logs;
use crate::bench::hosts::program::{Program, Source, User};
use crate::bench::hosts::{Host, links};

pub const PROGRAM: Program =
    Program { name: "tcpdump", source: Source::Package("tcpdump"), user: User::Root };

/// Headers with all options, and nothing of a payload that anybody misses.
const SNAP_BYTES: u32 = 128;
/// Of the kernel's ring, for tcpdump's turns to come late.
const RING_KIB: u32 = 64 << 10;
const LIMIT: Duration = Duration::from_secs(10);
/// The kernel hands over what it has after a second at the latest (libpcap's block timeout as tcpdump sets it), and
/// tcpdump does not ask for the rest when it is told to end.
const LAST_BLOCK: Duration = Duration::from_millis(1500);

/// A capture that is being taken. Dropping it ends it at once.
pub struct Tap {
    tcpdump: ChildProcess,
    home: PathBuf,
    file: PathBuf,
}

/// A packet capture that was taken beside a run.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packets {
    pub packets: u64,
    /// Packets that the kernel dropped because tcpdump was late.
    pub dropped: u64,
    pub file_bytes: u64,
}

/// Begins a capture into `file`, and returns when it sees packets.
pub fn start(hub: &Host, file: &Path, home: PathBuf, stop: &AtomicBool) -> Result<Tap> {
    fs::create_dir(&home).with_context(|| format!("make the folder {}", home.display()))?;
    // tcpdump runs in a folder of its own.
    let file = std::path::absolute(file).with_context(|| format!("find {}", file.display()))?;
    let (snap, ring) = (SNAP_BYTES.to_string(), RING_KIB.to_string());
    // In promiscuous mode, its default, a bridge shows what it forwards.
    let words = ["-n", "-i", links::BRIDGE, "-s", &snap, "-B", &ring, "-Z", "root", "-w"];
    let arguments = words.map(Into::into).into_iter().chain([file.clone().into()]).collect();
    let mut tcpdump = ChildProcess::start(&PROGRAM, arguments, "the hub", &hub.namespace, None, &home)?;
    tcpdump.wait_until("listens", LIMIT, stop, || {
        Ok(fs::read_to_string(home.join(logs::LOG))?.contains("listening on").then_some(()))
    })?;
    Ok(Tap { tcpdump, home, file })
}

impl Tap {
    /// Ends the capture when everything that was sent before is in it.
    pub fn finish(mut self, stop: &AtomicBool) -> Result<Packets> {
        thread::sleep(LAST_BLOCK);
        self.tcpdump.end(Signal::INT, LIMIT, stop)?;
        let log = fs::read_to_string(self.home.join(logs::LOG)).context("read what tcpdump wrote")?;
        let (packets, dropped) =
            counts(&log).with_context(|| format!("tcpdump does not say what it dropped: {log}"))?;
        let file_bytes =
            fs::metadata(&self.file).with_context(|| format!("look at {}", self.file.display()))?.len();
        Ok(Packets { packets, dropped, file_bytes })
    }
}

/// Packets captured, and dropped by kernel or interface, as tcpdump says at its end.
fn counts(log: &str) -> Option<(u64, u64)> {
    let count = |what: &str| -> Option<u64> {
        log.lines().find_map(|line| line.trim().strip_suffix(what)?.trim().parse().ok())
    };
    let captured = count("packets captured").or_else(|| count("packet captured"))?;
    let by_kernel = count("packets dropped by kernel").or_else(|| count("packet dropped by kernel"))?;
    let by_interface =
        count("packets dropped by interface").or_else(|| count("packet dropped by interface")).unwrap_or(0);
    Some((captured, by_kernel + by_interface))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tcpdump_says_at_its_end_what_it_dropped() {
        let log = "tcpdump: listening on bridge, link-type EN10MB (Ethernet), snapshot length 128 bytes\n\
                   81234 packets captured\n81300 packets received by filter\n66 packets dropped by kernel\n";
        assert_eq!(counts(log), Some((81_234, 66)));
        assert_eq!(
            counts("1 packet captured\n0 packets dropped by kernel\n3 packets dropped by interface\n"),
            Some((1, 3))
        );
        assert_eq!(counts("tcpdump: listening on bridge\n"), None);
    }
}
