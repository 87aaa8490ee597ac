//! The plan: every configuration, what it is estimated to need, and whether this host has it.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    bench::drivers::System,
    export::{
        sections::cells::{self, in_words},
        text::layout::lines,
    },
};

use super::{Cell, Matrix, Needs, cell, needs, size};

/// What the host has to offer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// On the scratch disk.
    pub disk_bytes: u64,
    /// What programs can have without anything being swapped.
    pub memory_bytes: u64,
    pub cpus: u32,
    /// Systems that cannot run here, and why.
    pub missing: BTreeMap<System, String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    pub cell: Cell,
    pub needs: Needs,
    pub verdict: Verdict,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Fits,
    Skipped(Obstacle),
}

/// Why a configuration cannot be run here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// What is short, in a word: `disk`.
    pub lack: &'static str,
    /// With the way out.
    pub reason: String,
}

/// Every cell of the matrix in its order.
pub fn plan(matrix: &Matrix, room: &Room) -> Vec<Planned> {
    let planned = cell::cells(matrix).into_iter().map(|cell| {
        let needs = needs(&cell, matrix.link.as_ref(), room.cpus);
        let verdict = obstacle(&cell, &needs, matrix, room).map_or(Verdict::Fits, Verdict::Skipped);
        Planned { cell, needs, verdict }
    });
    planned.collect()
}

/// The plan for people.
pub fn table(plan: &[Planned], matrix: &Matrix, room: &Room) -> String {
    let repetitions = matrix.repetitions.get();
    let head = ["system", "nodes", "seeders", "file", "disk MiB", "memory MiB", "run", "all runs", "fits"];
    let mut table = cells::table(&head, 1..8);
    for Planned { cell, needs, verdict } in plan {
        table.add_row([
            cell.system.to_string(),
            cell.nodes.to_string(),
            cell.seeders.to_string(),
            size::name(cell.file_size_bytes),
            (needs.disk_bytes >> 20).to_string(),
            (needs.memory_bytes >> 20).to_string(),
            in_words(needs.run),
            in_words(needs.run.saturating_mul(repetitions)),
            match verdict {
                Verdict::Fits => "yes".to_owned(),
                Verdict::Skipped(obstacle) => format!("no: {}", obstacle.lack),
            },
        ]);
    }
    let fitting: Vec<_> = plan.iter().filter(|planned| planned.verdict == Verdict::Fits).collect();
    let runs = fitting.iter().map(|planned| planned.needs.run.saturating_mul(repetitions));
    let time = runs.fold(Duration::ZERO, Duration::saturating_add);
    format!(
        "{}\n{}{} of {} configurations fit, {} runs, about {}.\n\
         This host: {} MiB free on the scratch disk, {} MiB of memory available, {} CPUs.\n\
         Disk is a copy of the file for each node and 64 MiB. Memory and time are estimates from runs of 20 to \
         400 MiB\nbetween 2 to 32 nodes on 2 CPUs; a configuration fits if disk and memory suffice and one run is \
         within its limit of {}.\n",
        lines(&table),
        room.missing.iter().map(|(system, reason)| format!("{system}: {reason}\n")).collect::<String>(),
        fitting.len(),
        plan.len(),
        fitting.len() as u64 * u64::from(repetitions),
        in_words(time),
        room.disk_bytes >> 20,
        room.memory_bytes >> 20,
        room.cpus,
        in_words(matrix.timeout),
    )
}

fn obstacle(cell: &Cell, needs: &Needs, matrix: &Matrix, room: &Room) -> Option<Obstacle> {
    let mib = |bytes: u64| bytes >> 20;
    if let Some(reason) = room.missing.get(&cell.system) {
        return Some(Obstacle { lack: "program", reason: reason.clone() });
    }
    if needs.disk_bytes > room.disk_bytes {
        let reason = format!(
            "a run needs {} MiB of disk, and {} MiB are free: make room, or choose another scratch directory",
            mib(needs.disk_bytes),
            mib(room.disk_bytes)
        );
        return Some(Obstacle { lack: "disk", reason });
    }
    if needs.memory_bytes > room.memory_bytes {
        let reason = format!(
            "a run is estimated to need {} MiB of memory, and {} MiB are available",
            mib(needs.memory_bytes),
            mib(room.memory_bytes)
        );
        return Some(Obstacle { lack: "memory", reason });
    }
    (needs.run > matrix.timeout).then(|| Obstacle {
        lack: "time",
        reason: format!(
            "a run is estimated to take {}, and its limit is {}: `timeout` in the matrix file",
            in_words(needs.run),
            in_words(matrix.timeout)
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::plan::Preset;

    const GIB: u64 = 1 << 30;

    fn room(disk_gib: u64, memory_gib: u64) -> Room {
        Room {
            disk_bytes: disk_gib * GIB,
            memory_bytes: memory_gib * GIB,
            cpus: 2,
            missing: BTreeMap::default(),
        }
    }

    /// How many configurations of `this-host` fit, and parts of the reason why the largest does not.
    #[track_caller]
    fn check(matrix: &Matrix, room: &Room, fitting: usize, reason_has: &[&str]) {
        let plan = plan(matrix, room);
        assert_eq!(plan.len(), 2 * 39, "none is left out silently");
        assert_eq!(plan.iter().filter(|planned| planned.verdict == Verdict::Fits).count(), fitting);
        let Verdict::Skipped(largest) = &plan[38].verdict else { panic!("the largest fits") };
        assert!(reason_has.iter().all(|part| largest.reason.contains(part)), "{}", largest.reason);
    }

    #[test]
    fn what_does_not_fit_has_its_reason() {
        let matrix = Preset::ThisHost.matrix().expect("valid");
        check(&matrix, &room(8, 24), 28, &["163904 MiB of disk", "8192 MiB are free", "scratch directory"]);
        check(&matrix, &room(0, 24), 0, &["0 MiB are free"]);
        check(&matrix, &room(1000, 0), 0, &["896 MiB of memory"]);
        let missing =
            [(crate::bench::drivers::transmission::SYSTEM, "transmission-daemon is not in PATH".to_owned())]
                .into();
        check(&matrix, &Room { missing, ..room(1000, 24) }, 39, &["not in PATH"]);
        let short = Matrix { timeout: Duration::from_secs(60), ..matrix };
        check(&short, &room(1000, 24), 16, &["take 3", "limit is 1m", "timeout"]);
    }

    #[test]
    fn the_table_has_every_configuration_and_says_how_it_was_estimated() {
        let (matrix, room) = (Preset::Seed.matrix().expect("valid"), room(8, 24));
        let text = table(&plan(&matrix, &room), &matrix, &room);
        assert_eq!(text.lines().filter(|line| line.contains(" transmission ")).count(), 39);
        for part in ["28 of 78 configurations fit, 280 runs", "estimates from runs of 20", "no: disk"] {
            assert!(text.contains(part), "{part:?} is missing in:\n{text}");
        }
    }
}
