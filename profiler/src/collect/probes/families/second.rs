//! Functions that stand in for tracepoints that older kernels lack. Trampolines (fentry, fexit) are refused by some
//! kernels and cost more, so that they are tried only where the tracepoint could not be attached.

use abi::fields::Field::{self, *};

use super::{Program, RECEIVE_FIELDS, SEND_FIELDS};

/// The programs that are attached together where the one of that name cannot be.
pub fn instead_of(program: &str) -> &'static [SecondChoice] {
    CHOICES.iter().find(|(first, _)| *first == program).map_or(&[], |(_, second)| second)
}

pub struct SecondChoice {
    /// Its parameters are all that the function has: the returned value stands behind them.
    pub program: Program,
    /// What else it reads than its first choice.
    pub fields: &'static [Field],
}

const CHOICES: &[(&str, &[SecondChoice])] = &[
    (
        "sock_recv",
        &[
            receive("inet_recv", &["sock", "msg", "size", "flags"]),
            receive("inet6_recv", &["sock", "msg", "size", "flags"]),
        ],
    ),
    (
        "sock_send",
        &[
            send("inet_send", &["sock", "msg", "size"], &[SocketSk, MessageIterType]),
            send("inet6_send", &["sock", "msg", "size"], &[SocketSk]),
            send("inet_page", &["sock", "page", "offset", "size", "flags"], &[SocketSk]),
        ],
    ),
];

const fn receive(name: &'static str, parameters: &'static [&'static str]) -> SecondChoice {
    SecondChoice { program: Program { name, parameters, fields: RECEIVE_FIELDS }, fields: &[SocketSk] }
}

const fn send(
    name: &'static str,
    parameters: &'static [&'static str],
    fields: &'static [Field],
) -> SecondChoice {
    SecondChoice { program: Program { name, parameters, fields: SEND_FIELDS }, fields }
}
