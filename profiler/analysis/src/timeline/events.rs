//! What attribution works on, as recorded: every off-CPU interval, every movement of payload. Not folded, and not
//! ordered: memory grows with the number of records.

use std::collections::HashMap;

use capture::{
    Stack, TimerSet,
    span::Span,
    traffic::{Arrival, Payload, SendQueue},
};

/// A time in which records were lost: a thread whose off-CPU interval is missing looks as if it had run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lossy {
    pub from_ns: u64,
    pub to_ns: u64,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Events {
    pub spans: Vec<Span>,
    /// Command names of wakers that are no targets, by thread id.
    pub outside_wakers: HashMap<u32, String>,
    /// By id.
    pub stacks: HashMap<u32, Stack>,
    pub payloads: Vec<Payload>,
    pub arrivals: Vec<Arrival>,
    pub send_queues: Vec<SendQueue>,
    pub timers: Vec<TimerSet>,
}
