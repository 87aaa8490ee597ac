//! Records and map values that cross the kernel boundary, one file per subsystem.
//!
//! Every record is `#[repr(C)]`, plain integers, visible padding; its size is asserted where it is defined.

pub mod arrival;
pub mod context;
pub mod disk;
pub mod event;
pub mod fields;
pub mod groups;
pub mod holding;
pub mod loss;
pub mod owners;
pub mod payload;
pub mod progress;
pub mod rings;
pub mod sched;
pub mod sockets;
pub mod span;
pub mod target;
pub mod traffic;
