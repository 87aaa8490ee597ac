//! The probes, one file per family. A program's attach point stands once, in its attribute.

mod disk;
mod process;
mod sched;
mod sockets;
