//! Which programs a system runs here.

use std::path::{Path, PathBuf};

use anyhow::Result;
use capture::Role;

use super::tracker;
use crate::bench::drivers::Meeting;
use crate::bench::drivers::System;

/// The programs of a system with their places, or which one is missing and how to get it. `codex_bin` is the
/// program of Codex, if it is not in PATH.
pub fn programs(system: System, codex_bin: Option<&Path>) -> Result<Vec<(&'static str, PathBuf)>> {
    let driver = system.driver(codex_bin)?;
    let tracker = (driver.meeting() == Meeting::Tracker).then_some(tracker::PROGRAM);
    let programs = [Role::Seeder, Role::Leecher].map(|role| driver.program(role)).into_iter();
    let programs = programs.chain(driver.helpers()).chain(tracker);
    programs.map(|program| Ok((program.name, program.find()?))).collect()
}
