//! Folders of results, and what was measured: the commit and the day.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result, ensure};

use crate::{command, workspace};

/// `results/DATE-KIND/`.
pub fn dated(kind: &str) -> Result<PathBuf> {
    Ok(workspace::root().join("results").join(format!("{}-{kind}", date()?)))
}

/// A folder that has nothing in it yet.
pub fn free(folder: PathBuf) -> Result<PathBuf> {
    let is_free = fs::read_dir(&folder).map_or(true, |mut entries| entries.next().is_none());
    ensure!(is_free, "{} has results already: choose another folder", folder.display());
    Ok(folder)
}

pub fn date() -> Result<String> {
    let date = command::ask(Command::new("date").arg("+%F")).context("`date` failed")?;
    Ok(date.trim().to_owned())
}

/// Of the sources; `+` where they have changes on top of it.
pub fn commit() -> String {
    let git =
        |arguments: &[&str]| command::ask(Command::new("git").args(arguments).current_dir(workspace::root()));
    let Some(commit) = git(&["rev-parse", "--short", "HEAD"]) else {
        return "of an unknown commit".to_owned();
    };
    let has_changes = git(&["status", "--porcelain"]).is_none_or(|changes| !changes.is_empty());
    format!("{}{}", commit.trim(), if has_changes { "+" } else { "" })
}
