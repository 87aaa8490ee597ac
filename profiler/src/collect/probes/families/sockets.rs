//! Payload and connections. Kernels before 6.3 lack two of the tracepoints: functions stand in for them.

use super::{Family, Program};

pub const FAMILY: Family = Family {
    name: "sockets",
    counts: "payload bytes, peers, connections, retransmits",
    is_counter: true,
    programs: &[
        Program::new("sock_recv", &["sk", "ret", "flags"]).or(RECEIVES),
        Program::new("sock_send", &["sk", "ret", "flags"]).or(SENDS),
        Program::new("sock_state", &["sk", "oldstate", "newstate"]),
        Program::new("tcp_retransmit", &["sk", "skb"]),
        Program::new("tcp_destroy", &["sk"]),
    ],
    ..Family::PLAIN
};

const RECEIVES: &[Program] = &[
    Program::new("inet_recv", &["sock", "msg", "size", "flags"]),
    Program::new("inet6_recv", &["sock", "msg", "size", "flags"]),
];

const SENDS: &[Program] = &[
    Program::new("inet_send", &["sock", "msg", "size"]),
    Program::new("inet6_send", &["sock", "msg", "size"]),
    Program::new("inet_page", &["sock", "page", "offset", "size", "flags"]),
];
