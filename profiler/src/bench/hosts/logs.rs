//! What nodes and tracker wrote, kept as evidence when a run failed.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// What every daemon's log is called, in its home.
pub const LOG: &str = "log";

/// Copies the log of every daemon of a run: `into/leecher-1.log`.
pub fn keep(run_folder: &Path, into: &Path) -> Result<()> {
    for home in fs::read_dir(run_folder).with_context(|| format!("list {}", run_folder.display()))?.flatten()
    {
        let log = home.path().join(LOG);
        if log.is_file() {
            fs::create_dir_all(into).with_context(|| format!("make the folder {}", into.display()))?;
            let copy = into.join(home.file_name()).with_extension(LOG);
            fs::copy(&log, &copy).with_context(|| format!("copy {} to {}", log.display(), copy.display()))?;
        }
    }
    Ok(())
}
