//! The contract between the probes and the profiler: records and map values that cross the kernel boundary, one file per
//! subsystem.
//!
//! Every record is `#[repr(C)]`, plain integers, visible padding; its size is asserted where it is defined.
#![no_std]

pub mod arrival;
pub mod burst;
pub mod context;
pub mod disk;
pub mod drops;
pub mod earlier;
pub mod event;
pub mod fields;
pub mod file_ways;
pub mod groups;
pub mod loss;
pub mod occupancy;
pub mod owners;
pub mod payload;
pub mod progress;
pub mod requests;
pub mod retransmits;
pub mod rings;
pub mod sched;
pub mod send_queue;
pub mod sockets;
pub mod span;
pub mod stream;
pub mod target;
pub mod timers;
pub mod traffic;
pub mod workers;

/// A record that is copied as bytes.
///
/// # Safety
///
/// `repr(C)` of plain integers, without implicit padding: any bit pattern is valid.
pub unsafe trait Plain: Copy + 'static {}

macro_rules! plain {
    ($($integer:ty),*) => {
        $(
            // SAFETY: integers.
            unsafe impl Plain for $integer {}
        )*
    };
}

plain!(u32, u64, [u8; 16]);
