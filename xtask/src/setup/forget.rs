//! Removes what setup makes again.

use std::{fs, io, path::Path};

use anyhow::{Context as _, Result};

/// Removes a file or a whole folder, if it is there.
pub fn forget(path: &Path) -> Result<()> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
