//! Matrices that come with the program. They are matrix files too, and an example of how to write one.

use anyhow::Result;
use clap::ValueEnum;

use super::{Matrix, parse};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// One seeder, one leecher, 100 MiB, once
    Quick,
    /// 2 to 32 nodes, 1 to 16 seeders, 100 MiB to 5 GiB: 39 configurations of each system, ten times
    Seed,
    /// The part of `seed` that fits this host and runs of an hour, three times
    ThisHost,
}

impl Preset {
    pub fn matrix(self) -> Result<Matrix> {
        parse(self.text(), self.name())
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Seed => "seed",
            Self::ThisHost => "this-host",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Quick => include_str!("presets/quick.toml"),
            Self::Seed => include_str!("presets/seed.toml"),
            Self::ThisHost => include_str!("presets/this-host.toml"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::bench::plan::{Cell, cells};

    #[track_caller]
    fn check(preset: Preset, configurations: usize, runs_of_each: u32) -> Vec<Cell> {
        let matrix = preset.matrix().expect("valid");
        let cells = cells(&matrix);
        assert_eq!((cells.len(), matrix.repetitions.get()), (configurations, runs_of_each));
        let names: BTreeSet<_> = cells.iter().map(Cell::folder_name).collect();
        assert_eq!(names.len(), cells.len(), "each has a folder of its own");
        cells
    }

    #[test]
    fn quick_is_100_mib_from_one_to_one() {
        let cells = check(Preset::Quick, 1, 1);
        assert_eq!(cells[0].folder_name(), "transmission-2n-1s-100MiB");
        assert_eq!(cells[0].file_size_bytes, 104_857_600);
    }

    #[test]
    fn seed_is_the_whole_matrix() {
        let cells = check(Preset::Seed, 2 * 39, 10);
        assert!(cells.iter().all(|cell| cell.seeders <= cell.nodes / 2));
        let sizes: BTreeSet<_> = cells.iter().map(|cell| cell.file_size_bytes).collect();
        assert_eq!(sizes.into_iter().collect::<Vec<_>>(), [104_857_600, 1_073_741_824, 5_368_709_120]);
        assert_eq!(cells[12].to_string(), "transmission, 32 nodes, 16 seeding, 100MiB");
        assert_eq!(cells[39 + 12].to_string(), "deluge, 32 nodes, 16 seeding, 100MiB");
    }

    #[test]
    fn this_host_has_the_configurations_of_seed() {
        assert_eq!(check(Preset::ThisHost, 2 * 39, 3), check(Preset::Seed, 2 * 39, 10));
    }
}
