//! The probes, one file per family. A program's attach point stands once, in its attribute.

mod context;
mod disk;
mod processes;
mod samples;
mod sched;
mod sockets;
mod stacks;
mod wait;
