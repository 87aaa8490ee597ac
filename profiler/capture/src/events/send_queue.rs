//! What kept TCP from sending, from the fields that the kernel itself decides by.
//!
//! The windows come first: pacing and Nagle matter only within them. Pacing comes before Nagle, as in
//! `tcp_write_xmit` (6.18), because Nagle is not asked while the time has not come. TCP also defers a segment that would go out larger a little later, and leaves some
//! in its own queue while the link's is full: those are nobody's here, and so the link's.

use abi::send_queue;

use crate::records::traffic::{HeldBy, SendQueue};

/// `SK_PACING_NEEDED`: TCP paces by itself. With `SK_PACING_FQ` the queueing discipline does.
const PACED_BY_TCP: u32 = 1;

/// Bits of `nonagle`.
const NAGLE_CORK: u32 = 2;

pub fn send_queue(raw: &send_queue::SendQueue) -> SendQueue {
    SendQueue {
        at_ns: raw.at_ns,
        cookie: raw.cookie,
        write_seq: raw.write_seq,
        in_flight_bytes: raw.in_flight_bytes(),
        unsent_bytes: raw.unsent_bytes(),
        held_by: held_by(raw),
        smoothed_rtt_us: (raw.srtt_us != 0).then_some(raw.srtt_us / 8),
        congestion_window_bytes: raw.snd_cwnd.saturating_mul(raw.mss_cache),
        peer_window_bytes: raw.snd_wnd,
    }
}

fn held_by(raw: &send_queue::SendQueue) -> Option<HeldBy> {
    let unsent_bytes = raw.unsent_bytes();
    if unsent_bytes == 0 {
        None
    } else if raw.window_bytes() < unsent_bytes.min(raw.mss_cache) {
        Some(HeldBy::PeerWindow)
    } else if raw.packets_in_flight() >= raw.snd_cwnd {
        Some(HeldBy::CongestionWindow)
    } else if raw.sk_pacing_status == PACED_BY_TCP && raw.tcp_wstamp_ns > raw.tcp_clock_cache {
        Some(HeldBy::Pacing)
    } else if unsent_bytes < raw.mss_cache && waits_for_more(raw) {
        Some(HeldBy::Nagle)
    } else {
        None
    }
}

/// `tcp_nagle_check` (6.18): corked, or a small segment is out that is not acknowledged yet.
fn waits_for_more(raw: &send_queue::SendQueue) -> bool {
    let is_after = |a: u32, b: u32| (a.wrapping_sub(b) as i32) > 0;
    let small_is_out = is_after(raw.snd_sml, raw.snd_una) && !is_after(raw.snd_sml, raw.snd_nxt);
    raw.nonagle & NAGLE_CORK != 0 || raw.nonagle == 0 && raw.packets_out > 0 && small_is_out
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSS: u32 = 1000;

    /// 10 segments are out, of which the last was small, and nothing is unsent. Numbers are about to wrap.
    const ALL_SENT: send_queue::SendQueue = send_queue::SendQueue {
        kind: 0,
        write_seq: 100,
        cookie: 1,
        at_ns: 50,
        tcp_clock_cache: 50,
        tcp_wstamp_ns: 40,
        snd_nxt: 100,
        snd_una: 100_u32.wrapping_sub(10_000),
        snd_sml: 100,
        snd_wnd: 100_000,
        mss_cache: MSS,
        snd_cwnd: 20,
        packets_out: 10,
        sacked_out: 0,
        lost_out: 0,
        retrans_out: 0,
        sk_pacing_status: 0,
        nonagle: 0,
        srtt_us: 8_007,
        _pad: 0,
    };

    fn unsent(bytes: u32) -> send_queue::SendQueue {
        send_queue::SendQueue { write_seq: ALL_SENT.write_seq + bytes, ..ALL_SENT }
    }

    #[track_caller]
    fn check(what: &str, raw: send_queue::SendQueue, expected: impl Into<Option<HeldBy>>) {
        assert_eq!(send_queue(&raw).held_by, expected.into(), "{what}");
    }

    #[test]
    fn the_peers_window_is_full() {
        let full = send_queue::SendQueue { snd_wnd: 10_000, ..unsent(5000) };
        check("not a byte of room", full, HeldBy::PeerWindow);
        check(
            "room for less than a segment",
            send_queue::SendQueue { snd_wnd: 10_999, ..full },
            HeldBy::PeerWindow,
        );
        check("room for a segment", send_queue::SendQueue { snd_wnd: 11_000, ..full }, None);
        check("it shrank", send_queue::SendQueue { snd_wnd: 0, ..full }, HeldBy::PeerWindow);
        let small = send_queue::SendQueue { snd_wnd: 10_500, ..unsent(400) };
        check("room for what there is", small, HeldBy::Nagle);
        check(
            "above the congestion window",
            send_queue::SendQueue { snd_cwnd: 10, ..full },
            HeldBy::PeerWindow,
        );
        check("nothing to send", send_queue::SendQueue { snd_wnd: 0, ..ALL_SENT }, None);
    }

    #[test]
    fn the_congestion_window_is_full() {
        let full = send_queue::SendQueue { snd_cwnd: 10, ..unsent(5000) };
        check("as many as it allows", full, HeldBy::CongestionWindow);
        check("one has arrived", send_queue::SendQueue { sacked_out: 1, ..full }, None);
        check("one was lost", send_queue::SendQueue { lost_out: 1, ..full }, None);
        check(
            "one was lost and sent again",
            send_queue::SendQueue { lost_out: 1, retrans_out: 1, ..full },
            HeldBy::CongestionWindow,
        );
    }

    #[test]
    fn nagle_waits_for_an_acknowledgement_or_for_more() {
        const OFF: u32 = 1;
        const PUSH: u32 = 4;
        let small = unsent(MSS - 1);
        check("a small one after a small one", small, HeldBy::Nagle);
        check("a whole segment", unsent(MSS), None);
        check("TCP_NODELAY", send_queue::SendQueue { nonagle: OFF, ..small }, None);
        check("pushed", send_queue::SendQueue { nonagle: PUSH, ..small }, None);
        let acknowledged = send_queue::SendQueue { snd_una: 100, packets_out: 0, ..small };
        check("all is acknowledged", acknowledged, None);
        check("corked", send_queue::SendQueue { nonagle: NAGLE_CORK, ..acknowledged }, HeldBy::Nagle);
        let large_are_out = send_queue::SendQueue { snd_sml: 100_u32.wrapping_sub(20_000), ..small };
        check("only whole segments are out", large_are_out, None);
    }

    #[test]
    fn pacing_is_tcps_own() {
        const BY_FQ: u32 = 2;
        let later =
            send_queue::SendQueue { sk_pacing_status: PACED_BY_TCP, tcp_wstamp_ns: 60, ..unsent(5000) };
        check("not yet", later, HeldBy::Pacing);
        check("now", send_queue::SendQueue { tcp_wstamp_ns: 50, ..later }, None);
        check("the queueing discipline's", send_queue::SendQueue { sk_pacing_status: BY_FQ, ..later }, None);
        check(
            "the congestion window too",
            send_queue::SendQueue { snd_cwnd: 10, ..later },
            HeldBy::CongestionWindow,
        );
    }

    #[test]
    fn bytes_are_told_across_the_wrap() {
        let told = send_queue(&unsent(5000));
        assert_eq!((told.in_flight_bytes, told.unsent_bytes, told.write_seq), (10_000, 5000, 5100));
        let windows = (told.smoothed_rtt_us, told.congestion_window_bytes, told.peer_window_bytes);
        assert_eq!(windows, (Some(1000), 20_000, 100_000));
    }
}
