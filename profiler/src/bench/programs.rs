//! Which programs a system runs here.

use std::path::PathBuf;

use anyhow::Result;

use super::drivers;
use super::plan::System;
use super::tracker;

/// The programs of a system with their places, or which one is missing and how to get it.
pub fn programs(system: System) -> Result<Vec<(&'static str, PathBuf)>> {
    let programs = [drivers::driver(system).program(), tracker::PROGRAM];
    programs.iter().map(|program| Ok((program.name, program.find()?))).collect()
}
