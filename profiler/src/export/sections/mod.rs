//! What a report says in words and tables: the same for every format that people read.

mod budgets;
pub(crate) mod cells;
mod cross_checks;
mod drops;
mod rows;
pub(crate) mod table;
mod tables;

use analysis::report::{About, Agreement, Overhead, Report, Trust, Verdict};

use cells::{Table, both, clean, exact, or_dash, rate, said, whole};

/// A title, and what stands below it: blocks with room between them.
#[derive(Clone, Debug)]
pub struct Section {
    pub title: String,
    pub blocks: Vec<Vec<Part>>,
}

#[derive(Clone, Debug)]
pub enum Part {
    Table(Table),
    Said(String),
    /// How to see more.
    Hint(&'static str),
}

impl Section {
    /// Without blocks that say nothing.
    fn new(title: impl Into<String>, blocks: impl IntoIterator<Item = Vec<Part>>) -> Self {
        let said = |block: Vec<Part>| block.into_iter().filter(Part::says_something).collect::<Vec<_>>();
        let blocks = blocks.into_iter().map(said).filter(|block| !block.is_empty()).collect();
        Self { title: title.into(), blocks }
    }
}

impl Part {
    fn says_something(&self) -> bool {
        match self {
            Self::Table(table) => table.row_count() > 0,
            Self::Said(said) => !said.is_empty(),
            Self::Hint(hint) => !hint.is_empty(),
        }
    }
}

/// Those that say something.
pub fn of(report: &Report) -> Vec<Section> {
    let rows = rows::Rows::of(report);
    let mut sections = vec![header(report)];
    sections.extend(report.transfers.iter().map(tables::transfer));
    if report.transfers.is_empty() {
        sections.push(budgets::paths(report));
    }
    sections.extend(report.agreement.as_ref().map(agreement));
    sections.push(tables::network(&rows));
    sections.push(tables::peers(&rows));
    sections.push(tables::connections(report));
    sections.push(drops::all(report));
    sections.push(tables::disk(&rows));
    sections.push(tables::time(&rows));
    sections.push(tables::devices(&report.devices));
    sections.push(overhead(&report.overhead));
    sections.push(trust(report));
    sections.retain(|section| !section.blocks.is_empty());
    sections
}

fn header(report: &Report) -> Section {
    let About { id, started_at, duration_s, targets, end_reason, profiler, host, run } = &report.capture;
    let mut table = said();
    table.add_row(["targets", &clean(targets)]);
    if let Some(run) = run {
        let cell = format!(
            "{}, {} nodes, {} seeding, {}, repetition {}",
            clean(&run.system),
            run.nodes,
            run.seeders,
            both(run.file_size_bytes),
            run.repetition
        );
        table.add_row(["run", &cell]);
    }
    let mut programs: Vec<_> =
        report.processes.iter().filter_map(|process| process.program.as_deref()).collect();
    programs.dedup();
    if !programs.is_empty() {
        table.add_row(["programs", &clean(&programs.join(", "))]);
    }
    let lockdown = host.lockdown.as_ref().map_or_else(String::new, |mode| format!(", lockdown {mode}"));
    table.add_row(["host", &clean(&format!("Linux {}, {} CPUs{lockdown}", host.kernel, host.cpus))]);
    let ended = end_reason.as_ref().map_or("cut short".to_owned(), |reason| clean(reason));
    let started = started_at.as_deref().unwrap_or("at an unknown time");
    table.add_row([
        "recorded",
        &format!("{started}, {duration_s:.3} s, {ended}; profiler {}", clean(profiler)),
    ]);
    if !report.trust.probes_left_out.is_empty() {
        table.add_row(["probes", "counters only: no shares of time"]);
    }
    table.add_row(["verdict", &verdict(&report.trust)]);
    Section::new(format!("Capture {}", clean(id)), [vec![Part::Table(table)]])
}

fn verdict(trust: &Trust) -> String {
    match (trust.verdict, trust.reasons.len()) {
        (Verdict::Complete, _) => "complete".to_owned(),
        (Verdict::Degraded, 1) => "degraded, for 1 reason (see Trust)".to_owned(),
        (Verdict::Degraded, reasons) => format!("degraded, for {reasons} reasons (see Trust)"),
    }
}

fn agreement(agreement: &Agreement) -> Section {
    let Agreement { leecher, received_bytes, file_size_bytes, seeders, sent_bytes, difference_bytes, .. } =
        agreement;
    let (all_sent, all_received) = (agreement.all_sent_bytes, agreement.all_received_bytes);
    let lost = match all_sent.checked_sub(all_received) {
        Some(0) => "not a byte was lost on the way".to_owned(),
        Some(lost) => format!("{} bytes were lost, or still under way at the end", exact(lost)),
        None => format!("{} bytes came from elsewhere", exact(all_received - all_sent)),
    };
    let of_file = file_size_bytes
        .filter(|size| *size > 0)
        .map(|size| format!(", which is {:.2} % of the file", 100.0 * *received_bytes as f64 / size as f64));
    let sent = if *seeders == 1 { "its seeder".to_owned() } else { format!("its {seeders} seeders") };
    let mut table = Table::new(&[""], []).prose([0]);
    table.add_row([format!(
        "{} received {} from its peers{}; {sent} sent {}. Sent less received: {}{} bytes.",
        whole(&clean(leecher)),
        both(*received_bytes),
        of_file.unwrap_or_default(),
        both(*sent_bytes),
        if *difference_bytes < 0 { "-" } else { "" },
        exact(difference_bytes.unsigned_abs() as u64),
    )]);
    table.add_row([format!(
        "All nodes together, what they sent to themselves included, sent {} and received {} bytes: {lost}.",
        exact(all_sent),
        exact(all_received),
    )]);
    Section::new("Agreement of the two ends, over the whole capture", [vec![Part::Table(table)]])
}

fn overhead(overhead: &Overhead) -> Section {
    let percent = |fraction: f64| format!("{:.2} % of one CPU", 100.0 * fraction);
    let counted = match (overhead.windows_s, overhead.probe_runs, overhead.probe_cpu_fraction) {
        (Some(windows_s), Some(runs), Some(fraction)) => {
            format!("{} in {} runs, counted for {windows_s:.3} s", percent(fraction), exact(runs))
        }
        _ => "not measured: no window in which the kernel counted them".to_owned(),
    };
    let uncounted = overhead
        .probe_net_cpu_fraction
        .zip(overhead.statistics_ns_per_run)
        .map(|(net, ns)| format!("{} while nobody counts, which takes {ns:.0} ns of each run", percent(net)));
    let whole = overhead.probe_whole_cpu_fraction.zip(overhead.dispatch_ns_per_run).map(|(whole, ns)| {
        format!("{} with their dispatch, which takes {ns:.0} ns for each run", percent(whole))
    });
    let daemon = format!(
        "{}, {} anonymous memory at most",
        or_dash(overhead.daemon_cpu_fraction, percent),
        or_dash(overhead.daemon_anon_rss_bytes, both)
    );
    let mut table = said();
    table.add_row(["probes", &counted]);
    for more in [uncounted, whole].into_iter().flatten() {
        table.add_row(["", &more]);
    }
    table.add_row(["daemon", &daemon]);
    table.add_row(["maps", &or_dash(overhead.map_bytes, both)]);
    table.add_row(["capture", &or_dash(overhead.capture_bytes_per_s, rate)]);
    let programs = tables::programs(&overhead.programs);
    Section::new("Overhead", [table, programs].map(|table| vec![Part::Table(table)]))
}

fn trust(report: &Report) -> Section {
    let trust = &report.trust;
    let lost: u64 = trust.events_lost.values().sum();
    let classes: Vec<_> = trust
        .events_lost
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(class, count)| format!("{class} {}", exact(*count)))
        .collect();
    let mut table = said();
    table.add_row(["verdict", &verdict(trust).replace(" (see Trust)", "")]);
    table.add_row(["events lost", &if lost == 0 { "0".to_owned() } else { classes.join(", ") }]);
    let missing = trust.probes_missing.join(", ");
    table.add_row(["probes missing", if missing.is_empty() { "none" } else { &missing }]);
    if let Some(packets) = trust.packets_dropped {
        table.add_row(["packets dropped", &exact(packets)]);
    }
    if !trust.probes_left_out.is_empty() {
        table.add_row(["left out", &trust.probes_left_out.join(", ")]);
    }
    if !trust.probes_second_choice.is_empty() {
        table.add_row(["second choices", &trust.probes_second_choice.join(", ")]);
    }
    let mut reasons = said();
    for reason in &trust.reasons {
        reasons.add_row(["-", &names_whole(&clean(reason), report)]);
    }
    let mut missing = Table::new(&[""], []).prose([0]);
    if let Some(why) = trust.cross_checks_missing {
        missing.add_row([why]);
    }
    let cross_checks = cross_checks::cross_checks(report);
    let blocks = [
        vec![Part::Table(table), Part::Table(reasons)],
        vec![Part::Table(cross_checks)],
        vec![Part::Table(missing)],
    ];
    Section::new("Trust", blocks)
}

/// A sentence does not wrap inside of a process's name.
fn names_whole(sentence: &str, report: &Report) -> String {
    let names = report.processes.iter().map(|process| clean(process.name()));
    names
        .filter(|name| name.contains(' '))
        .fold(sentence.to_owned(), |sentence, name| sentence.replace(&name, &whole(&name)))
}
