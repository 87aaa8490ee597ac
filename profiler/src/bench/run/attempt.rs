//! One run with everything that is kept of it, whether it is complete or fails.

use std::{
    fs,
    io::ErrorKind,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::{Instant, SystemTime},
};

use anyhow::{Context as _, Result, anyhow};
use indicatif::{HumanBytes, HumanCount};

use crate::{
    bench::arguments::Arguments,
    bench::{
        self,
        plan::{Cell, Matrix},
        results::{Folder, Measures, NodeRecord, RunRecord, Status, folder, measures},
        wait::Interrupted,
    },
    display::Display,
    export::Source,
};
use analysis::{figures, report, rows::reading, timeline::Timeline};

use super::{CAPTURE, deadline, one, upload};

const LOGS: &str = "logs";
/// Name of the packet capture inside the folder of a run.
const PCAP: &str = "run.pcap";

/// Runs a cell once into its folder, which is empty. An error is the user's wish to stop, or results that cannot be
/// written: the run is then unfinished. Any other failure of the run is in the record.
pub fn run(
    results: &Folder,
    matrix: &Matrix,
    (cell, repetition): (Cell, u32),
    args: &Arguments,
    display: &Display,
    stop: &AtomicBool,
) -> Result<RunRecord> {
    let folder = results.clear_run(&cell, repetition)?;
    let (capture, pcap) = (folder.join(CAPTURE), folder.join(PCAP));
    let logs = folder.join(LOGS);
    let configuration = cell.run(repetition, matrix);
    let options = bench::swarm::Options {
        scratch: args.scratch.clone(),
        logs: Some(logs.clone()),
        codex_bin: args.codex_bin.clone(),
        stall_timeout: matrix.stall_timeout,
        pcap: args.pcap.then(|| pcap.clone()),
    };
    let (started_at, started) = (SystemTime::now(), Instant::now());
    let mut known = one::Known::default();
    let outcome = deadline::within(matrix.timeout, stop, |stop| {
        one::run(
            &configuration,
            &options,
            (args.probes, args.max_overhead),
            &capture,
            display,
            stop,
            &mut known,
        )
    });
    let duration_s = started.elapsed().as_secs_f64();
    display.clear();
    if stop.load(Ordering::Relaxed) && outcome.is_err() {
        return Err(Interrupted.into());
    }

    let reports = capture.exists().then(|| report_on(&folder, &capture, &known.nodes));
    let (measures, outcome) = match (outcome, reports) {
        (Ok(()), Some(reports)) => match reports {
            Ok(measures) => (Some(measures), Ok(())),
            Err(error) => (None, Err(error.context("read the capture"))),
        },
        (outcome, _) => (None, outcome),
    };
    let outcome = outcome.map_err(|error| match logs.is_dir() {
        true => anyhow!("{error:#}\nThe logs of all programs are in {}.", logs.display()),
        false => error,
    });
    let capture_bytes = fs::metadata(&capture).ok().map(|metadata| metadata.len());
    let capture_kept = capture_bytes.is_some() && (outcome.is_err() || args.keep.keeps(repetition));
    if capture_bytes.is_some() && !capture_kept {
        remove(&capture)?;
        remove(&folder.join(upload::CAPTURE))?;
        remove(&pcap)?;
    }
    if let Some(packets) = &known.packets {
        display.note(&format!(
            "{PCAP}: {}, {} packets, {} dropped by the kernel",
            HumanBytes(packets.file_bytes),
            HumanCount(packets.packets),
            packets.dropped
        ));
    }
    let record = RunRecord {
        cell,
        repetition,
        status: if outcome.is_ok() { Status::Complete } else { Status::Failed },
        reason: outcome.err().map(|error| format!("{error:#}")),
        started_at: humantime::format_rfc3339_millis(started_at).to_string(),
        duration_s,
        nodes: known.nodes,
        packets: known.packets,
        capture_bytes,
        capture_kept,
        measures,
    };
    results.finish_run(&record)?;
    Ok(record)
}

/// Writes the reports of a run, and gives what of it is summed up: its upload too, which has a report of its own.
fn report_on(folder: &Path, capture: &Path, nodes: &[NodeRecord]) -> Result<Measures> {
    let mut timeline = Timeline::from_capture(&mut capture::read(capture)?)?;
    // Who sent how much to whom is summed up of them, datagrams above all.
    let payloads = timeline.events.payloads.clone();
    let (report, figures) = figures::of_timeline(&mut timeline)?;
    timeline.events.payloads = payloads;
    folder::write_reports(&folder.join("report"), Source { capture, report: &report, figures: &figures })?;
    let measures = reading(|| measures::of(&report, &timeline, nodes))?;
    let upload = folder.join(upload::CAPTURE);
    Ok(if upload.exists() { measures.with_upload(&report::of_capture(&upload)?) } else { measures })
}

/// Removes a file, if it is there.
fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
