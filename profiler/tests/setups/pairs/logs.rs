//! The log of a run as a file: what it was, and what each program did by its own clocks.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufWriter, Write as _},
    path::Path,
};

use serde::{Deserialize, Serialize};

use super::{host::Disturbance, list::Base};
use crate::{log::Interval, truth::Truth};

pub struct Logs {
    pub about: About,
    pub programs: BTreeMap<String, Truth>,
}

/// The first line of the file.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct About {
    pub pair: String,
    /// Of the host, while the programs ran.
    pub disturbance: Disturbance,
    /// Where they are not said, those of the list.
    #[serde(default)]
    pub of: Option<Amounts>,
}

/// What may differ from the list's.
#[derive(Serialize, Deserialize, Clone, Copy, Debug)]
pub struct Amounts {
    pub blocks: u32,
    pub disk_bytes_per_s: u64,
}

/// Every other line.
#[derive(Serialize, Deserialize)]
struct Line {
    program: String,
    pid: u32,
    #[serde(flatten)]
    interval: Interval,
}

impl Amounts {
    pub fn of(base: &Base) -> Self {
        Self { blocks: base.blocks, disk_bytes_per_s: base.disk_bytes_per_s }
    }
}

/// A log has less than 1 MiB.
const LARGEST: usize = 16 << 20;

impl Logs {
    pub fn write(&self, path: &Path) {
        let mut out = BufWriter::new(File::create(path).expect("create the log"));
        write_line(&mut out, &self.about);
        for (program, truth) in &self.programs {
            for &interval in &truth.intervals {
                write_line(&mut out, &Line { program: program.clone(), pid: truth.pid, interval });
            }
        }
        out.flush().expect("write the log");
    }

    /// As it was written, or packed (`zstd`) under the same name with `.zst`; none where neither is there.
    pub fn find(path: &Path) -> Option<Self> {
        let packed = path.with_added_extension("zst");
        let text = if path.exists() {
            fs::read(path)
        } else if packed.exists() {
            fs::read(&packed).and_then(|packed| zstd::bulk::decompress(&packed, LARGEST))
        } else {
            return None;
        };
        let text = text.unwrap_or_else(|error| panic!("read {}: {error}", path.display()));
        Some(Self::parse(str::from_utf8(&text).expect("a log is text")))
    }

    /// The one that ran.
    pub fn base(&self, of_list: &Base) -> Base {
        let Amounts { blocks, disk_bytes_per_s } = self.about.of.unwrap_or(Amounts::of(of_list));
        Base { blocks, disk_bytes_per_s, ..*of_list }
    }

    pub fn parse(text: &str) -> Self {
        let mut lines = text.lines();
        let about = lines.next().expect("the log has a first line");
        let about = serde_json::from_str(about).expect("the log says what it is of");
        let mut programs = BTreeMap::new();
        for line in lines {
            let line: Line = serde_json::from_str(line).expect("a line of the log is an interval");
            let truth = Truth { pid: line.pid, intervals: Vec::new() };
            programs.entry(line.program).or_insert(truth).intervals.push(line.interval);
        }
        Self { about, programs }
    }
}

fn write_line(out: &mut impl std::io::Write, line: &impl Serialize) {
    serde_json::to_writer(&mut *out, line).expect("write the log");
    out.write_all(b"\n").expect("write the log");
}
