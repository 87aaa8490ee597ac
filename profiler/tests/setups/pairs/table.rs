//! What all pairs came to: as a table to read, as CSV and as JSON.

use std::{collections::BTreeSet, fmt::Write as _, fs, path::Path};

use profiler::clock::filename_time;
use serde_json::{Value, json};

use super::{
    judge::{Difference, Runs, TOLERANCE},
    known::Shares,
};

/// What is smaller is left out of the table to read.
const MAIN: f64 = 0.02;

/// Where and when it was measured.
pub struct About {
    pub date: String,
    /// On which the programs ran.
    pub kernel: String,
    /// None of what was only compared here.
    pub cpus: Option<Cpus>,
    pub commit: String,
}

pub struct Cpus {
    pub model: String,
    pub count: usize,
}

impl About {
    pub fn here(commit: &str) -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let cpus = read("/proc/cpuinfo");
        let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let cpus = Cpus {
            model: model.map_or("an unknown CPU", |(_, model)| model).to_owned(),
            count: std::thread::available_parallelism().map_or(0, Into::into),
        };
        let kernel = read("/proc/sys/kernel/osrelease").trim().to_owned();
        Self { date: today(), kernel, cpus: Some(cpus), commit: commit.to_owned() }
    }

    /// Of runs that were recorded before, maybe elsewhere.
    pub fn of_recorded(commit: &str, all: &[Runs]) -> Self {
        let kernels: BTreeSet<&str> =
            all.iter().flat_map(|runs| &runs.runs).map(|run| run.kernel.as_str()).collect();
        let kernel = kernels.into_iter().collect::<Vec<_>>().join(" and ");
        Self { date: today(), kernel, cpus: None, commit: commit.to_owned() }
    }
}

fn today() -> String {
    filename_time().split('T').next().unwrap_or_default().to_owned()
}

pub fn markdown(about: &About, all: &[Runs]) -> String {
    let About { date, kernel, cpus, commit } = about;
    let on = match cpus {
        Some(Cpus { model, count }) => format!("Linux {kernel}, {count} × {model}, profiler {commit}"),
        None => format!("recorded under Linux {kernel}, compared by profiler {commit}"),
    };
    let within = all.iter().filter(|runs| runs.is_within()).count();
    let mut text = format!(
        "# Programs with a known answer, with noise and without\n\n{date}, {on}. {within} of {} are within {:.0} points in every share.\n\nIn %, means over the runs; shares under {:.0} \
         are left out. `movements merged` is the same with what a thread moved on its CPU within a millisecond in one record, as cheaper probes might \
         know it. `spread` is how far apart the runs are in what a share differs by, of the share for which that is most.\n\n\
         | pair | by the programs' logs | by the report | largest difference | movements merged | spread | runs | thrown away |\n\
         | --- | --- | --- | --- | --- | ---: | ---: | ---: |\n",
        all.len(),
        TOLERANCE * 100.0,
        MAIN * 100.0,
    );
    for runs in all {
        let differences = runs.differences();
        let told = |differences: &[Difference]| {
            largest(differences).map_or(String::new(), |largest| {
                let mark = if largest.apart().abs() <= TOLERANCE { "" } else { "**" };
                format!("{mark}{} {:+.1}{mark}", largest.share, largest.apart() * 100.0)
            })
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {:.1} | {} | {} |",
            runs.pair.name(),
            words(&runs.known()),
            words(&runs.reported()),
            told(&differences),
            told(&runs.merged_differences()),
            spread(&differences) * 100.0,
            runs.runs.len(),
            runs.thrown_away.len(),
        );
    }
    text
}

/// The parts of the network are there, and not their sum.
pub fn words(shares: &Shares) -> String {
    let mut main: Vec<_> =
        shares.iter().filter(|(name, share)| **share >= MAIN && *name != "network").collect();
    main.sort_by(|a, b| b.1.total_cmp(a.1));
    let words = main.into_iter().map(|(name, share)| format!("{name} {:.1}", share * 100.0));
    words.collect::<Vec<_>>().join(", ")
}

pub fn largest(differences: &[Difference]) -> Option<&Difference> {
    differences.iter().max_by(|a, b| a.apart().abs().total_cmp(&b.apart().abs()))
}

fn spread(differences: &[Difference]) -> f64 {
    differences.iter().map(|difference| difference.spread).fold(0.0, f64::max)
}

/// Writes `report.md`, `pairs.csv` and `pairs.json`.
pub fn write(folder: &Path, about: &About, all: &[Runs]) {
    fs::create_dir_all(folder).expect("make the folder of results");
    let put = |name: &str, text: String| fs::write(folder.join(name), text).expect("write the results");
    put("report.md", markdown(about, all));
    put("pairs.csv", csv(all));
    put("pairs.json", serde_json::to_string_pretty(&json(about, all)).expect("results are JSON") + "\n");
}

fn csv(all: &[Runs]) -> String {
    let shares: BTreeSet<String> =
        all.iter().flat_map(|runs| runs.known().into_keys().chain(runs.reported().into_keys())).collect();
    let mut out = csv::Writer::from_writer(Vec::new());
    let head = ["base", "noise", "runs", "thrown_away", "within", "largest_difference_share"];
    let more = ["largest_difference", "largest_difference_merged", "spread"];
    let head = head.into_iter().chain(more).map(str::to_owned);
    let of_shares =
        shares.iter().flat_map(|share| [format!("{share}_by_logs"), format!("{share}_by_report")]);
    out.write_record(head.chain(of_shares)).expect("a line of the table");
    for runs in all {
        let differences = runs.differences();
        let (largest, merged) = (largest(&differences), runs.merged_differences());
        let row = [
            runs.pair.base.name.to_owned(),
            runs.pair.noise.map_or("", |(name, _)| name).to_owned(),
            runs.runs.len().to_string(),
            runs.thrown_away.len().to_string(),
            runs.is_within().to_string(),
            largest.map_or(String::new(), |largest| largest.share.clone()),
            largest.map_or(String::new(), |largest| format!("{:.4}", largest.apart())),
            self::largest(&merged).map_or(String::new(), |largest| format!("{:.4}", largest.apart())),
            format!("{:.4}", spread(&differences)),
        ];
        let (known, reported) = (runs.known(), runs.reported());
        let cell =
            |shares: &Shares, share| shares.get(share).map_or(String::new(), |share| format!("{share:.4}"));
        let cells = shares.iter().flat_map(|share| [cell(&known, share), cell(&reported, share)]);
        out.write_record(row.into_iter().chain(cells)).expect("a line of the table");
    }
    String::from_utf8(out.into_inner().expect("the whole table")).expect("the table is text")
}

fn json(about: &About, all: &[Runs]) -> Value {
    let pairs = all.iter().map(|runs| {
        let each = runs.runs.iter().map(
            |run| json!({ "by_logs": run.known, "by_report": run.reported, "by_report_merged": run.merged }),
        );
        json!({
            "base": runs.pair.base.name,
            "noise": runs.pair.noise.map(|(name, _)| name),
            "within": runs.is_within(),
            "runs": each.collect::<Vec<_>>(),
            "thrown_away": runs.thrown_away,
            "broken": runs.broken,
        })
    });
    let About { date, kernel, cpus, commit } = about;
    let (cpu, count) = cpus.as_ref().map(|cpus| (&cpus.model, cpus.count)).unzip();
    json!({
        "date": date, "kernel": kernel, "cpu": cpu, "cpus": count, "profiler": commit, "tolerance": TOLERANCE,
        "pairs": pairs.collect::<Vec<_>>(),
    })
}
