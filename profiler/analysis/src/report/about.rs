//! What was recorded, where and when.

use std::time::{Duration, UNIX_EPOCH};

use serde::Serialize;

use crate::timeline::Timeline;
use capture::Run;

use super::seconds;

#[derive(Clone, Debug, Serialize)]
pub struct About {
    pub id: String,
    /// RFC 3339, UTC; missing if the capture was cut before its first pair of clocks.
    pub started_at: Option<String>,
    pub duration_s: f64,
    /// What the recording was asked to follow.
    pub targets: String,
    /// Why the recording ended; missing if the capture was cut short.
    pub end_reason: Option<String>,
    /// The version that recorded.
    pub profiler: String,
    pub host: Host,
    pub run: Option<Run>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Host {
    pub kernel: String,
    pub cpus: u32,
    pub lockdown: Option<String>,
}

pub(super) fn report(timeline: &Timeline) -> About {
    let start = &timeline.start;
    let environment = &timeline.environment;
    About {
        id: start.id.clone(),
        started_at: started_at(timeline),
        duration_s: seconds(timeline.duration_ns()),
        targets: start.targets.clone(),
        end_reason: timeline.end_reason.clone(),
        profiler: start.profiler.clone(),
        host: Host {
            kernel: environment.kernel.clone(),
            cpus: environment.cpus,
            lockdown: environment.lockdown.clone(),
        },
        run: start.run.clone(),
    }
}

fn started_at(timeline: &Timeline) -> Option<String> {
    let clock = timeline.clock?;
    let wall_ns = clock.wall_ns.checked_add(timeline.start.at_ns)?.checked_sub(clock.monotonic_ns)?;
    Some(humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_nanos(wall_ns)).to_string())
}
