//! Arrivals, and TCP's send-queue state as segments come in.

use super::{Family, Program};

pub const FAMILY: Family = Family {
    name: "send-queue state and arrivals",
    counts: "when bytes arrived, and what kept unsent bytes back",
    programs: &[Program::new("sock_arrive", &["sk"]), Program::new("tcp_segment", &["sk"])],
    ..Family::PLAIN
};
