//! Whether calls that follow each other closely are added up: `sock_send`, `sock_recv` and `sched_switch` ask.

use abi::fields::Field::ProgPrivateStack;

use super::{Family, Way};

pub const FAMILY: Family = Family {
    name: "bursts",
    counts: "calls that follow each other closely, most of which are only added up",
    is_counter: true,
    ways: &[Way::Fields(&[ProgPrivateStack]), Way::Without("looking at each call")],
    ..Family::PLAIN
};
