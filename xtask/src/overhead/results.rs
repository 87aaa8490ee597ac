//! The folder of results: `report.md`, `overhead.json`, `rounds.csv`. They name no place of the machine.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::{load::Load, probes::Probes, run::Row, summary::Summary, toggled::Toggled, tool::Tool};
use crate::{command, results};

#[derive(Serialize)]
pub struct Results {
    pub about: About,
    /// Those that are whole.
    pub rounds: usize,
    pub rounds_asked: usize,
    pub loads: Vec<Load>,
    /// Of our own probes, in segments of one run.
    pub toggled: Vec<Toggled>,
    pub summaries: Vec<Summary>,
    pub probes: Vec<Probes>,
}

/// What was run on what.
#[derive(Serialize)]
pub struct About {
    pub date: String,
    pub command: String,
    pub kernel: String,
    pub cpus: usize,
    /// Its commit; `+` where the sources had changes on top of it.
    pub profiler: String,
    /// Where the tools and the swarm write their files.
    pub scratch_filesystem: Option<String>,
    pub tools: Vec<AboutTool>,
}

#[derive(Serialize)]
pub struct AboutTool {
    pub tool: Tool,
    pub version: Option<String>,
    pub description: String,
    pub left_out: Option<String>,
}

impl About {
    /// To be asked before anything is written: a folder of results is a change to the sources.
    pub fn now(command: String, scratch_filesystem: Option<String>, tools: Vec<AboutTool>) -> Result<Self> {
        Ok(Self {
            date: results::date()?,
            command,
            kernel: ask("uname", &["-r"])?,
            cpus: thread::available_parallelism().context("count the CPUs")?.get(),
            profiler: results::commit(),
            scratch_filesystem,
            tools,
        })
    }
}

/// Where the results go, which must not be there yet.
pub fn folder(typed: Option<&Path>) -> Result<PathBuf> {
    let folder = match typed {
        Some(folder) => folder.to_owned(),
        None => results::dated("overhead")?,
    };
    results::free(folder)
}

/// Writes all files, of which `rounds.csv` takes rounds. Each file is there as it was before or as it is now, whenever this is
/// interrupted.
pub fn write(folder: &Path, results: &Results, rows: &[Row], report: &str) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("make the folder {}", folder.display()))?;
    let put = |name: &str, bytes: &[u8]| replace(&folder.join(name), bytes);
    put("report.md", report.as_bytes())?;
    put("overhead.json", &serde_json::to_vec_pretty(results)?)?;
    if rows.is_empty() { Ok(()) } else { put("rounds.csv", &csv(rows)?) }
}

fn replace(file: &Path, bytes: &[u8]) -> Result<()> {
    let new = file.with_added_extension("new");
    let write = || {
        fs::write(&new, bytes)?;
        fs::rename(&new, file)
    };
    write().with_context(|| format!("write {}", file.display()))
}

fn csv(rows: &[Row]) -> Result<Vec<u8>> {
    let mut out = csv::Writer::from_writer(Vec::new());
    rows.iter().try_for_each(|row| out.serialize(row)).context("write the rows")?;
    out.into_inner().map_err(|error| error.into_error()).context("write the rows")
}

fn ask(program: &str, arguments: &[&str]) -> Result<String> {
    let answer =
        command::ask(Command::new(program).args(arguments)).with_context(|| format!("`{program}` failed"))?;
    Ok(answer.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::{env, io, process};

    use super::*;

    #[test]
    fn a_file_is_never_half_written() {
        let file = env::temp_dir().join(format!("xtask-overhead-replaced-{}", process::id()));
        replace(&file, b"old").expect("write it");
        let before = fs::File::open(&file).expect("it is there");
        replace(&file, b"new").expect("write it again");
        let found = [io::read_to_string(before), fs::read_to_string(&file)].map(Result::unwrap_or_default);
        let _ = fs::remove_file(&file);
        assert_eq!(found, ["old", "new"]);
    }
}
