//! The transfer profiler, in the order of the data.
//!
//! 1. [`target`] chooses processes, by [`groups`] too, [`attach`] puts the probes in, [`kernel`] says where things are in this kernel.
//! 2. [`recording`] owns the probes and the daemon's thread: [`drain`] is its loop, [`rings`] empties the ring
//!    buffers, [`sweep`] copies the counters, [`stacks`] names stacks, [`cost`] measures all that, [`witness`] reads what
//!    the kernel says of the same.
//! 3. [`capture`] is the file: everything above writes it, everything below reads it; [`decode`] turns
//!    the probes' bytes into records.
//! 4. [`timeline`] folds a capture, [`milestones`] are found in it, [`attribution`] says where the time between two of
//!    them went, [`report`] says all of it, [`dump`] shows it raw.
//! 5. [`packets`] reads packet captures, the witness that [`verify`] asks about a capture's socket bytes.
//! 6. [`matrix`] says which transfers are to be made, [`bench`] makes them, [`measure`] records them, and [`results`]
//!    keeps what they come to.
//!
//! Only 1 and 2 need privileges; 3 to 5 are pure.

// What touches the kernel.
pub mod attach;
pub mod cost;
pub mod drain;
pub mod groups;
pub mod kernel;
pub mod mapped;
pub mod memory;
pub mod recording;
pub mod rings;
pub mod stacks;
pub mod sweep;
pub mod target;
pub mod witness;

// From bytes to a report.
pub mod attribution;
pub mod capture;
pub mod decode;
pub mod dump;
pub mod milestones;
pub mod report;
pub mod timeline;

// An independent witness.
pub mod packets;
pub mod verify;

// Transfers to profile.
pub mod bench;
pub mod matrix;
pub mod measure;
pub mod results;

// The commands.
pub mod child;
pub mod cli;
pub mod clock;
pub mod display;
pub mod doctor;
pub mod record;
mod whole;

#[cfg(test)]
mod fuzz;
