//! What each tool says of the events that it lost.

use serde_json::Value;

/// Events that a tool lost by its own word.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Losses {
    pub events: u64,
    /// Which, where the tool tells kinds apart.
    pub detail: String,
}

/// From the profiler's JSON report. What the host hid (`*_unseen`) is told, but nothing that the profiler had lost.
pub fn of_profiler(report: &Value) -> Losses {
    let classes = report["trust"]["events_lost"].as_object().into_iter().flatten();
    let classes: Vec<(&String, u64)> = classes
        .filter_map(|(name, count)| Some((name, count.as_u64().filter(|count| *count > 0)?)))
        .collect();
    let events = classes.iter().filter(|(name, _)| !name.ends_with("_unseen")).map(|(_, count)| count).sum();
    let detail: Vec<String> = classes.iter().map(|(name, count)| format!("{name} {count}")).collect();
    Losses { events, detail: detail.join(", ") }
}

/// From what bpftrace wrote: `Lost 12 events`, and its warnings that a map is full, one for each event left out.
pub fn of_bpftrace(log: &str) -> Losses {
    let lost = log.lines().filter_map(|line| {
        let (count, rest) = line.trim().strip_prefix("Lost ")?.split_once(' ')?;
        rest.starts_with("events").then(|| count.parse::<u64>().ok())?
    });
    let lost: u64 = lost.sum();
    let full =
        log.lines().filter(|line| line.contains("Map full") || line.contains("map is full")).count() as u64;
    let detail = if full > 0 { format!("map full {full}") } else { String::new() };
    Losses { events: lost + full, detail }
}

/// From `perf report --stats`: the lost samples of each event, which follow `NAME stats:`. The lines before count
/// records of losses, not losses.
pub fn of_perf_record(stats: &str) -> Losses {
    let (mut event, mut losses, mut detail) = ("", 0, Vec::new());
    for line in stats.lines() {
        if let Some(name) = line.trim().strip_suffix(" stats:") {
            event = if name.starts_with("Aggregated") { "" } else { name };
        } else if let Some(count) =
            line.trim().strip_prefix("LOST_SAMPLES events:").filter(|_| !event.is_empty())
        {
            let count: u64 =
                count.split_whitespace().next().and_then(|count| count.parse().ok()).unwrap_or(0);
            losses += count;
            detail.push(format!("{event} {count}"));
        }
    }
    Losses { events: losses, detail: detail.join(", ") }
}

/// From what perf trace wrote: `LOST 12 events!`.
pub fn of_perf_trace(log: &str) -> Losses {
    let lost = log.split("LOST ").skip(1).filter_map(|rest| {
        let (count, rest) = rest.split_once(' ')?;
        rest.starts_with("events").then(|| count.parse::<u64>().ok())?
    });
    Losses { events: lost.sum(), detail: String::new() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(found: &Losses, expected: &str) {
        assert_eq!(format!("{}: {}", found.events, found.detail), expected);
    }

    #[test]
    fn what_the_host_hid_was_not_lost_by_the_profiler() {
        let lost = json!({ "ring_full": 5, "late": 0, "switch_unseen": 3 });
        check(&of_profiler(&json!({ "trust": { "events_lost": lost } })), "5: ring_full 5, switch_unseen 3");
        check(&of_profiler(&json!({})), "0: ");
    }

    #[test]
    fn bpftraces_words() {
        check(&of_bpftrace("Attaching 5 probes...\nLost 12 events\nLost 3 events\n@x: 5\n"), "15: ");
        check(
            &of_bpftrace("WARNING: Map full; can't update element. Try increasing MAP_KEYS\n"),
            "1: map full 1",
        );
    }

    #[test]
    fn perf_counts_lost_samples_by_event() {
        let stats = "Aggregated stats:\n  LOST events:  140  ( 0.1%)\n  LOST_SAMPLES events:  10  ( 0.0%)\n\
                     sched:sched_switch stats:\n  SAMPLE events:  14895\n  LOST_SAMPLES events:  2838\n\
                     sched:sched_waking stats:\n  SAMPLE events:  628\n  LOST_SAMPLES events:  1509\n";
        check(&of_perf_record(stats), "4347: sched:sched_switch 2838, sched:sched_waking 1509");
        check(&of_perf_record("Aggregated stats:\n  TOTAL events: 9\nsched:sched_switch stats:\n"), "0: ");
    }

    #[test]
    fn perf_traces_words() {
        check(&of_perf_trace(" 12.5 ( ): LOST 7 events!\n 13.0 LOST 5 events!\nSummary\n"), "12: ");
    }
}
