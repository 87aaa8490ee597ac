//! What is to be measured: one cell of the benchmark matrix, and the nodes that it takes.
//!
//! Plain values only. Nothing here touches the host.

use std::fmt;

use super::observer::Role;

/// The file of the quick preset, and the smallest of the published matrix: 100 MiB.
const QUICK_FILE_SIZE_BYTES: u64 = 100 << 20;

/// One cell of the matrix, and which of its repetitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    pub system: System,
    /// Seeders and leechers together.
    pub nodes: u32,
    pub seeders: u32,
    pub file_size_bytes: u64,
    /// Counts from 1. Each repetition transfers data of its own.
    pub repetition: u32,
}

/// A storage system that the benchmark can drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    Transmission,
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Transmission => "transmission",
        })
    }
}

/// Role and name of a node, as reports show it: `leecher-1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodePlan {
    pub role: Role,
    pub label: String,
}

/// The smallest run that says something: one seeder, one leecher, 100 MiB.
pub fn quick() -> Configuration {
    Configuration {
        system: System::Transmission,
        nodes: 2,
        seeders: 1,
        file_size_bytes: QUICK_FILE_SIZE_BYTES,
        repetition: 1,
    }
}

impl Configuration {
    /// Every node, seeders first; each role counts from 1.
    pub fn node_plans(&self) -> Vec<NodePlan> {
        let seeders = (1..=self.seeders)
            .map(|number| NodePlan { role: Role::Seeder, label: format!("seeder-{number}") });
        let leechers = (1..=self.nodes - self.seeders)
            .map(|number| NodePlan { role: Role::Leecher, label: format!("leecher-{number}") });
        seeders.chain(leechers).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(nodes: u32, seeders: u32, labels: &str) {
        let plans = Configuration { nodes, seeders, ..quick() }.node_plans();
        let found: Vec<_> = plans.iter().map(|plan| plan.label.as_str()).collect();
        assert_eq!(found.join(" "), labels);
        assert!(plans.iter().all(|plan| plan.label.starts_with(match plan.role {
            Role::Seeder => "seeder",
            Role::Leecher => "leecher",
        })));
    }

    #[test]
    fn node_plans_count_each_role_from_one() {
        check(2, 1, "seeder-1 leecher-1");
        check(4, 2, "seeder-1 seeder-2 leecher-1 leecher-2");
        check(4, 1, "seeder-1 leecher-1 leecher-2 leecher-3");
    }

    #[test]
    fn quick_is_100_mib_from_one_to_one() {
        assert_eq!(quick().file_size_bytes, 104_857_600);
        check(quick().nodes, quick().seeders, "seeder-1 leecher-1");
    }
}
