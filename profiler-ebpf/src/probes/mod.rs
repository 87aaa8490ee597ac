//! The probes, one file per family. A program's attach point stands once, in its attribute.

mod arrival;
mod bio;
mod bytes_read;
mod connections;
mod context;
mod destination;
mod direct;
mod disk;
mod empty;
mod groups;
mod owners;
mod payload;
mod processes;
mod samples;
mod sched;
mod send_queue;
mod socket_calls;
mod socket_uses;
mod sockets;
mod span;
mod stacks;
mod submissions;
mod threads;
mod timers;
mod traffic;
mod wait;
