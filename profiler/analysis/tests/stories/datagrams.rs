//! Through the network without sequence numbers: which socket a datagram was sent to.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use capture::Protocol;

use crate::{
    expect::check,
    tell::{BLOCK, BYTES, EPOLL, NET_RX, PREAD, SEND, Story, TIMER},
};

const LEECHER: u64 = 1;
const SEEDER: u64 = 2;
const THIRD: u64 = 3;
/// The leecher's socket, and the seeder's.
const NEAR: u64 = 10;
const FAR: u64 = 20;

#[test]
fn datagrams_are_paired_by_their_destination() {
    let mut story = Story::default();
    let [near, far, nowhere] = [1, 2, 0].map(|host| SocketAddr::from(([10, 0, 0, host], 6881)));
    let unconnected = SocketAddr::from(([0, 0, 0, 0], 0));
    story.socket(NEAR, Protocol::Udp, near, unconnected);
    story.socket(FAR, Protocol::Udp, far, unconnected);
    story.thread(LEECHER, 1).waits(EPOLL, 10, NET_RX).receives_datagram(NEAR, BYTES).runs(1);
    let script = story.thread(SEEDER, 2).waits(PREAD, 6, BLOCK).sends_datagram(FAR, BYTES, near).runs(1);
    script.sends_datagram(FAR, BYTES, nowhere).runs(4).sends_datagram(FAR, BYTES, near).runs(1);
    check(&story.download(LEECHER, 0, 10), "network 1.0 | peer_disk 0.6 link 0.4");
}

#[test]
fn a_socket_that_is_connected_again_is_still_found_by_its_address() {
    let mut story = Story::default();
    let [near, far, third] = [1, 2, 3].map(|host| SocketAddr::from(([10, 0, 0, host], 6881)));
    // With each peer it has an id of its own.
    let again = abi::sockets::with_turn(NEAR, 1);
    story.socket(NEAR, Protocol::Udp, near, third);
    story.socket(again, Protocol::Udp, near, far);
    story.socket(FAR, Protocol::Udp, far, near);
    story.thread(LEECHER, 1).waits(EPOLL, 10, NET_RX).receives_datagram(again, BYTES).runs(1);
    story.thread(SEEDER, 2).waits(PREAD, 10, BLOCK).sends_datagram(FAR, BYTES, near).runs(1);
    check(&story.download(LEECHER, 0, 10), "network 1.0 | peer_disk 1.0");
}

#[test]
fn a_loop_that_answers_as_it_reads_waited_for_what_it_read_first() {
    let mut story = Story::default();
    let [near, far] = [1, 2].map(|host| SocketAddr::from(([10, 0, 0, host], 6881)));
    story.socket(NEAR, Protocol::Udp, near, SocketAddr::from(([0, 0, 0, 0], 0)));
    let script = story.thread(LEECHER, 1).waits(EPOLL, 10, NET_RX).receives_datagram(NEAR, BYTES).goes_on(3);
    script.runs(1).sends_datagram(NEAR, 20, far).goes_on(1).runs(2);
    story.thread(SEEDER, 2).waits(PREAD, 10, BLOCK).sends_datagram(FAR, BYTES, near).runs(1);
    check(&story.download(LEECHER, 0, 10), "network 1.0 | peer_disk 1.0");
}

#[test]
fn a_socket_without_an_address_is_known_by_its_port_if_only_one_host_uses_it() {
    let mut story = Story::default();
    let [near, elsewhere] = [1, 9].map(|host| SocketAddr::from(([10, 0, 0, host], 6881)));
    let any = |port| SocketAddr::from(([0, 0, 0, 0], port));
    story.socket(NEAR, Protocol::Udp, any(6881), any(0));
    story.thread(LEECHER, 1).waits(EPOLL, 10, NET_RX).receives_datagram(NEAR, BYTES).runs(1);
    story.thread(SEEDER, 2).waits(PREAD, 10, BLOCK).sends_datagram(FAR, BYTES, near).runs(1);
    check(&story.download(LEECHER, 0, 10), "network 1.0 | peer_disk 1.0");
    story.thread(THIRD, 3).sends_datagram(30, BYTES, elsewhere).runs(1);
    check(&story.download(LEECHER, 0, 10), "network 1.0 | unknown 1.0");
}

/// Both use one port and are bound to no address, each in a namespace of its own; another address with that port is
/// used too. The seeder reads a disk, then sends to the leecher.
fn nodes_of_one_port() -> Story {
    let mut story = Story::default();
    story.socket_in(7, NEAR, Protocol::Udp, host(0), ANYWHERE);
    story.socket_in(8, FAR, Protocol::Udp, host(0), ANYWHERE);
    story
        .thread(LEECHER, 1)
        .sends_datagram(NEAR, 10, host(2))
        .waits(EPOLL, 10, NET_RX)
        .receives_datagram(NEAR, BYTES);
    story.thread(SEEDER, 2).waits(PREAD, 10, BLOCK).sends_datagram(FAR, BYTES, host(1)).runs(1);
    story
}

#[test]
fn addresses_of_a_namespace_are_learnt_from_its_other_sockets() {
    let mut story = nodes_of_one_port();
    check(&story.download(LEECHER, 0, 10), "network 1.0 | unknown 1.0");
    story.socket_in(7, 30, Protocol::Tcp, address(1, 4000), address(9, 80));
    story.socket_in(8, 40, Protocol::Tcp, address(2, 4000), address(9, 80));
    check(&story.download(LEECHER, 0, 10), "network 1.0 | peer_disk 1.0");
}

#[test]
fn the_last_socket_has_the_last_destination() {
    let mut story = nodes_of_one_port();
    story.socket_in(8, 40, Protocol::Tcp, address(2, 4000), address(9, 80));
    check(&story.download(LEECHER, 0, 10), "network 1.0 | peer_disk 1.0");
    // A host that is not profiled could be either.
    story.thread(THIRD, 3).sends_datagram(50, 10, host(9)).runs(1);
    check(&story.download(LEECHER, 0, 10), "network 1.0 | unknown 1.0");
}

#[test]
fn an_address_of_two_namespaces_is_nobodys() {
    let mut story = nodes_of_one_port();
    story.socket_in(7, 30, Protocol::Tcp, address(1, 4000), address(9, 80));
    story.socket_in(8, 40, Protocol::Tcp, address(1, 4000), address(9, 80));
    check(&story.download(LEECHER, 0, 10), "network 1.0 | unknown 1.0");
}

#[test]
fn loopback_stays_in_its_namespace() {
    let loopback = SocketAddr::from(([127, 0, 0, 1], 6881));
    for (namespace, expected) in [(7, "peer_disk 1.0"), (8, "unknown 1.0")] {
        let mut story = Story::default();
        story.socket_in(7, NEAR, Protocol::Udp, host(0), ANYWHERE);
        story.socket_in(namespace, FAR, Protocol::Udp, address(0, 5000), ANYWHERE);
        story.thread(LEECHER, 1).waits(EPOLL, 10, NET_RX).receives_datagram(NEAR, BYTES).runs(1);
        story.thread(SEEDER, 2).waits(PREAD, 10, BLOCK).sends_datagram(FAR, BYTES, loopback).runs(1);
        check(&story.download(LEECHER, 0, 10), &format!("network 1.0 | {expected}"));
    }
}

#[test]
fn on_one_host_a_datagram_arrives_before_its_send_returns() {
    let mut story = Story::default();
    story.socket(NEAR, Protocol::Udp, host(1), ANYWHERE);
    story.socket(FAR, Protocol::Udp, host(2), ANYWHERE);
    story.thread(LEECHER, 1).waits(EPOLL, 10, NET_RX).receives_datagram(NEAR, BYTES).runs(1);
    story.datagram_arrives(NEAR, 10);
    let script = story.thread(SEEDER, 2).sends_datagram(FAR, BYTES, host(1)).waits(PREAD, 10, BLOCK);
    script.sends_datagram(FAR, BYTES, host(1)).runs(1);
    let last = story.traffic.payloads.last_mut().unwrap();
    last.at_ns += 50_000;
    check(&story.download(LEECHER, 0, 10), "network 1.0 | peer_disk 1.0");
    // Much later is another one: the first was under way all the time.
    story.traffic.payloads.last_mut().unwrap().at_ns += 200_000;
    check(&story.download(LEECHER, 0, 10), "network 1.0 | link 1.0");
}

const ANYWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// Port 6881 of a host; 0 is a socket's that is bound to no address.
fn host(number: u8) -> SocketAddr {
    address(number, 6881)
}

fn address(number: u8, port: u16) -> SocketAddr {
    let ip = if number == 0 { Ipv4Addr::UNSPECIFIED } else { Ipv4Addr::new(10, 0, 0, number) };
    SocketAddr::from((ip, port))
}

#[test]
fn the_datagram_that_came_first_is_the_one_that_was_waited_for() {
    let mut story = Story::default();
    story.socket(NEAR, Protocol::Udp, host(1), ANYWHERE);
    let script = story.thread(LEECHER, 1).waits(EPOLL, 4, NET_RX).runs(6);
    script.receives_datagram(NEAR, BYTES).runs(1);
    story.thread(SEEDER, 2).waits(PREAD, 4, BLOCK).sends_datagram(FAR, BYTES, host(1)).runs(7);
    // Another one comes while the first one lies there.
    story.thread(THIRD, 3).runs(9).sends_datagram(30, BYTES, host(1)).runs(2);
    story.datagram_arrives(NEAR, 4);
    story.datagram_arrives(NEAR, 9);
    check(&story.download(LEECHER, 0, 10), "cpu 0.6 network 0.4 | peer_disk 0.4");
}

#[test]
fn a_datagram_that_was_there_ended_no_later_wait() {
    let mut story = Story::default();
    story.socket(NEAR, Protocol::Udp, host(1), ANYWHERE);
    let script = story.thread(LEECHER, 1).waits(EPOLL, 5, NET_RX).runs(1).waits(EPOLL, 3, NET_RX).runs(1);
    script.receives_datagram(NEAR, BYTES).runs(1);
    story.thread(SEEDER, 2).waits(PREAD, 2, BLOCK).sends_datagram(FAR, BYTES, host(1)).runs(9);
    story.datagram_arrives(NEAR, 2);
    let detail = "unknown 0.3 peer_disk 0.2";
    check(&story.download(LEECHER, 0, 10), &format!("network 0.5 cpu_wait 0.3 cpu 0.2 | {detail}"));
}

#[test]
fn a_full_buffer_of_datagrams_waits_for_the_link() {
    let mut story = Story::default();
    let script = story.thread(SEEDER, 2).runs(1).waits(SEND, 9, NET_RX);
    script.sends_datagram(FAR, BYTES, host(1)).runs(1);
    check(&story.upload(SEEDER, 0, 10), "network 0.9 cpu 0.1 | link 0.9");
}

/// The seeder's first datagram is dropped; it tries again when its timer fires.
fn sent_again(dropped_at: u64, dropped_ms: u64, source: SocketAddr) -> Story {
    let mut story = Story::default();
    let [near, far] = [1, 2].map(|host| SocketAddr::from(([10, 0, 0, host], 6881)));
    let unconnected = SocketAddr::from(([0, 0, 0, 0], 0));
    story.socket(NEAR, Protocol::Udp, near, unconnected);
    story.socket(FAR, Protocol::Udp, far, unconnected);
    story.thread(LEECHER, 1).waits(EPOLL, 10, NET_RX).receives_datagram(NEAR, BYTES).runs(1);
    let script =
        story.thread(SEEDER, 2).runs(2).sends_datagram(FAR, BYTES, near).waits_until_due(EPOLL, 3, 5, TIMER);
    script.waits_until_due(EPOLL, 5, 10, TIMER).sends_datagram(FAR, BYTES, near).runs(1);
    story.drops(dropped_at, dropped_ms, source);
    story
}

#[test]
fn time_until_a_dropped_datagram_was_sent_again_is_loss() {
    let [near, far, third] = [1, 2, 3].map(|host| SocketAddr::from(([10, 0, 0, host], 6881)));
    let lost = "network 1.0 | peer_cpu 0.2 loss 0.8";
    check(&sent_again(NEAR, 2, far).download(LEECHER, 0, 10), lost);
    // The answer was.
    let late = "network 1.0 | peer_cpu 0.2 peer_timer 0.2 loss 0.6";
    check(&sent_again(FAR, 4, near).download(LEECHER, 0, 10), late);
    // Of another sender; before the datagram was sent.
    let timer = "network 1.0 | peer_cpu 0.2 peer_timer 0.8";
    check(&sent_again(NEAR, 2, third).download(LEECHER, 0, 10), timer);
    check(&sent_again(NEAR, 0, far).download(LEECHER, 0, 10), timer);
}
