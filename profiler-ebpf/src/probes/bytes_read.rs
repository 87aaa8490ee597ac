//! How much of a connection's stream its readers have taken, by whatever call: what splice, zero-copy receive and
//! readers inside the kernel take does not pass `sock_recv_length`, and is the difference to what is counted there.

use abi::fields::Field;
use aya_ebpf::helpers::generated::bpf_skc_to_tcp_sock;

use crate::kernel::load;

/// A bit of `sk_flags`: the peer's FIN has come.
pub const SOCK_DONE: u64 = 1 << 1;

/// What arrived in order, less what lies unread. FIN has a place in the sequence, and is no byte.
#[inline(always)]
pub unsafe fn bytes_read(sk: *const u8) -> u64 {
    // SAFETY: the caller's sk is a struct sock; the helper checks its kind.
    unsafe {
        let tcp: *const u8 = bpf_skc_to_tcp_sock(sk.cast_mut().cast()).cast_const().cast();
        if tcp.is_null() {
            return 0;
        }
        let unread = load::<u32>(tcp, Field::TcpRcvNxt).wrapping_sub(load(tcp, Field::TcpCopiedSeq));
        let taken = load::<u64>(tcp, Field::TcpBytesReceived).saturating_sub(u64::from(unread));
        let fin_is_read = unread == 0 && load::<u64>(sk, Field::SockFlags) & SOCK_DONE != 0;
        taken.saturating_sub(u64::from(fin_is_read))
    }
}
