//! From the rows of all rounds to ratios.

use serde::Serialize;

use super::{
    load::Load,
    ratio::{Ratio, median, ratio},
    run::Row,
    state,
    tool::Tool,
};

/// A tool with a load, over all rounds.
#[derive(Serialize, Clone, Debug)]
pub struct Summary {
    pub load: Load,
    pub tool: Tool,
    pub runs: usize,
    /// In the host's fast state, by the tool's own paces; medians and ratios are of these alone.
    pub fast_runs: usize,
    pub bytes_per_s_median: f64,
    /// To the unprofiled run of the same round, as everything that ends in `_ratio`.
    pub throughput_ratio: Option<Ratio>,
    /// CPU time of the whole machine for each byte.
    pub cpu_per_byte_ratio: Option<Ratio>,
    pub machine_cpu_s_median: f64,
    pub tool_cpu_s_median: f64,
    pub tool_cpu_whole_s_median: f64,
    pub tool_anon_peak_bytes_max: u64,
    pub tool_map_bytes_max: u64,
    /// In all rounds together, but for those in which the tool did not say.
    pub events_lost: u64,
    pub runs_with_unknown_losses: usize,
}

/// One for each load and tool, in the order of their first rows.
pub fn summaries(rows: &[Row]) -> Vec<Summary> {
    let mut kinds: Vec<(Load, Tool)> = Vec::new();
    for row in rows {
        if !kinds.contains(&(row.load, row.tool)) {
            kinds.push((row.load, row.tool));
        }
    }
    kinds.into_iter().map(|(load, tool)| summary(rows, load, tool)).collect()
}

fn summary(rows: &[Row], load: Load, tool: Tool) -> Summary {
    let of = |tool: Tool| rows.iter().filter(move |row| row.load == load && row.tool == tool);
    let fast_of = |tool: Tool| -> Vec<&Row> {
        let is_fast = state::fast_ones(&of(tool).map(|row| row.bytes_per_s).collect::<Vec<_>>());
        of(tool).zip(is_fast).filter(|(_, is_fast)| *is_fast).map(|(row, _)| row).collect()
    };
    let (fast, bases) = (fast_of(tool), fast_of(Tool::Nothing));
    let middle = |value: fn(&Row) -> f64| {
        median(&fast.iter().map(|row| value(row)).collect::<Vec<_>>()).unwrap_or(0.0)
    };
    let paired = |value: fn(&Row) -> f64| {
        let base = |round| bases.iter().find(|base| base.round == round);
        let pairs = fast.iter().filter_map(|row| Some((value(row), value(base(row.round)?))));
        if tool == Tool::Nothing { None } else { ratio(&pairs.collect::<Vec<_>>()) }
    };
    Summary {
        load,
        tool,
        runs: of(tool).count(),
        fast_runs: fast.len(),
        bytes_per_s_median: middle(|row| row.bytes_per_s),
        throughput_ratio: paired(|row| row.bytes_per_s),
        cpu_per_byte_ratio: paired(|row| row.machine_cpu_s / row.bytes as f64),
        machine_cpu_s_median: middle(|row| row.machine_cpu_s),
        tool_cpu_s_median: middle(|row| row.tool_cpu_s),
        tool_cpu_whole_s_median: middle(|row| row.tool_cpu_whole_s),
        tool_anon_peak_bytes_max: of(tool).map(|row| row.tool_anon_peak_bytes).max().unwrap_or(0),
        tool_map_bytes_max: of(tool).map(|row| row.tool_map_bytes).max().unwrap_or(0),
        events_lost: of(tool).filter_map(|row| row.events_lost).sum(),
        runs_with_unknown_losses: of(tool).filter(|row| row.events_lost.is_none()).count(),
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn row(round: usize, tool: Tool, bytes_per_s: f64, machine_cpu_s: f64) -> Row {
        Row {
            load: Load::Stream16k,
            round,
            place: 1,
            tool,
            bytes: bytes_per_s as u64,
            seconds: 1.0,
            bytes_per_s,
            machine_cpu_s,
            tool_cpu_s: 0.25,
            tool_cpu_whole_s: 0.5,
            tool_anon_peak_bytes: round as u64,
            tool_map_bytes: 9,
            events_lost: (round != 3).then_some(2),
            events_lost_detail: String::new(),
        }
    }

    #[test]
    fn a_run_is_compared_with_the_unprofiled_one_of_its_round() {
        let rows = [
            row(1, Tool::Nothing, 1000.0, 1.0),
            row(1, Tool::Profiler, 900.0, 1.8),
            row(2, Tool::Profiler, 1080.0, 2.16),
            row(2, Tool::Nothing, 1200.0, 1.2),
            // A round that was not finished.
            row(3, Tool::Profiler, 1000.0, 1.0),
        ];
        let found = summaries(&rows);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].tool, found[0].throughput_ratio), (Tool::Nothing, None));
        let profiler = &found[1];
        let throughput = profiler.throughput_ratio.expect("two pairs");
        assert_eq!((throughput.pairs, format!("{:.3}", throughput.ratio)), (2, "0.900".to_owned()));
        let cpu = profiler.cpu_per_byte_ratio.expect("two pairs");
        assert_eq!(format!("{:.3}", cpu.ratio), "2.000");
        assert_eq!((profiler.events_lost, profiler.runs_with_unknown_losses), (4, 1));
        assert_eq!(profiler.tool_anon_peak_bytes_max, 3);
    }

    #[test]
    fn a_run_in_the_hosts_slow_state_is_compared_with_nothing() {
        let rows = [
            row(1, Tool::Nothing, 1000.0, 1.0),
            row(1, Tool::Profiler, 450.0, 1.8),
            row(2, Tool::Profiler, 900.0, 1.8),
            row(2, Tool::Nothing, 1000.0, 1.0),
            row(3, Tool::Profiler, 900.0, 1.8),
            row(3, Tool::Nothing, 500.0, 1.0),
        ];
        let found = &summaries(&rows)[1];
        let throughput = found.throughput_ratio.expect("a pair");
        assert_eq!((throughput.pairs, format!("{:.3}", throughput.ratio)), (1, "0.900".to_owned()));
        assert_eq!((found.runs, found.fast_runs, found.bytes_per_s_median), (3, 2, 900.0));
    }
}
