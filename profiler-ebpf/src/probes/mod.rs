//! The probes, one file per family. A program's attach point stands once, in its attribute.

mod arrival;
mod bio;
mod connections;
mod context;
mod destination;
mod direct;
mod disk;
mod empty;
mod groups;
mod holding;
mod owners;
mod payload;
mod processes;
mod samples;
mod sched;
mod socket_calls;
mod sockets;
mod span;
mod stacks;
mod taken;
mod threads;
mod traffic;
mod uses;
mod wait;
