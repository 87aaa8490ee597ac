//! What the machine must have, from packages or otherwise.

use crate::command;

pub struct Need {
    pub what: &'static str,
    /// What of it is there: a path or a version.
    pub found: Option<String>,
    /// Debian's packages that bring it.
    pub packages: &'static [&'static str],
    /// How to get it without Debian's packages.
    pub by_hand: &'static str,
}

/// The programs that the benchmark starts, for BitTorrent and for the systems that files describe, and what the kernel tests make a file system with.
pub fn programs() -> Vec<Need> {
    vec![
        program("deluged", &["deluged"], "put deluged 2 on the PATH"),
        program("opentracker", &["opentracker"], "build opentracker and put it on the PATH"),
        program(
            "transmission-daemon",
            &["transmission-daemon"],
            "put transmission-daemon 3 or 4 on the PATH",
        ),
        program("curl", &["curl"], "put curl on the PATH"),
        program("python3", &["python3"], "put python3 on the PATH"),
        program("qbittorrent-nox", &["qbittorrent-nox"], "put qbittorrent-nox 4 on the PATH"),
        program("rsync", &["rsync"], "put rsync on the PATH"),
        program("tcpdump", &["tcpdump"], "put tcpdump on the PATH"),
        program("nft", &["nftables"], "put nft, of nftables, on the PATH"),
        program("mkfs.xfs", &["xfsprogs"], "put mkfs.xfs on the PATH"),
    ]
}

/// The tools that the profiler is compared with.
pub fn watchers() -> Vec<Need> {
    vec![
        program("bpftrace", &["bpftrace"], "put bpftrace on the PATH"),
        program("perf", &["linux-perf"], "put perf, of the kernel's sources, on the PATH"),
    ]
}

/// What the tests look at pages with.
pub fn browser() -> Need {
    let by_hand = "put chromium-headless-shell on the PATH";
    let shell = program("chromium-headless-shell", &["chromium-headless-shell"], by_hand);
    let whole = command::find_for_root("chromium").map(|path| path.display().to_string());
    Need { found: shell.found.or(whole), ..shell }
}

/// What boots other kernels, beside qemu: it makes their disks and goes into their initial file systems.
pub fn virtual_machines() -> Vec<Need> {
    vec![
        program("mkfs.ext4", &["e2fsprogs"], "put mkfs.ext4 on the PATH"),
        program("ip", &["iproute2"], "put iproute2's ip on the PATH"),
        program("strip", &["binutils"], "put binutils' strip on the PATH"),
    ]
}

fn program(name: &'static str, packages: &'static [&'static str], by_hand: &'static str) -> Need {
    let found = command::find_for_root(name).map(|path| path.display().to_string());
    Need { what: name, found, packages, by_hand }
}
