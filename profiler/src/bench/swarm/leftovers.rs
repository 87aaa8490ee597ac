//! Removes what killed runs left on this host.

use anyhow::{Context, Result};

use crate::bench::observer::Observer;
use crate::bench::swarm::scratch::Run;

/// Removes what is left of every run that was killed, and says so in a line for each.
pub fn remove(observer: &mut dyn Observer) -> Result<()> {
    for run in Run::left_over()? {
        let id = run.id().to_owned();
        let removed = run.remove().with_context(|| format!("remove what the killed run {id} left"))?;
        let folder = removed.folder.map_or("no folder".to_owned(), |folder| folder.display().to_string());
        observer.step(&format!(
            "removed what the killed run {id} left: {} processes, {} namespaces, {folder}",
            removed.processes, removed.namespaces,
        ));
    }
    Ok(())
}
