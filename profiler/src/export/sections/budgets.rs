//! Tables of where time went: shares, the network's detail, the longest pieces of the active path.

use std::collections::BTreeSet;

use analysis::report::{Budget, Piece, ProcessReport, Report, StackReport, TransferReport};

use super::{
    Part, Section,
    cells::{Table, clean, human, or_dash, table},
    drops,
    rows::one_by_one,
};

/// Processes that are shown: those that lived longest.
const PROCESSES: usize = 12;

/// Pieces that are shown of a transfer, or of all processes.
const LONGEST: usize = 10;

/// The phases of a transfer with their shares, the network's detail, and the longest pieces of all of them.
pub fn phases(transfer: &TransferReport) -> Vec<Table> {
    let rows: Vec<Row> = transfer
        .phases
        .iter()
        .map(|phase| Row {
            name: format!("{} to {}", phase.from, phase.to),
            wall_s: phase.wall_s,
            budget: phase.budget.as_ref(),
        })
        .collect();
    let head = "phase, by the kernel";
    let mut tables = tables(head, &rows);
    tables.push(dropped(head, transfer));
    tables
}

/// What the kernel threw away in each phase.
fn dropped(head: &str, transfer: &TransferReport) -> Table {
    let of_kernel = format!("{head}: dropped");
    let mut table = table(&[&of_kernel, ""], []).prose([1]);
    for phase in transfer.phases.iter().filter(|phase| !phase.dropped.is_empty()) {
        let said: Vec<String> = phase.dropped.iter().take(DROPS).map(drops::said).collect();
        table.add_row([clean(&format!("{} to {}", phase.from, phase.to)), said.join("; ")]);
    }
    table
}

/// Sockets that are shown of a phase.
const DROPS: usize = 5;

/// What the first thread of each process waited for.
pub fn paths(report: &Report) -> Section {
    let did_something = |process: &&ProcessReport| process.did_something();
    let mut active: Vec<&ProcessReport> = one_by_one(report).filter(did_something).collect();
    let all = report.processes.iter().filter(did_something).count();
    active.sort_by_key(|process| std::cmp::Reverse(process.time.map_or(0, |time| time.lifetime_ns)));
    active.truncate(PROCESSES);
    let short = all - active.len();
    let rows: Vec<Row> = active
        .into_iter()
        .filter_map(|process| {
            let path = process.path.as_ref()?;
            let name = format!("{} {}", process.name(), process.pid);
            Some(Row { name, wall_s: path.wall_s, budget: Some(&path.budget) })
        })
        .collect();
    let more = if short == 0 { String::new() } else { format!(" ({short} more in the JSON report)") };
    let tables = tables("process", &rows).into_iter().map(|table| vec![Part::Table(table)]);
    Section::new(format!("Where the time of each process's first thread went{more}"), tables)
}

struct Row<'r> {
    name: String,
    wall_s: f64,
    budget: Option<&'r Budget>,
}

fn tables(head: &str, rows: &[Row]) -> Vec<Table> {
    let pieces = longest(rows);
    vec![
        shares(head, rows),
        detail(head, rows),
        whose(head, rows),
        held(head, rows),
        disk_held(head, rows),
        stolen(head, rows),
        longest_table(&pieces),
        stacks(&pieces),
    ]
}

fn shares(head: &str, rows: &[Row]) -> Table {
    let names = ["network", "disk", "cpu", "cpu wait", "lock", "timer", "memory", "other"];
    let head: Vec<&str> = [head, "s"].into_iter().chain(names).chain(["bottleneck"]).collect();
    let mut table = table(&head, 1..10);
    for row in rows {
        let shares = match row.budget {
            Some(budget) => budget.shares.named().map(|(_, share)| percent(share)),
            None => names.map(|_| "-".to_owned()),
        };
        let bottleneck = row.budget.and_then(|budget| budget.bottleneck);
        let last = or_dash(bottleneck, str::to_owned);
        let first = [clean(&row.name), format!("{:.4}", row.wall_s)];
        table.add_row(first.into_iter().chain(shares).chain([last]));
    }
    table
}

/// Only the parts that are there.
fn detail(head: &str, rows: &[Row]) -> Table {
    let budgets = || rows.iter().filter_map(|row| row.budget);
    let parts = || budgets().flat_map(|budget| budget.network_detail.named());
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in parts().filter(|(_, share)| *share >= SHOWN) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let titles: Vec<String> = names.iter().map(|name| name.replace('_', " ")).collect();
    let of_network = format!("{head}: network");
    let head: Vec<&str> =
        [of_network.as_str()].into_iter().chain(titles.iter().map(String::as_str)).collect();
    let mut table = table(&head, 1..head.len());
    if names.is_empty() {
        return table;
    }
    for row in rows {
        let Some(budget) = row.budget.filter(|budget| budget.shares.network >= SHOWN) else { continue };
        let all = budget.network_detail.named();
        let share =
            |name: &&str| all.iter().find(|(other, _)| other == name).map_or(0.0, |(_, share)| *share);
        let shares = names.iter().map(|name| percent(share(name)));
        table.add_row([clean(&row.name)].into_iter().chain(shares));
    }
    table
}

/// Whose process the time was, where it was more than one's.
fn whose(head: &str, rows: &[Row]) -> Table {
    let of_processes = format!("{head}: in which process");
    let mut table = table(&[&of_processes, ""], []).prose([1]);
    for row in rows {
        let Some(budget) = row.budget else { continue };
        let told = budget.of_processes.iter().filter(|told| told.part >= WHOSE);
        let told: Vec<String> = told
            .map(|told| {
                format!("{}: {} {} %", clean(&told.process), told.share.replace('_', " "), percent(told.part))
            })
            .collect();
        let saturated = budget.saturated_host.map(|part| {
            format!("one saturated host: both ends waited for its CPUs, {} % together", percent(part))
        });
        let names: BTreeSet<_> = budget.of_processes.iter().map(|told| told.process.as_str()).collect();
        if names.len() > 1 || saturated.is_some() {
            let said: Vec<String> = told.into_iter().chain(saturated).collect();
            table.add_row([clean(&row.name), said.join(", ")]);
        }
    }
    table
}

/// Who had the CPU, where it was waited for.
fn held(head: &str, rows: &[Row]) -> Table {
    let of_cpu = format!("{head}: who had the CPU");
    let mut table = table(&[&of_cpu, ""], []).prose([1]);
    for row in rows {
        let Some(held) = row.budget.and_then(|budget| budget.cpu_held.as_ref()) else { continue };
        let waited = held.by.iter().map(|holder| holder.part).sum::<f64>() + held.others + held.unknown;
        if waited < WHOSE || held.by.is_empty() {
            continue;
        }
        let named = held.by.iter().filter(|holder| holder.part >= SHOWN).map(|holder| {
            let name = holder_name(&holder.process, holder.pid, holder.is_target);
            format!("{name}: {:.3} s, {} %", holder.seconds, percent(holder.part))
        });
        let rest = rest(held.others, held.unknown);
        table.add_row([clean(&row.name), named.chain(rest).collect::<Vec<_>>().join("; ")]);
    }
    table
}

/// Whose requests the disk did, where it was waited for.
fn disk_held(head: &str, rows: &[Row]) -> Table {
    let of_disk = format!("{head}: who had the disk");
    let mut table = table(&[&of_disk, ""], []).prose([1]);
    for row in rows {
        let Some(held) = row.budget.and_then(|budget| budget.disk_held.as_ref()) else { continue };
        let waited = held.by.iter().map(|holder| holder.part).sum::<f64>() + held.others + held.unknown;
        if waited < WHOSE {
            continue;
        }
        let named = held.by.iter().filter(|holder| holder.part >= SHOWN).map(|holder| {
            let name = holder_name(&holder.process, holder.pid, holder.is_target);
            format!("{name}: {:.3} s, {} %, {}", holder.seconds, percent(holder.part), human(holder.bytes))
        });
        let rest = rest(held.others, held.unknown);
        table.add_row([clean(&row.name), named.chain(rest).collect::<Vec<_>>().join("; ")]);
    }
    table
}

/// What the host below took of running.
fn stolen(head: &str, rows: &[Row]) -> Table {
    let of_steal = format!("{head}: stolen CPU time, an estimate");
    let mut table = table(&[&of_steal, ""], []).prose([1]);
    for row in rows {
        let Some(steal) = row.budget.and_then(|budget| budget.steal) else { continue };
        let parts = [("cpu", steal.cpu), ("peer cpu", steal.peer_cpu)].into_iter();
        let told = parts.filter(|(_, part)| *part >= SHOWN);
        let told: Vec<_> = told.map(|(name, part)| format!("{} % in {name}", percent(part))).collect();
        if !told.is_empty() {
            table.add_row([clean(&row.name), told.join(", ")]);
        }
    }
    table
}

fn holder_name(process: &str, pid: Option<u32>, is_target: bool) -> String {
    let pid = pid.map_or_else(String::new, |pid| format!(" {pid}"));
    format!("{}{pid}{}", clean(process), if is_target { ", profiled" } else { "" })
}

fn rest(others: f64, unknown: f64) -> impl Iterator<Item = String> {
    let rest = [("others", others), ("not known", unknown)].into_iter();
    rest.filter(|(_, part)| *part >= SHOWN).map(|(name, part)| format!("{name}: {} %", percent(part)))
}

fn longest<'r>(rows: &[Row<'r>]) -> Vec<&'r Piece> {
    let mut pieces: Vec<&Piece> =
        rows.iter().filter_map(|row| row.budget).flat_map(|budget| &budget.longest).collect();
    pieces.sort_by(|a, b| (b.to_s - b.from_s).total_cmp(&(a.to_s - a.from_s)));
    // The path of one process leads through others.
    pieces.dedup_by_key(|piece| {
        (piece.thread.as_ref().map(|thread| thread.tid), piece.to_s.to_bits(), piece.share)
    });
    pieces.truncate(LONGEST);
    pieces
}

fn longest_table(pieces: &[&Piece]) -> Table {
    let head = ["longest, from s", "ms", "process", "thread", "what for", "in", "woken by"];
    let mut table = table(&head, [0, 1]);
    for piece in pieces {
        let fd = piece.fd.map_or_else(String::new, |fd| format!("({fd})"));
        table.add_row([
            format!("{:.4}", piece.from_s),
            format!("{:.3}", 1e3 * (piece.to_s - piece.from_s)),
            or_dash(piece.thread.as_ref(), |thread| clean(&thread.process)),
            or_dash(piece.thread.as_ref(), |thread| clean(&format!("{} {}", thread.comm, thread.tid))),
            what_for(piece),
            or_dash(piece.call.as_ref(), |call| format!("{call}{fd}")),
            or_dash(piece.waker.as_ref(), |waker| clean(waker)),
        ]);
    }
    table
}

/// The different stacks of the longest pieces, each named by the first of them.
fn stacks(pieces: &[&Piece]) -> Table {
    let mut table = table(&["stack at", "innermost frame first"], [0]).prose([1]);
    let mut shown: Vec<String> = Vec::new();
    for piece in pieces {
        let frames = |stack: &Option<StackReport>| {
            let frames = stack.iter().flat_map(|stack| stack.frames.iter().take(FRAMES));
            frames.map(|frame| clean(frame)).collect::<Vec<_>>().join(" < ")
        };
        let (kernel, user) = (frames(&piece.kernel_stack), frames(&piece.user_stack));
        let text = [kernel, user].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" | ");
        if text.is_empty() || shown.contains(&text) || shown.len() == STACKS {
            continue;
        }
        table.add_row([format!("{:.4}", piece.from_s), text.clone()]);
        shown.push(text);
    }
    table
}

/// Stacks that are shown, and frames of each of their halves; the JSON has all.
const STACKS: usize = 3;
const FRAMES: usize = 12;

fn what_for(piece: &Piece) -> String {
    let holder = piece.holder.as_ref().map(|holder| {
        let did = holder.did.named().into_iter().max_by(|a, b| a.1.total_cmp(&b.1));
        let did = did.map_or_else(String::new, |(name, share)| format!(", {name} {} %", percent(share)));
        format!("lock of {} {}{did}", clean(&holder.thread.comm), holder.thread.tid)
    });
    let detail = piece.detail.map_or_else(String::new, |detail| format!(", {detail}"));
    holder.unwrap_or_else(|| format!("{}{detail}", piece.share).replace('_', " "))
}

/// What rounds to less is not shown.
/// Parts of a row that are told process by process.
const WHOSE: f64 = 0.02;

const SHOWN: f64 = 0.0005;

fn percent(share: f64) -> String {
    format!("{:.1}", 100.0 * share)
}
