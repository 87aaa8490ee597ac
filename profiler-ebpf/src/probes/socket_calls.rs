//! The second choice for kernels without `sock_send_length` and `sock_recv_length` (before 6.3): what the functions of
//! IPv4 and IPv6 sockets return that every send and receive call passes, io_uring's too.
//!
//! A program reads the function's arguments, and behind them what it returned. None of these functions calls another of
//! them, but for one way that [`inet_send`] leaves out.

use abi::{fields::Field, sockets::IPPROTO_UDP};
use aya_ebpf::{macros::fexit, programs::FExitContext};

use crate::{
    kernel::load,
    probes::sockets::{Direction, returned},
};

/// `ITER_KVEC`: a message in the kernel's own memory. Set by the daemon.
#[unsafe(no_mangle)]
static ITER_KVEC: u32 = 0;

/// `int inet_sendmsg(struct socket *sock, struct msghdr *msg, size_t size)`
#[fexit(function = "inet_sendmsg")]
pub fn inet_send(ctx: FExitContext) -> i32 {
    let (sock, message): (*const u8, *const u8) = (ctx.arg(0), ctx.arg(1));
    // SAFETY: argument 0 is a struct socket, argument 1 a struct msghdr, and the pointer is loaded from it.
    unsafe {
        let sk: *const u8 = load(sock, Field::SocketSk);
        // `udp_sendpage` sends a page of a device without scatter-gather as such a message: `inet_sendpage`, around it,
        // returns the same bytes (6.1).
        let is_page = u32::from(load::<u8>(message, Field::MessageIterType))
            == (&raw const ITER_KVEC).read_volatile()
            && load::<u16>(sk, Field::SockProtocol) == IPPROTO_UDP;
        if !is_page {
            returned(sk, ctx.arg(3), 0, Direction::Tx, false);
        }
    }
    0
}

/// `int inet6_sendmsg(struct socket *sock, struct msghdr *msg, size_t size)`
#[fexit(function = "inet6_sendmsg")]
pub fn inet6_send(ctx: FExitContext) -> i32 {
    // SAFETY: argument 0 is a struct socket.
    let sk = unsafe { load(ctx.arg(0), Field::SocketSk) };
    returned(sk, ctx.arg(3), 0, Direction::Tx, false);
    0
}

/// `ssize_t inet_sendpage(struct socket *sock, struct page *page, int offset, size_t size, int flags)`: sendfile and
/// splice to TCP, and to UDP over IPv4. UDP over IPv6 sends pages as messages (6.1).
#[fexit(function = "inet_sendpage")]
pub fn inet_page(ctx: FExitContext) -> i32 {
    // SAFETY: argument 0 is a struct socket.
    let sk = unsafe { load(ctx.arg(0), Field::SocketSk) };
    returned(sk, ctx.arg(5), 0, Direction::Tx, false);
    0
}

/// `int inet_recvmsg(struct socket *sock, struct msghdr *msg, size_t size, int flags)`
#[fexit(function = "inet_recvmsg")]
pub fn inet_recv(ctx: FExitContext) -> i32 {
    receive(&ctx)
}

/// `int inet6_recvmsg(struct socket *sock, struct msghdr *msg, size_t size, int flags)`
#[fexit(function = "inet6_recvmsg")]
pub fn inet6_recv(ctx: FExitContext) -> i32 {
    receive(&ctx)
}

#[inline(always)]
fn receive(ctx: &FExitContext) -> i32 {
    // SAFETY: argument 0 is a struct socket.
    let sk = unsafe { load(ctx.arg(0), Field::SocketSk) };
    returned(sk, ctx.arg(4), ctx.arg(3), Direction::Rx, false);
    0
}
