//! Where results are, and how they get there.

use std::{
    fs,
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use serde::{Serialize, de::DeserializeOwned};

use crate::bench::plan::Cell;
use crate::export::{self, Source};
use capture::whole::{self, UNFINISHED};

use super::{Manifest, RunRecord, Summary, manifest, summary};

const MANIFEST: &str = "manifest.json";
const RUN: &str = "run.json";

/// A folder of results that has its manifest.
pub struct Folder {
    pub path: PathBuf,
    pub manifest: Manifest,
}

impl Folder {
    /// An error if the folder holds results.
    pub fn check_new(path: &Path) -> Result<()> {
        if path.join(MANIFEST).exists() {
            bail!(
                "{} holds results already: --resume continues them, `-o DIR` names another folder",
                path.display()
            );
        }
        Ok(())
    }

    /// Results that are there, finished or not.
    pub fn open(path: &Path) -> Result<Self> {
        let manifest = read_json(&path.join(MANIFEST))?
            .with_context(|| format!("{} holds no results: it has no {MANIFEST}", path.display()))?;
        Ok(Self { path: path.to_owned(), manifest })
    }

    /// Begins new results. The folder may be there, but hold none.
    pub fn begin(path: &Path, manifest: Manifest) -> Result<Self> {
        Self::check_new(path)?;
        fs::create_dir_all(path).with_context(|| format!("make the folder {}", path.display()))?;
        write_json(&path.join(MANIFEST), &manifest)?;
        Ok(Self { path: path.to_owned(), manifest })
    }

    /// Continues results, if everything that `now` says of host, programs and matrix is as it was.
    pub fn resume(path: &Path, now: &Manifest) -> Result<Self> {
        let manifest: Manifest = read_json(&path.join(MANIFEST))?.with_context(|| {
            format!("{} holds no results to continue: begin them without --resume", path.display())
        })?;
        let differences = manifest::differences(&manifest, now);
        if !differences.is_empty() {
            bail!(
                "{} was begun under other conditions, and results of two are not mixed:\n  {}\n`-o DIR` begins new \
                 results",
                path.display(),
                differences.join("\n  ")
            );
        }
        for entry in fs::read_dir(path).with_context(|| format!("list {}", path.display()))?.flatten() {
            // Left by a killed run.
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(Self { path: path.to_owned(), manifest })
    }

    /// Where a run's files are. `repetition` counts from 1.
    pub fn run(&self, cell: &Cell, repetition: u32) -> PathBuf {
        self.path.join(cell.folder_name()).join(repetition.to_string())
    }

    /// How a run ended; None if it did not run, or was interrupted.
    pub fn record(&self, cell: &Cell, repetition: u32) -> Result<Option<RunRecord>> {
        read_json(&self.run(cell, repetition).join(RUN))
    }

    /// What the runs of these configurations come to, as far as there are any.
    pub fn summaries(&self, cells: &[Cell], repetitions: u32) -> Result<Vec<Summary>> {
        let of_cell = |cell: &Cell| -> Result<Summary> {
            let skipped = self.manifest.skipped.iter().find(|skipped| skipped.cell == *cell);
            let records: Result<Vec<Option<RunRecord>>> =
                (1..=repetitions).map(|repetition| self.record(cell, repetition)).collect();
            let records: Vec<RunRecord> = records?.into_iter().flatten().collect();
            Ok(summary::of(*cell, repetitions, skipped.map(|skipped| skipped.reason.clone()), &records))
        };
        cells.iter().map(of_cell).collect()
    }

    /// The configurations of which there is a run, or that were skipped: by system, size of the file and swarm.
    pub fn cells(&self) -> Result<Vec<Cell>> {
        let mut cells: Vec<Cell> = self.manifest.skipped.iter().map(|skipped| skipped.cell).collect();
        let list = |path: &Path| fs::read_dir(path).with_context(|| format!("list {}", path.display()));
        for configuration in list(&self.path)?.flatten().filter(|entry| entry.path().is_dir()) {
            for repetition in list(&configuration.path())?.flatten() {
                let record: Option<RunRecord> = read_json(&repetition.path().join(RUN))?;
                cells.extend(record.map(|record| record.cell));
            }
        }
        cells.sort_by_key(|cell| (cell.system.to_string(), cell.file_size_bytes, cell.nodes, cell.seeders));
        cells.dedup();
        Ok(cells)
    }

    /// As the matrix has them.
    pub fn repetitions(&self) -> u32 {
        self.manifest.matrix["repetitions"].as_u64().and_then(|number| number.try_into().ok()).unwrap_or(1)
    }

    /// An empty folder for a run, in the place of what an interrupted one left.
    pub fn clear_run(&self, cell: &Cell, repetition: u32) -> Result<PathBuf> {
        let path = self.run(cell, repetition);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("remove the unfinished run {}", path.display()));
            }
            _ => (),
        }
        fs::create_dir_all(&path).with_context(|| format!("make the folder {}", path.display()))?;
        Ok(path)
    }

    /// Makes a run count as finished.
    pub fn finish_run(&self, record: &RunRecord) -> Result<()> {
        write_json(&self.run(&record.cell, record.repetition).join(RUN), record)
    }
}

/// Writes a whole file or nothing.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    whole::write(path, |file| Ok(file.write_all(bytes)?))
}

pub fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let mut json = serde_json::to_vec_pretty(value).with_context(|| format!("write {}", path.display()))?;
    json.push(b'\n');
    write(path, &json)
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        read => {
            let context = || format!("read {}", path.display());
            serde_json::from_slice(&read.with_context(context)?).with_context(context)
        }
    }
}

/// Writes a report in every format that stays beside its capture; `stem` is what the files are called but for their endings.
pub fn write_reports(stem: &Path, source: Source) -> Result<()> {
    export::BESIDE_CAPTURES.iter().try_for_each(|format| {
        let mut bytes = Vec::new();
        format.write(source, &mut bytes)?;
        write(&stem.with_extension(format.extension()), &bytes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{
        plan::Preset,
        results::{Status, manifest::tests::sample},
    };

    fn record(cell: Cell, repetition: u32) -> RunRecord {
        RunRecord {
            cell,
            repetition,
            status: Status::Failed,
            reason: Some("a leecher died".to_owned()),
            started_at: "2026-11-22T20:00:00Z".to_owned(),
            duration_s: 1.5,
            nodes: Vec::new(),
            capture_bytes: None,
            capture_kept: false,
            packets: None,
            measures: None,
        }
    }

    #[test]
    fn results_continue_where_they_were_left() -> Result<()> {
        let base = tempfile::tempdir()?;
        let path = base.path().join("results");
        let cell = Cell {
            system: crate::bench::drivers::transmission::SYSTEM,
            nodes: 2,
            seeders: 1,
            file_size_bytes: 8 << 20,
        };
        let folder = Folder::begin(&path, sample())?;
        folder.clear_run(&cell, 1)?;
        folder.finish_run(&record(cell, 1))?;
        let interrupted = folder.clear_run(&cell, 2)?;
        fs::write(interrupted.join("run.capture"), "half")?;
        fs::write(path.join(".unfinished-summary"), "half")?;

        let refused = Folder::begin(&path, sample()).err().context("it holds results")?.to_string();
        assert!(refused.contains("--resume"), "{refused}");
        let folder = Folder::resume(&path, &sample())?;
        assert!(!path.join(".unfinished-summary").exists());
        assert_eq!(folder.record(&cell, 1)?, Some(record(cell, 1)), "finished runs stay");
        assert_eq!(folder.record(&cell, 2)?, None, "interrupted runs do not count");
        assert_eq!(fs::read_dir(folder.clear_run(&cell, 2)?)?.count(), 0);
        Ok(())
    }

    #[test]
    fn two_versions_are_not_mixed() -> Result<()> {
        let base = tempfile::tempdir()?;
        let check = |now: &Manifest, message_has: &[&str]| {
            let message = Folder::resume(base.path(), now).err().expect("refused").to_string();
            assert!(message_has.iter().all(|part| message.contains(part)), "{message}");
        };
        check(&sample(), &["no results to continue", "without --resume"]);
        Folder::begin(base.path(), sample())?;
        let mut newer = sample();
        newer.host.kernel = "6.19".to_owned();
        newer.matrix = serde_json::to_value(Preset::Seed.matrix()?)?;
        check(&newer, &["host.kernel", "6.18", "6.19", "matrix.repetitions", "10"]);
        Ok(())
    }
}
