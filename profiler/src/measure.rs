//! `profiler bench`: a benchmark run and the recording of it, put together into a folder of results.
//!
//! The order matters: the nodes are targets before they transfer anything, and the probes are detached before
//! the files are read again for their checksums.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    attach::Settings,
    bench::{self, AppMilestone, Configuration, NodeProcess, Observer, Swarm, System, TransferRequest},
    capture::{Checksum, Label, Milestone, Polling, Record, Run, Transfer},
    cli,
    clock::filename_time,
    display::Display,
    matrix::{self, Matrix, Verdict},
    record::stride_bytes,
    recording::{self, Recording, Subject},
    report,
};

mod room;

/// Name of the capture inside the folder of results.
pub const CAPTURE: &str = "run.capture";

/// A folder of results.
pub struct Results {
    pub folder: PathBuf,
    pub capture: PathBuf,
}

/// What would be run, for people.
pub fn plan(args: &cli::Bench) -> Result<String> {
    let (_, matrix) = matrix_of(args)?;
    let room = room::room(&matrix.systems, &args.scratch)?;
    Ok(matrix::table(&matrix::plan(&matrix, &room), &matrix, &room))
}

/// Runs a matrix of one run, and leaves its capture and reports in the folder of results.
pub fn run(args: &cli::Bench, stop: &AtomicBool) -> Result<Results> {
    let (name, matrix) = matrix_of(args)?;
    let room = room::room(&matrix.systems, &args.scratch)?;
    let plan = matrix::plan(&matrix, &room);
    let [planned] = &plan[..] else { bail!("several configurations: see --plan") };
    if let Verdict::Skipped(obstacle) = &planned.verdict {
        bail!("{}: {}", planned.cell, obstacle.reason);
    }
    let configuration = planned.cell.run(1, matrix.link.as_ref());
    let folder = args.output.clone().unwrap_or_else(|| default_folder(&name));
    if folder.join(CAPTURE).exists() {
        bail!("{} holds a run already: `-o DIR` names another folder", folder.display());
    }
    let options = bench::Options { scratch: args.scratch.clone(), logs: None };
    let capture = run_one(&configuration, &options, &folder, stop)?;
    let report = report::of_capture(&capture)?;
    write(&folder.join("report.txt"), &report::text::render(&report))?;
    write(&folder.join("report.json"), &report::json::render(&report))?;
    Ok(Results { folder, capture })
}

/// The matrix that was asked for, and its name.
fn matrix_of(args: &cli::Bench) -> Result<(String, Matrix)> {
    let (name, mut matrix) = match &args.matrix {
        Some(path) => {
            let stem = path.file_stem().unwrap_or(path.as_os_str());
            (stem.to_string_lossy().into_owned(), matrix::read(path)?)
        }
        None => (args.preset.name().to_owned(), args.preset.matrix()?),
    };
    if !args.system.is_empty() {
        matrix.systems.clone_from(&args.system);
    }
    Ok((name, matrix))
}

/// Runs one configuration and records it; gives the capture's path.
fn run_one(
    configuration: &Configuration,
    options: &bench::Options,
    results: &Path,
    stop: &AtomicBool,
) -> Result<PathBuf> {
    let display = Display::new();
    let mut swarm = bench::prepare(configuration, options, &mut Rehearsal(&display), stop)?;
    fs::create_dir_all(results).with_context(|| format!("make the folder {}", results.display()))?;
    let capture = results.join(CAPTURE);
    display.step("attaching the probes");
    let recording = recording::start(&capture, &settings(configuration, &swarm), &subject(configuration))?;
    for node in swarm.nodes() {
        register(&recording, configuration.system, node)?;
    }
    let transfers = swarm.transfer(&mut Witness { recording: &recording, display: &display }, stop);
    display.step("detaching the probes");
    let mut detached = recording.detach()?;
    let transfers = match transfers {
        Ok(transfers) => transfers,
        Err(error) => {
            detached.complete(&format!("the benchmark failed: {error:#}"))?;
            return Err(error.context(format!("what was recorded until then is in {}", capture.display())));
        }
    };
    for transfer in &transfers {
        detached.out.push(&Record::Polling(Polling {
            label: transfer.label.clone(),
            polls: transfer.polling.polls,
            cpu_ns: transfer.polling.cpu_ns,
        }))?;
    }

    display.step("comparing checksums");
    let checks = swarm.verify(stop)?;
    for check in &checks {
        detached.out.push(&Record::Checksum(Checksum {
            label: check.label.clone(),
            sent_sha256: swarm.sha256().to_owned(),
            received_sha256: check.sha256.clone(),
        }))?;
    }
    detached.complete("the transfers were complete")?;
    display.step("removing nodes and networks");
    swarm.finish()?;
    display.clear();
    match checks.iter().find(|check| !check.is_equal) {
        Some(check) => {
            bail!("{} received another file than was sent: see {}", check.label, capture.display())
        }
        None => Ok(capture),
    }
}

fn default_folder(name: &str) -> PathBuf {
    Path::new("results").join(format!("{}-{name}", filename_time()))
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("write {}", path.display()))
}

fn settings(configuration: &Configuration, swarm: &Swarm) -> Settings {
    let mut control_ports: Vec<u16> =
        swarm.nodes().flat_map(|node| node.control_ports.iter().copied()).collect();
    control_ports.push(swarm.tracker_address().port());
    control_ports.sort_unstable();
    control_ports.dedup();
    Settings {
        stride_bytes: stride_bytes(Some(configuration.file_size_bytes)),
        control_ports,
        ..Settings::default()
    }
}

fn subject(configuration: &Configuration) -> Subject {
    Subject {
        targets: "the nodes of the benchmark".to_owned(),
        size_bytes: Some(configuration.file_size_bytes),
        run: Some(Run {
            system: configuration.system.to_string(),
            nodes: configuration.nodes,
            seeders: configuration.seeders,
            file_size_bytes: configuration.file_size_bytes,
            repetition: configuration.repetition,
        }),
    }
}

fn register(recording: &Recording, system: System, node: &NodeProcess) -> Result<()> {
    let process = recording.register(node.pid).with_context(|| format!("profile {}", node.label))?;
    recording.push(Record::Label(Label {
        process,
        label: node.label.clone(),
        role: node.role.to_string(),
        program: Some(format!("{system} {}", node.version)),
    }))
}

/// Shows what the benchmark does before anything is recorded.
struct Rehearsal<'a>(&'a Display);

impl Observer for Rehearsal<'_> {
    fn transfer_requested(&mut self, transfer: &TransferRequest) -> Result<()> {
        bail!("{} transfers before the probes are attached", transfer.label)
    }

    fn milestone(&mut self, milestone: &AppMilestone) -> Result<()> {
        bail!("{} transfers before the probes are attached", milestone.label)
    }

    fn progress(&mut self, _label: &str, _bytes: u64, _of: u64) {}

    fn step(&mut self, step: &str) {
        self.0.step(step);
    }
}

/// Puts what the benchmark says into the capture, and shows how far it is.
struct Witness<'a> {
    recording: &'a Recording,
    display: &'a Display,
}

impl Observer for Witness<'_> {
    fn transfer_requested(&mut self, transfer: &TransferRequest) -> Result<()> {
        self.recording.push(Record::Transfer(Transfer {
            label: transfer.label.clone(),
            process: self.recording.serial(transfer.pid)?,
            direction: transfer.direction,
            file_size_bytes: transfer.file_size_bytes,
            requested_ns: transfer.requested_ns,
        }))
    }

    fn milestone(&mut self, milestone: &AppMilestone) -> Result<()> {
        self.recording.push(Record::Milestone(Milestone {
            label: milestone.label.clone(),
            name: milestone.name,
            at_ns: milestone.at_ns,
            resolution_ns: milestone.resolution_ns,
            bytes: milestone.bytes,
        }))
    }

    fn progress(&mut self, label: &str, bytes: u64, of: u64) {
        self.display.progress(label, bytes, of);
    }

    fn step(&mut self, step: &str) {
        self.display.step(step);
    }
}
