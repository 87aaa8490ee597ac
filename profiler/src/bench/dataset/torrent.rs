//! The torrent file of a payload.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context, Result};
use lava_torrent::torrent::v1::TorrentBuilder;

use crate::bench::wait;

/// As the public benchmark cuts its files.
const PIECE_LENGTH_BYTES: i64 = 256 << 10;
/// Hashing is bound by the CPU: 5 GiB take less than a minute on one slow core.
const LIMIT: Duration = Duration::from_secs(600);

#[derive(Clone, Debug)]
pub struct Torrent {
    /// Of the torrent file.
    pub path: String,
    /// In hexadecimal.
    pub info_hash: String,
}

/// Writes the torrent file of `payload` to `path`.
pub fn make(payload: &Path, announce_url: String, path: &Path, stop: &AtomicBool) -> Result<Torrent> {
    let context = || format!("make the torrent of {}", payload.display());
    // On threads of its own, because it reads the whole file.
    let build = TorrentBuilder::new(payload, PIECE_LENGTH_BYTES)
        .set_announce(Some(announce_url))
        .build_non_blocking()
        .with_context(context)?;
    let finished = wait::until("the torrent is made", LIMIT, stop, || Ok(build.is_finished().then_some(())));
    if finished.is_err() {
        build.cancel();
    }
    finished?;
    let torrent = build.get_output().with_context(context)?;
    let info_hash = torrent.info_hash();
    torrent.write_into_file(path).with_context(|| format!("write {}", path.display()))?;
    let path = path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?.to_owned();
    Ok(Torrent { path, info_hash })
}
