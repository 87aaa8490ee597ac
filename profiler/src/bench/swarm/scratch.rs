//! What one run owns on this host, and its removal: a record, a folder, and every namespace and control group that
//! carries its name.
//!
//! The record is a file in /run/xferprof that is locked as long as the run lives. A record that can be locked
//! belongs to a run that was killed: the next run removes what is left of it.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, bail, ensure};
use rustix::fs::{FlockOperation, flock};

use crate::bench::hosts::namespace;
use crate::bench::hosts::{logs, processes, throttle};
use crate::display::tell;

const RECORDS: &str = "/run/xferprof";
const PREFIX: &str = "xferprof-";

/// A run that is under way, or what is left of one. Dropping it removes everything that it owns.
pub struct Run {
    id: String,
    folder: PathBuf,
    /// Where its daemons' logs go if the run is dropped, and not removed in order.
    logs: Option<PathBuf>,
    /// Keeps the lock.
    _record: File,
    is_removed: bool,
}

/// What a removal found.
#[derive(Debug, Default)]
pub struct Removed {
    pub processes: usize,
    pub namespaces: usize,
    pub folder: Option<PathBuf>,
}

impl Run {
    /// Records a new run, then makes its folder under `base`.
    pub fn begin(base: &Path) -> Result<Self> {
        let base =
            base.canonicalize().with_context(|| format!("find the scratch directory {}", base.display()))?;
        let since_epoch = SystemTime::UNIX_EPOCH.elapsed().context("the clock is set before 1970")?;
        // The lower 32 bits repeat after 49 days; a record of the same name would be refused below.
        let id = format!("{:08x}", since_epoch.as_millis() as u32);
        let folder = base.join(format!("{PREFIX}{id}"));
        let record = write_record(&id, &folder).with_context(|| format!("record the run in {RECORDS}"))?;
        let run = Self { id, folder, logs: None, _record: record, is_removed: false };
        // Other users must not reach daemons' settings and sockets.
        DirBuilder::new()
            .mode(0o700)
            .create(&run.folder)
            .with_context(|| format!("make the folder {}", run.folder.display()))?;
        Ok(run)
    }

    /// The runs that were killed, and own things still.
    pub fn left_over() -> Result<Vec<Self>> {
        let entries = match fs::read_dir(RECORDS) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.with_context(|| format!("list {RECORDS}"))?,
        };
        let mut runs = Vec::new();
        for entry in entries {
            let path = entry.with_context(|| format!("list {RECORDS}"))?.path();
            runs.extend(adopt(&path).with_context(|| format!("read the record {}", path.display()))?);
        }
        Ok(runs)
    }

    /// Has the logs of the run's daemons copied into `folder` if the run fails: if it is dropped.
    pub fn keep_logs_of_failure(&mut self, folder: PathBuf) {
        self.logs = Some(folder);
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// How the names of the run's namespaces and control groups begin.
    pub fn namespace_prefix(&self) -> String {
        format!("{PREFIX}{}-", self.id)
    }

    /// Removes everything the run owns. What cannot be removed stays on record, for the next run to try
    /// again.
    pub fn remove(mut self) -> Result<Removed> {
        self.is_removed = true;
        self.remove_all()
    }

    fn remove_all(&self) -> Result<Removed> {
        let namespaces = namespace::names_with(&self.namespace_prefix())?;
        let mut removed = Removed { processes: processes::kill_inside(&namespaces)?, ..Removed::default() };
        for name in &namespaces {
            namespace::remove(name)?;
            removed.namespaces += 1;
        }
        throttle::remove_left_over(&self.namespace_prefix());
        if remove_folder(&self.folder, &self.id)? {
            removed.folder = Some(self.folder.clone());
        }
        fs::remove_file(Path::new(RECORDS).join(&self.id)).context("remove the record")?;
        // Other runs may have records there.
        let _ = fs::remove_dir(RECORDS);
        Ok(removed)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if self.is_removed {
            return;
        }
        if let Some(Err(error)) = self.logs.as_ref().map(|into| logs::keep(&self.folder, into)) {
            tell(&format!("benchmark run {}: its logs are not kept: {error:#}", self.id));
        }
        if let Err(error) = self.remove_all() {
            tell(&format!(
                "benchmark run {}: not everything is removed, the next run will try again: {error:#}",
                self.id
            ));
        }
    }
}

/// Writes a record and locks it.
fn write_record(id: &str, folder: &Path) -> Result<File> {
    fs::create_dir_all(RECORDS)?;
    let mut record = File::create_new(Path::new(RECORDS).join(id))?;
    // Between the two lines another run that starts now may have taken the empty record for a left-over.
    let is_ours =
        flock(&record, FlockOperation::NonBlockingLockExclusive).is_ok() && record.metadata()?.nlink() > 0;
    ensure!(is_ours, "another benchmark was started at the same moment: try again");
    record.write_all(folder.as_os_str().as_bytes())?;
    Ok(record)
}

/// Takes over a record whose run is gone; none if the run lives, or finished just now.
fn adopt(path: &Path) -> Result<Option<Run>> {
    let mut record = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        record => record?,
    };
    if flock(&record, FlockOperation::NonBlockingLockExclusive).is_err() || record.metadata()?.nlink() == 0 {
        return Ok(None);
    }
    let mut folder = Vec::new();
    record.read_to_end(&mut folder)?;
    let Some(id) = path.file_name().and_then(OsStr::to_str) else { bail!("its name is not a run's") };
    let folder = PathBuf::from(OsStr::from_bytes(&folder));
    Ok(Some(Run { id: id.to_owned(), folder, logs: None, _record: record, is_removed: false }))
}

/// Removes a run's folder, if there is one. A run that was killed before it wrote its record has none.
fn remove_folder(folder: &Path, id: &str) -> Result<bool> {
    if folder.as_os_str().is_empty() {
        return Ok(false);
    }
    // What a record says is deleted by root: only what a run can have made.
    let is_a_runs_folder = folder.file_name() == Some(OsStr::new(&format!("{PREFIX}{id}")));
    ensure!(is_a_runs_folder, "the record of run {id} names {}, which is no run's folder", folder.display());
    match fs::remove_dir_all(folder) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("remove {}", folder.display())),
    }
}
