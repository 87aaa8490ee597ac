//! The probes, one file per family. A program's attach point stands once, in its attribute.

mod bio;
mod context;
mod direct;
mod disk;
mod owners;
mod processes;
mod samples;
mod sched;
mod sockets;
mod stacks;
mod wait;
