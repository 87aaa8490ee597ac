//! `profiler verify`: a packet capture of the same run as a witness of socket byte counts.
//!
//! [`sockets`] are what the capture says, [`crate::verify::packets`] what the packets say, [`compare`] puts them side by side,
//! [`text`] shows it. Neither file is held in memory.

pub mod compare;
pub mod packets;
pub mod sockets;
pub mod text;

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

pub use compare::Comparison;

use packets::{files, flows::Flows};

/// Reads a capture and the packet captures that were taken beside it.
///
/// # Errors
/// A file that cannot be read, or is damaged or cut short, with its name and the offset.
pub fn run(capture: &Path, pcaps: &[PathBuf], tolerance_bytes: u64) -> Result<Comparison> {
    let sockets = sockets::read(&mut capture::read(capture)?)?;
    let mut flows = Flows::default();
    for path in pcaps {
        let name = path.display().to_string();
        let file = File::open(path).with_context(|| format!("open {name}"))?;
        flows.next_file();
        files::for_each_frame(file, &name, |frame| flows.add(frame))?;
    }
    Ok(compare::compare(&sockets, &flows, tolerance_bytes))
}
