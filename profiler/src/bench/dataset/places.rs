//! Where nodes keep what is theirs, in the folder of a run.

use std::path::{Path, PathBuf};

/// Where a node keeps its settings and its log.
pub fn home(run_folder: &Path, label: &str) -> PathBuf {
    run_folder.join(label)
}

/// Where a node keeps the payload.
pub fn data(run_folder: &Path, label: &str) -> PathBuf {
    home(run_folder, label).join("data")
}
