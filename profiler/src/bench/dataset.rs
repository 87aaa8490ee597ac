//! What a run transfers: one random file with its checksum and its torrent, in the folder of every seeder.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result};

use super::observer::Role;
use super::plan::Configuration;
use super::{node, payload, torrent};

const FILE_NAME: &str = "payload.bin";
const TORRENT_NAME: &str = "payload.torrent";

#[derive(Clone, Debug)]
pub struct Dataset {
    pub file_size_bytes: u64,
    /// In hexadecimal, as `sha256sum` prints it.
    pub sha256: String,
    pub torrent: PathBuf,
    pub info_hash: String,
}

/// Makes the file for every seeder, and its torrent.
pub fn make(
    configuration: &Configuration,
    run_folder: &Path,
    announce_url: String,
    stop: &AtomicBool,
) -> Result<Dataset> {
    let mut copies = Vec::new();
    for plan in configuration.node_plans().iter().filter(|plan| plan.role == Role::Seeder) {
        let data = node::data(run_folder, &plan.label);
        fs::create_dir_all(&data).with_context(|| format!("make the folder {}", data.display()))?;
        copies.push(data.join(FILE_NAME));
    }
    let first = copies.first().context("the configuration has no seeder")?;
    let file_size_bytes = configuration.file_size_bytes;
    let sha256 = payload::make(&copies, file_size_bytes, u64::from(configuration.repetition), stop)?;
    let torrent = run_folder.join(TORRENT_NAME);
    let info_hash = torrent::make(first, announce_url, &torrent, stop)?;
    Ok(Dataset { file_size_bytes, sha256, torrent, info_hash })
}

/// Where a node that downloads the file puts it.
pub fn received_file(run_folder: &Path, label: &str) -> PathBuf {
    node::data(run_folder, label).join(FILE_NAME)
}
