//! Arrivals, and TCP's send-queue state as segments come in.

use capture::families::SEND_QUEUE;

use super::{Family, Program};

pub const FAMILY: Family = Family {
    name: SEND_QUEUE,
    counts: "when bytes arrived, and what kept unsent bytes back",
    programs: &[Program::new("sock_arrive", &["sk"]), Program::new("tcp_segment", &["sk"])],
    ..Family::PLAIN
};
