//! What is to be measured: one cell of the benchmark matrix, and the nodes that it takes.
//!
//! Plain values only. Nothing here touches the host.

use crate::bench::{
    drivers::System,
    hosts::{DiskLimit, Link},
};
use capture::Role;

/// One cell of the matrix, and which of its repetitions.
#[derive(Clone, Debug, PartialEq)]
pub struct Configuration {
    pub system: System,
    /// Seeders and leechers together.
    pub nodes: u32,
    pub seeders: u32,
    pub file_size_bytes: u64,
    /// Counts from 1. Each repetition transfers data of its own.
    pub repetition: u32,
    /// Without it, the nodes' links are as fast as the host makes them.
    pub link: Option<Link>,
    /// Without it, the nodes share what the scratch disk has.
    pub disk: Option<DiskLimit>,
    /// Whether the seeders' files leave the page cache before the transfer.
    pub cold: bool,
}

/// Role and name of a node, as reports show it: `leecher-1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodePlan {
    pub role: Role,
    pub label: String,
}

impl Configuration {
    /// Labels of the seeders.
    pub fn seeders(&self) -> Vec<String> {
        let seeders = self.node_plans().into_iter().filter(|plan| plan.role == Role::Seeder);
        seeders.map(|plan| plan.label).collect()
    }

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
        let configuration = Configuration {
            system: crate::bench::drivers::transmission::SYSTEM,
            nodes,
            seeders,
            file_size_bytes: 1,
            repetition: 1,
            link: None,
            disk: None,
            cold: false,
        };
        let plans = configuration.node_plans();
        let found: Vec<_> = plans.iter().map(|plan| plan.label.as_str()).collect();
        assert_eq!(found.join(" "), labels);
        assert!(plans.iter().all(|plan| plan.label.starts_with(&plan.role.to_string())));
    }

    #[test]
    fn node_plans_count_each_role_from_one() {
        check(2, 1, "seeder-1 leecher-1");
        check(4, 2, "seeder-1 seeder-2 leecher-1 leecher-2");
        check(4, 1, "seeder-1 leecher-1 leecher-2 leecher-3");
    }
}
