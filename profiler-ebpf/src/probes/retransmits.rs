//! Which bytes TCP sent again, and when.

use abi::{event::Event as _, fields::Field, retransmits::Retransmit, sockets::with_turn};

use crate::{
    counters,
    emit::{emit, now_ns},
    kernel::{cookie, load, offset},
    probes::traffic,
};

/// Records a segment, whose range stands in the first two words of `tcp_skb_cb` (6.1 to 6.18).
#[inline(always)]
pub unsafe fn note(sk: *const u8, skb: *const u8) {
    // SAFETY: the caller's sk is a struct sock, its skb a struct sk_buff; the storage is live.
    unsafe {
        if counters::alone() {
            return;
        }
        if let Some(traffic) = traffic::followed(sk) {
            let range = skb.add(offset(Field::SkbCb)).cast::<u32>();
            emit(Retransmit {
                kind: Retransmit::KIND as u32,
                sequence: load(skb, Field::SkbCb),
                cookie: with_turn(cookie(sk), (*traffic).turn),
                at_ns: now_ns(),
                past: range.add(1).read_volatile(),
                _pad: 0,
            });
        }
    }
}
