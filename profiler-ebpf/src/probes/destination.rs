//! Where a datagram was sent: from the arguments of the system call, else the socket's own peer.
//!
//! Not known: `sendmmsg` of several messages on a socket that is not connected (which of them this is cannot be
//! seen), and such sends through io_uring.

use core::mem::MaybeUninit;

use abi::{
    fields::Field,
    payload::Destination,
    sockets::{AF_INET, AF_INET6},
};
use aya_ebpf::helpers::{bpf_probe_read_user, generated::bpf_task_pt_regs};

use crate::kernel::{load, read};

/// System calls of x86-64.
const SENDTO: u64 = 44;
const SENDMSG: u64 = 46;
const SENDMMSG: u64 = 307;

/// `struct sockaddr_in` and the beginning of `struct sockaddr_in6`.
#[repr(C)]
#[derive(Clone, Copy)]
struct SockaddrHead {
    family: u16,
    port: u16,
    /// IPv6: the flow label.
    v4: u32,
}

/// `struct sockaddr_in6` as far as the end of its address.
#[repr(C)]
#[derive(Clone, Copy)]
struct SockaddrV6 {
    head: SockaddrHead,
    ip: [u64; 2],
}

/// To be called in `sock_send_length`, in the context of the sender.
#[inline(always)]
pub unsafe fn of(sk: *const u8, family: u16, sender: *const u8) -> Destination {
    // SAFETY: the caller's sk is a struct sock, its sender the current task.
    unsafe {
        match named(family.into(), sender) {
            Some(destination) => destination,
            None => connected(sk, family),
        }
    }
}

/// The address that the call names.
#[inline(always)]
unsafe fn named(family: u64, sender: *const u8) -> Option<Destination> {
    // SAFETY: the caller's.
    unsafe {
        let registers = bpf_task_pt_regs(sender.cast_mut().cast()) as *const u8;
        if registers.is_null() {
            return None;
        }
        let (message, name): (u64, u64) = match load::<u64>(registers, Field::RegsSyscall) {
            SENDTO => (0, load(registers, Field::RegsFifth)),
            SENDMSG => (load(registers, Field::RegsSecond), 0),
            SENDMMSG if load::<u32>(registers, Field::RegsThird) == 1 => {
                (load(registers, Field::RegsSecond), 0)
            }
            _ => return None,
        };
        if message | name == 0 {
            return None;
        }
        let mut ip = MaybeUninit::<[u64; 2]>::uninit();
        let halves = ip.as_mut_ptr().cast::<u64>();
        // Volatile: `memset`, which the compiler would call, costs as much as the read.
        halves.write_volatile(0);
        halves.add(1).write_volatile(0);
        let head = sockaddr(message, name, family, &mut ip);
        let (family, port) = (head as u16, (head >> 16) as u16);
        if family == 0 { None } else { Some(Destination { family, port, _pad: 0, ip: ip.assume_init() }) }
    }
}

/// Reads the address of that name, or of the caller's `struct msghdr`; the family is 0 where there is none. Sockets of
/// IPv6 may be given an IPv4 address, which is shorter.
///
/// A function of its own because its frame is small. Frames of 64 bytes or more are kept per CPU (6.13), and what a
/// read of user memory writes to is looked up among all of the kernel's memory there (hardened usercopy): that costs
/// more than the read. The kernel's own stack is known.
#[inline(never)]
unsafe fn sockaddr(message: u64, name: u64, family: u64, ip: &mut MaybeUninit<[u64; 2]>) -> u64 {
    // SAFETY: the helper checks the addresses; a sockaddr may stand anywhere.
    unsafe {
        let mut name = name;
        if message != 0 {
            // `msg_name` is the first member.
            name = bpf_probe_read_user(message as *const u64).unwrap_or(0);
        }
        if name == 0 {
            return 0;
        }
        if family == u64::from(AF_INET6)
            && let Ok(long) = bpf_probe_read_user(name as *const SockaddrV6)
            && long.head.family == AF_INET6
        {
            ip.write(long.ip);
            return pack(long.head);
        }
        match bpf_probe_read_user(name as *const SockaddrHead) {
            Ok(head) if head.family == AF_INET => {
                ip.write([head.v4.into(), 0]);
                pack(head)
            }
            _ => 0,
        }
    }
}

/// Family and port, in one register.
#[inline(always)]
fn pack(head: SockaddrHead) -> u64 {
    u64::from(head.family) | u64::from(u16::from_be(head.port)) << 16
}

/// The peer of a connected socket.
#[inline(always)]
unsafe fn connected(sk: *const u8, family: u16) -> Destination {
    // SAFETY: the caller's sk is a struct sock.
    unsafe {
        let port = u16::from_be(load(sk, Field::SockPeerPort));
        if port == 0 {
            return Destination::default();
        }
        let ip = if family == AF_INET {
            [u64::from(load::<u32>(sk, Field::SockPeerV4)), 0]
        } else {
            read(sk, Field::SockPeerV6).unwrap_or_default()
        };
        Destination { family, port, _pad: 0, ip }
    }
}
