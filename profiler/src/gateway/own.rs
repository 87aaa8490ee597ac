//! What the gateway itself takes, and what it has answered.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::process_cpu_ns;

#[derive(Debug, Default)]
pub struct Own {
    pub scrapes: AtomicU64,
    /// Of all that it asked the collector.
    pub failures: AtomicU64,
}

/// As of now.
#[derive(Clone, Copy, Debug, Default)]
pub struct Taken {
    pub cpu_s: f64,
    pub resident_bytes: u64,
    pub scrapes: u64,
    pub failures: u64,
}

impl Own {
    pub fn taken(&self) -> Taken {
        let status = procfs::process::Process::myself().and_then(|me| me.status());
        let resident = status.map_or(0, |own| own.rssanon.unwrap_or(0) + own.rssfile.unwrap_or(0));
        Taken {
            cpu_s: process_cpu_ns() as f64 / 1e9,
            resident_bytes: resident * 1024,
            scrapes: self.scrapes.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
        }
    }
}
