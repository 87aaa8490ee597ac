//! What the collector says, for people.

use std::fmt::Write as _;

use crate::{
    daemon::{
        recordings::{RecordingStatus, State},
        status::{Attempt, Status, TargetStatus},
        transfers::Transfer,
    },
    export::{
        sections::cells::{Table, clean, exact, human, table},
        text::layout::lines,
    },
};

/// Lines of up to 100 columns.
pub fn status(status: &Status) -> String {
    let mut out = String::new();
    let cost = &status.cost;
    let up_s = status.up_s;
    let percent = if up_s > 0.0 { 100.0 * (cost.cpu_s - cost.start_cpu_s).max(0.0) / up_s } else { 0.0 };
    let confinement = &status.confinement;
    let capabilities = match confinement.capabilities.as_slice() {
        [] => "none".to_owned(),
        some => some.join(", "),
    };
    let calls = if confinement.seccomp { "filtered" } else { "not filtered" };
    for (name, value) in [
        ("collector", format!("{} on {}, Linux {}", status.profiler, status.host_name, status.kernel)),
        ("up", format!("{up_s:.0} s")),
        (
            "cost",
            format!("{percent:.2} % of one CPU since the start, which took {:.2} s of CPU", cost.start_cpu_s),
        ),
        (
            "memory",
            format!(
                "{}, {} at most, and {} of maps",
                human(cost.resident_bytes),
                human(cost.peak_resident_bytes),
                human(cost.map_bytes)
            ),
        ),
        ("capabilities", capabilities),
        ("system calls", calls.to_owned()),
        ("door", format!("{} confined by Landlock", confinement.landlock)),
    ] {
        let _ = writeln!(out, "{name:<13} {}", clean(&value));
    }
    let missing = status.families.iter().filter_map(|one| Some((&one.family, one.missing.as_ref()?)));
    for (family, why) in missing {
        let _ = writeln!(out, "{:<13} {}: {}", "missing", clean(family), clean(why));
    }
    let lost: Vec<_> = status.lost.iter().filter(|(_, count)| **count > 0).collect();
    match lost.as_slice() {
        [] => _ = writeln!(out, "{:<13} nothing", "lost"),
        some => some.iter().for_each(|(class, count)| {
            _ = writeln!(out, "{:<13} {} {}", "lost", exact(**count), clean(class))
        }),
    }
    let mut rows = table(&["table", "taken", "places"], 1..3);
    for one in &status.tables {
        rows.add_row([clean(&one.table), exact(one.entries), exact(one.capacity)]);
    }
    let _ = write!(out, "\n{}", lines(&rows));
    out
}

/// What each moved; payload bytes.
pub fn targets(targets: &[TargetStatus]) -> String {
    let head = ["target", "found by", "processes", "seen", "received", "", "sent", "", "dirtied"];
    let mut rows: Table = table(&head, 2..9);
    for target in targets {
        let moved = &target.moved;
        let (received, sent) =
            (moved.tcp_rx_bytes + moved.udp_rx_bytes, moved.tcp_tx_bytes + moved.udp_tx_bytes);
        rows.add_row([
            clean(&target.name),
            clean(&target.found_by),
            exact(target.processes),
            exact(target.processes_seen),
            exact(received),
            human(received),
            exact(sent),
            human(sent),
            human(moved.dirtied_bytes),
        ]);
    }
    lines(&rows)
}

/// By the application's word, and by the kernel's count.
pub fn transfers(transfers: &[Transfer]) -> String {
    let head = [
        "transfer",
        "target",
        "",
        "outcome",
        "seconds",
        "file",
        "kernel bytes",
        "first byte s",
        "50 %",
        "90 %",
        "100 %",
    ];
    let mut rows = table(&head, 4..11);
    for transfer in transfers {
        let milestone = |name: &str| {
            let found = transfer.kernel_milestones.iter().find(|one| one.name == name);
            found.map_or("-".to_owned(), |one| format!("{:.2}", one.at_s))
        };
        let shared = if transfer.is_shared { " (with others)" } else { "" };
        rows.add_row([
            clean(&transfer.label),
            clean(&transfer.target),
            transfer.direction.name().to_owned(),
            transfer.outcome.name().to_owned(),
            format!("{:.2}", transfer.lasted_s),
            transfer.size_bytes.map_or("-".to_owned(), human),
            format!("{}{shared}", exact(transfer.kernel_bytes)),
            milestone("first_byte"),
            milestone("p50"),
            milestone("p90"),
            milestone("p100"),
        ]);
    }
    lines(&rows)
}

/// With the captures that they went into.
pub fn recordings(recordings: &[RecordingStatus]) -> String {
    let head = ["recording", "targets", "state", "seconds", "processes", "bytes", "capture"];
    let mut rows = table(&head, 3..6);
    for one in recordings {
        let state = match one.state {
            State::Running => "running",
            State::Ending => "ending",
            State::Complete => "complete",
            State::Failed => "failed",
        };
        let why = one.why.as_ref().map_or(String::new(), |why| format!(": {why}"));
        let shared = if one.is_shared { " (with others)" } else { "" };
        rows.add_row([
            clean(&one.name),
            clean(&one.targets.join(", ")),
            clean(&format!("{state}{why}")),
            format!("{:.1}", one.lasted_s),
            exact(one.processes),
            exact(one.capture_bytes),
            clean(&format!("{}{shared}", one.capture.display())),
        ]);
    }
    lines(&rows)
}

/// What was tried, and what came of it.
pub fn attempts(attempts: &[Attempt]) -> String {
    let mut rows = table(&["thread", "tried to", "outcome"], []);
    for attempt in attempts {
        let outcome = attempt.refused.as_ref().map_or("POSSIBLE".to_owned(), |why| format!("refused: {why}"));
        rows.add_row([clean(&attempt.thread), clean(&attempt.what), clean(&outcome)]);
    }
    lines(&rows)
}
