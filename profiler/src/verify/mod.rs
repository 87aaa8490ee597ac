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
    io::Read as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};

pub use compare::Comparison;

use packets::{files, flows::Flows};

/// As much of a packet capture as its first packet is in.
const HEAD_BYTES: u64 = 1 << 20;

/// Reads a capture and the packet captures that were taken beside it.
///
/// # Errors
/// A file that cannot be read, or is damaged or cut short, with its name and the offset. Packet captures that are not in the
/// order of time.
pub fn run(capture: &Path, pcaps: &[PathBuf], tolerance_bytes: u64) -> Result<Comparison> {
    let sockets = sockets::read(&mut capture::read(capture)?)?;
    let mut flows = Flows::default();
    let mut pcaps = pcaps.to_vec();
    if pcaps.len() > 1 {
        pcaps.sort_by_cached_key(|path| begin_ns(path).unwrap_or(u64::MAX));
    }
    for path in &pcaps {
        let name = path.display().to_string();
        let file = File::open(path).with_context(|| format!("open {name}"))?;
        flows.next_file();
        files::for_each_frame(file, &name, |frame| flows.add(frame))?;
    }
    ensure!(
        !flows.is_out_of_order(),
        "the packet captures are not in the order of time, and do not overlap: whether they are of one viewpoint \
         cannot be told. Give files, not pipes; sections of a pcapng file are put in order by `reordercap FILE ORDERED`"
    );
    Ok(compare::compare(&sockets, &mut flows, tolerance_bytes))
}

/// When the first packet of a file was seen. `None` where it has no time, and of a pipe, which can be read only once.
fn begin_ns(path: &Path) -> Option<u64> {
    path.metadata().ok()?.is_file().then_some(())?;
    let mut begin_ns = None;
    let head = File::open(path).ok()?.take(HEAD_BYTES);
    // What is wrong with it, beside that it is cut here, is said when all of it is read.
    let _ = files::for_each_frame(head, "", |frame| begin_ns = begin_ns.or(frame.at_ns));
    begin_ns
}
