//! What attribution works on, as recorded: every stay off the CPU, every movement of payload. Not folded, and not
//! ordered: memory grows with the number of records.

use std::collections::HashMap;

use capture::{
    Progress, Stack,
    span::Span,
    traffic::{Arrival, Holding, Payload},
};

/// A time in which records were lost: a thread whose stay off the CPU is missing looks as if it had run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lossy {
    pub from_ns: u64,
    pub to_ns: u64,
}

#[derive(Debug, Default, PartialEq)]
pub struct Events {
    pub spans: Vec<Span>,
    /// Command names of wakers that are no targets, by thread id.
    pub strangers: HashMap<u32, String>,
    /// By id.
    pub stacks: HashMap<u32, Stack>,
    pub progress: Vec<Progress>,
    pub payloads: Vec<Payload>,
    pub arrivals: Vec<Arrival>,
    pub holdings: Vec<Holding>,
}
