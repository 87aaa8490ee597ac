//! What the kernel throws away of targets' sockets. Kernels before 6.11 do not say for whom a packet was, but of datagrams that
//! find a full buffer.

use capture::families::DROPS;

use super::{Family, Program};

pub const FAMILY: Family = Family {
    name: DROPS,
    counts: "packets that the kernel threw away, and why",
    is_counter: true,
    programs: &[
        Program::new("udp_drop", &["rc", "sk", "skb"]).or(UNSIZED),
        Program::new("skb_drop", &["skb", "location", "reason", "rx_sk"]).or(SENT),
    ],
    ..Family::PLAIN
};

const UNSIZED: &[Program] = &[Program::new("udp_drop_alone", &["rc", "sk"])];

const SENT: &[Program] = &[Program::new("skb_drop_sent", &["skb", "location", "reason"])];
