//! One socket, several processes: each has the bytes of its own calls.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::net::UnixStream,
    },
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};

use super::{
    counted, counted_by,
    pair::{Pair, cookie, file},
};
use crate::{actor::Actor, recorded::record};

const ADDRESSES: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
type Maker = (&'static str, fn(IpAddr) -> Pair);
const MAKERS: [Maker; 2] = [("TCP", Pair::tcp), ("UDP", Pair::udp)];

#[test]
fn a_socket_that_was_inherited_counts_for_each_process() {
    check(|pair| {
        let heir = Actor::new(|| {
            send(&pair.near, 700);
            receive(&pair.far, 700);
        });
        (heir, Box::new(|| {}))
    });
}

#[test]
fn a_socket_that_was_passed_counts_for_each_process() {
    check(|pair| {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let receiver = Actor::new(move || {
            let [near, far] = [0; 2].map(|_| take(&theirs));
            send(&near, 700);
            receive(&far, 700);
        });
        (
            receiver,
            Box::new(move || [&pair.near, &pair.far].into_iter().for_each(|socket| pass(&ours, socket))),
        )
    });
}

/// The other process sends 700 bytes and receives them, this one 300.
#[track_caller]
fn check(make: impl for<'p> Fn(&'p Pair) -> (Actor, Box<dyn FnOnce() + 'p>)) {
    let mut rows = Vec::new();
    let recorded = record(|| {
        for address in ADDRESSES {
            for (protocol, pair) in MAKERS {
                let pair = pair(address);
                let (other, prepare) = make(&pair);
                let pid = other.pid;
                send(&pair.near, 300);
                receive(&pair.far, 300);
                prepare();
                other.act();
                rows.push((format!("{protocol} {address}"), pid, cookie(&pair.near), cookie(&pair.far)));
            }
        }
    });
    for (row, pid, near, far) in rows {
        assert_eq!(counted(&recorded, near), Some((0, 300)), "{row}: sent by this process");
        assert_eq!(counted(&recorded, far), Some((300, 0)), "{row}: received by this process");
        assert_eq!(counted_by(&recorded, pid, near), Some((0, 700)), "{row}: sent by the other");
        assert_eq!(counted_by(&recorded, pid, far), Some((700, 0)), "{row}: received by the other");
    }
}

fn send(socket: &OwnedFd, bytes: usize) {
    assert_eq!(file(socket).write(&vec![7; bytes]).unwrap(), bytes);
}

fn receive(socket: &OwnedFd, bytes: usize) {
    file(socket).read_exact(&mut vec![0; bytes]).unwrap();
}

fn pass(over: &UnixStream, socket: &OwnedFd) {
    let sockets = [socket.as_fd()];
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(&sockets)));
    sendmsg(over, &[std::io::IoSlice::new(&[0])], &mut control, SendFlags::empty()).unwrap();
}

fn take(from: &UnixStream) -> OwnedFd {
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    recvmsg(from, &mut [std::io::IoSliceMut::new(&mut [0])], &mut control, RecvFlags::empty()).unwrap();
    let passed = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut passed) => passed.next(),
        _ => None,
    });
    passed.expect("a socket was passed")
}
