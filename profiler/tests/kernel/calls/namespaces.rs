//! Processes in other namespaces are counted like any other.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket},
    os::fd::AsRawFd as _,
};

use rustix::thread::{UnshareFlags, unshare_unsafe};

use super::pair::{Pair, file};
use crate::{
    actor::Actor,
    recorded::{Recorded, record},
};

const SENT_BYTES: usize = 12_345;

/// TCP and UDP.
const PROTOCOLS: usize = 2;

#[test]
fn a_process_in_another_network_namespace_is_counted() {
    let mut pid = 0;
    let recorded = record(|| {
        let own = Pair::udp(Ipv4Addr::LOCALHOST.into());
        assert_eq!(file(&own.near).write(&[7]).unwrap(), 1);
        let actor = Actor::new(|| {
            unshare(UnshareFlags::NEWNET);
            bring_loopback_up();
            exchange();
        });
        pid = actor.pid;
        actor.act();
    });
    check(&recorded, pid);
    let netns = |pid| {
        let sockets = recorded.with_pid(pid).sockets.values();
        sockets.map(|socket| socket.ends.as_ref().unwrap().netns).collect::<Vec<_>>()
    };
    let (own, others) = (netns(std::process::id()), netns(pid));
    assert_eq!(others.len(), 4 * PROTOCOLS, "two ends over IPv4 and IPv6");
    assert!(others.iter().all(|one| *one == others[0] && !own.contains(one)), "{own:?} {others:?}");
}

#[test]
fn a_process_in_another_pid_namespace_is_counted_under_the_hosts_id() {
    let mut parent = 0;
    let recorded = record(|| {
        let actor = Actor::new(|| {
            unshare(UnshareFlags::NEWPID);
            let inside = Actor::new(|| {
                assert_eq!(std::process::id(), 1, "the first of its namespace");
                exchange();
            });
            inside.act();
        });
        parent = actor.pid;
        actor.act();
    });
    let totals = recorded.timeline.processes.values().filter_map(|process| process.totals.as_ref());
    let inside: Vec<u32> =
        totals.filter(|totals| totals.parent_pid == parent).map(|totals| totals.pid).collect();
    assert_eq!(inside.len(), 1, "{inside:?}");
    assert_ne!(inside[0], 1);
    check(&recorded, inside[0]);
}

/// Moves bytes over TCP and UDP, IPv4 and IPv6.
fn exchange() {
    for address in [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
        for pair in [Pair::tcp(address), Pair::udp(address)] {
            assert_eq!(file(&pair.near).write(&[7; SENT_BYTES]).unwrap(), SENT_BYTES);
            file(&pair.far).read_exact(&mut [0; SENT_BYTES]).unwrap();
        }
    }
}

#[track_caller]
fn check(recorded: &Recorded, pid: u32) {
    let totals = recorded.with_pid(pid).totals.as_ref().unwrap();
    let each = 2 * SENT_BYTES as u64;
    assert_eq!((totals.tcp_rx_bytes, totals.tcp_tx_bytes), (each, each), "{totals:?}");
    assert_eq!((totals.udp_rx_bytes, totals.udp_tx_bytes), (each, each), "{totals:?}");
}

/// Of an actor, which has one thread.
fn unshare(what: UnshareFlags) {
    // SAFETY: files, memory and credentials stay shared.
    unsafe { unshare_unsafe(what) }.expect("make a namespace, which needs root");
}

fn bring_loopback_up() {
    let any = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    // SAFETY: plain integers, for which 0 is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[..2].copy_from_slice(&[b'l' as libc::c_char, b'o' as libc::c_char]);
    request.ifr_ifru.ifru_flags = libc::IFF_UP as i16;
    // SAFETY: a live request of that kind.
    let done = unsafe { libc::ioctl(any.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
}
