//! What a run transfers: one random file with its checksum, and for BitTorrent its torrent.

pub mod cache;
pub mod checksum;
pub mod payload;
pub mod places;
mod sample;
pub mod stream;
pub mod torrent;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result};

use torrent::Torrent;

pub use sample::Sample;

pub const FILE_NAME: &str = "payload.bin";
const TORRENT_NAME: &str = "payload.torrent";

#[derive(Clone, Debug)]
pub struct Dataset {
    pub file: PathBuf,
    pub file_size_bytes: u64,
    /// As in a capture: `xxh128:` and what `xxh128sum` prints.
    pub checksum: String,
    /// For systems that meet at a tracker.
    pub torrent: Option<Torrent>,
}

/// What the file is to be: the same seed, the same bytes.
#[derive(Clone, Copy, Debug)]
pub struct Content {
    pub file_size_bytes: u64,
    pub seed: u64,
}

/// Makes a file that clients upload to nodes.
pub fn make(content: Content, run_folder: &Path, stop: &AtomicBool) -> Result<Dataset> {
    write(&[run_folder.join(FILE_NAME)], content, stop)
}

/// Makes the file in the folder of every seeder, by their labels.
pub fn make_copies(
    content: Content,
    seeders: &[String],
    run_folder: &Path,
    stop: &AtomicBool,
) -> Result<Dataset> {
    let mut copies = Vec::new();
    for label in seeders {
        let data = places::data(run_folder, label);
        fs::create_dir_all(&data).with_context(|| format!("make the folder {}", data.display()))?;
        copies.push(data.join(FILE_NAME));
    }
    write(&copies, content, stop)
}

/// The same, and the file's torrent.
pub fn make_with_torrent(
    content: Content,
    seeders: &[String],
    run_folder: &Path,
    announce_url: String,
    stop: &AtomicBool,
) -> Result<Dataset> {
    let dataset = make_copies(content, seeders, run_folder, stop)?;
    let torrent = torrent::make(&dataset.file, announce_url, &run_folder.join(TORRENT_NAME), stop)?;
    Ok(Dataset { torrent: Some(torrent), ..dataset })
}

/// Where a node that downloads the file puts it.
pub fn received_file(run_folder: &Path, label: &str) -> PathBuf {
    places::data(run_folder, label).join(FILE_NAME)
}

fn write(copies: &[PathBuf], content: Content, stop: &AtomicBool) -> Result<Dataset> {
    let file = copies.first().context("the configuration has no seeder")?.clone();
    let checksum = payload::make(copies, content.file_size_bytes, content.seed, stop)?;
    Ok(Dataset { file, file_size_bytes: content.file_size_bytes, checksum, torrent: None })
}
