//! Where a datagram was sent: from the arguments of the system call, else the socket's own peer.
//!
//! Not known: `sendmmsg` of several messages on a socket that is not connected (which of them this is cannot be
//! seen), and such sends through io_uring.

use aya_ebpf::helpers::{
    bpf_probe_read_user,
    generated::{bpf_get_current_task_btf, bpf_task_pt_regs},
};
use profiler_ebpf::abi::{
    fields::Field,
    payload::Destination,
    sockets::{AF_INET, AF_INET6},
};

use crate::kernel::{load, read};

/// System calls of x86-64.
const SENDTO: u64 = 44;
const SENDMSG: u64 = 46;
const SENDMMSG: u64 = 307;

/// `struct sockaddr_in6` (of `struct sockaddr_in` the same) as far as the end of an IPv4 address, and where its own
/// address stands.
#[repr(C)]
#[derive(Clone, Copy)]
struct SockaddrHead {
    family: u16,
    port: u16,
    v4: u32,
}

const SOCKADDR_V6: usize = 8;

/// To be called in `sock_send_length`, in the context of the sender.
#[inline(always)]
pub unsafe fn of(sk: *const u8) -> Destination {
    // SAFETY: the caller's sk is a struct sock.
    unsafe {
        match named() {
            Some(destination) => destination,
            None => connected(sk),
        }
    }
}

/// The address that the call names.
#[inline(always)]
unsafe fn named() -> Option<Destination> {
    // SAFETY: the current task always exists; the helpers check addresses of user space.
    unsafe {
        let registers = bpf_task_pt_regs(bpf_get_current_task_btf()) as *const u8;
        if registers.is_null() {
            return None;
        }
        let address = match load::<u64>(registers, Field::RegsSyscall) {
            SENDTO => load::<u64>(registers, Field::RegsFifth),
            SENDMSG => name_of(load(registers, Field::RegsSecond))?,
            SENDMMSG if load::<u32>(registers, Field::RegsThird) == 1 => {
                name_of(load(registers, Field::RegsSecond))?
            }
            _ => 0,
        };
        if address == 0 { None } else { sockaddr(address as *const u8) }
    }
}

/// `msg_name`, the first member of the caller's `struct msghdr`.
#[inline(always)]
unsafe fn name_of(message: u64) -> Option<u64> {
    // SAFETY: the helper checks the address.
    unsafe { bpf_probe_read_user(message as *const u64).ok() }
}

/// One read for IPv4: each costs as much as a look-up in a table.
#[inline(always)]
unsafe fn sockaddr(address: *const u8) -> Option<Destination> {
    // SAFETY: the helper checks the addresses; a sockaddr may stand anywhere.
    unsafe {
        let SockaddrHead { family, port, v4 } = bpf_probe_read_user(address.cast()).ok()?;
        let ip = match family {
            AF_INET => [u64::from(v4), 0],
            AF_INET6 => bpf_probe_read_user(address.add(SOCKADDR_V6).cast()).ok()?,
            _ => return None,
        };
        Some(Destination { family, port: u16::from_be(port), _pad: 0, ip })
    }
}

/// The peer of a connected socket.
#[inline(always)]
unsafe fn connected(sk: *const u8) -> Destination {
    // SAFETY: the caller's sk is a struct sock.
    unsafe {
        let port = u16::from_be(load(sk, Field::SockPeerPort));
        if port == 0 {
            return Destination::default();
        }
        let family: u16 = load(sk, Field::SockFamily);
        let ip = if family == AF_INET {
            [u64::from(load::<u32>(sk, Field::SockPeerV4)), 0]
        } else {
            read(sk, Field::SockPeerV6).unwrap_or_default()
        };
        Destination { family, port, _pad: 0, ip }
    }
}
