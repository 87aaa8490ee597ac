//! The log of a run as a file: what it was, and what each program did by its own clocks.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufWriter, Write as _},
    path::Path,
};

use serde::{Deserialize, Serialize};

use super::host::Disturbance;
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
}

/// Every other line.
#[derive(Serialize, Deserialize)]
struct Line {
    program: String,
    pid: u32,
    #[serde(flatten)]
    interval: Interval,
}

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

    pub fn read(path: &Path) -> Self {
        let text =
            fs::read_to_string(path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()));
        Self::parse(&text)
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
