//! A folder of results: what was run where and with what, what each run measured, and what it comes to for each
//! configuration.
//!
//! ```text
//! DIR/manifest.json                     host, programs, matrix, ceilings
//! DIR/CONFIGURATION/REPETITION/run.json how the run ended, and its measures; written last
//! DIR/summary.csv, report.md, .html     a row, a section and a card for each configuration
//! ```
//!
//! A run without `run.json` is unfinished. Every file is written beside its place and renamed, so that it is whole
//! or not there.

pub mod csv;
pub mod folder;
pub mod manifest;
pub mod markdown;
pub mod measures;
pub mod page;
pub mod statistics;
pub mod summary;
mod uploads;

pub use folder::Folder;
pub use manifest::Manifest;
pub use measures::Measures;
pub use summary::Summary;

use anyhow::Result;
use capture::Role;
use serde::{Deserialize, Serialize};

use crate::bench::{plan::Cell, swarm::tap::Packets};

/// Folders of results on one page, finished or not.
pub fn page(folders: &[Folder]) -> Result<String> {
    let summaries: Vec<Vec<Summary>> = folders
        .iter()
        .map(|folder| folder.summaries(&folder.cells()?, folder.repetitions()))
        .collect::<Result<_>>()?;
    let all: Vec<(&Manifest, &[Summary])> = folders
        .iter()
        .zip(&summaries)
        .map(|(folder, summaries)| (&folder.manifest, summaries.as_slice()))
        .collect();
    Ok(page::render(&all))
}

/// How one run ended, and what it measured: `run.json`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct RunRecord {
    #[serde(rename = "configuration")]
    pub cell: Cell,
    /// Counts from 1.
    pub repetition: u32,
    pub status: Status,
    /// Why it failed.
    pub reason: Option<String>,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// From the start of its preparation until it was complete, or failed.
    pub duration_s: f64,
    pub nodes: Vec<NodeRecord>,
    /// Missing if the run failed before its recording began.
    pub capture_bytes: Option<u64>,
    pub capture_kept: bool,
    /// The packet capture beside it, if one was asked for and ended in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packets: Option<Packets>,
    /// Of complete runs.
    pub measures: Option<Measures>,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Complete,
    Failed,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct NodeRecord {
    pub label: String,
    pub role: Role,
    pub address: std::net::IpAddr,
    /// System and version, by the program's own word.
    pub program: String,
}
