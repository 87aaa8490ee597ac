//! One cell of the matrix: a configuration, whichever of its repetitions.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::bench::{drivers::System, plan::Configuration};

use super::{Matrix, size};

#[derive(Deserialize, Serialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    pub system: System,
    /// Seeders and leechers together.
    pub nodes: u32,
    pub seeders: u32,
    pub file_size_bytes: u64,
}

/// Every cell, in the order of the matrix: by system, then by size of the file, then by swarm. Small files come
/// first, so that a matrix that is stopped has something of each swarm.
pub fn cells(matrix: &Matrix) -> Vec<Cell> {
    let mut cells = Vec::new();
    for &system in &matrix.systems {
        for size in &matrix.file_sizes {
            for swarm in &matrix.swarms {
                cells.extend(swarm.seeders.iter().map(|&seeders| Cell {
                    system,
                    nodes: swarm.nodes,
                    seeders,
                    file_size_bytes: size.0,
                }));
            }
        }
    }
    cells
}

impl Cell {
    pub fn leechers(&self) -> u32 {
        self.nodes - self.seeders
    }

    /// The name of its folder in the results: `transmission-8n-2s-100MiB`.
    pub fn folder_name(&self) -> String {
        let Self { system, nodes, seeders, file_size_bytes } = self;
        format!("{system}-{nodes}n-{seeders}s-{}", size::name(*file_size_bytes))
    }

    /// One run of it in its matrix. `repetition` counts from 1.
    pub fn run(&self, repetition: u32, matrix: &Matrix) -> Configuration {
        let Self { system, nodes, seeders, file_size_bytes } = *self;
        Configuration {
            system,
            nodes,
            seeders,
            file_size_bytes,
            repetition,
            link: matrix.link.clone(),
            disk: matrix.disk,
            cold: matrix.cold,
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { system, nodes, seeders, file_size_bytes } = self;
        write!(f, "{system}, {nodes} nodes, {seeders} seeding, {}", size::name(*file_size_bytes))
    }
}
