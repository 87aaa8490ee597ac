//! What pages draw of a capture: each transfer over its time, and who sent to whom.
//!
//! The same walks as the report's: the bins of a phase, weighed by their length, sum to the phase's shares.

mod exchange;
mod held;
mod transfer;

pub use exchange::{Exchange, exchange};
pub use held::{Held, Resource};
pub use transfer::{Bin, Flame, Folded, Frame, Lane, LaneState, TransferFigure, Unseen};

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::{
    attribution::Evidence,
    report::{self, FoundTransfer, Report},
    timeline::Timeline,
};

/// Everything that is drawn.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Parallel to the report's transfers.
    pub transfers: Vec<TransferFigure>,
    /// Missing where there are not two nodes whose addresses are known.
    pub exchange: Option<Exchange>,
}

/// The report of a capture file, and its figures.
pub fn of_capture(path: &Path) -> Result<(Report, Figures)> {
    of_timeline(&mut read(path)?)
}

/// The report of a timeline, whose events are given up, and its figures.
pub fn of_timeline(timeline: &mut Timeline) -> Result<(Report, Figures)> {
    report::of_timeline_and(timeline, |_, timeline, evidence, found| draw(timeline, evidence, found))
}

/// What else is found of a capture file, by the evidence that its report and its figures are of.
pub(crate) fn of_capture_and<T>(
    path: &Path,
    more: impl FnOnce(&Report, &Figures, &Timeline, Option<&Evidence>, &[FoundTransfer]) -> T,
) -> Result<T> {
    let found = report::of_timeline_and(&mut read(path)?, |report, timeline, evidence, found| {
        more(report, &draw(timeline, evidence, found), timeline, evidence, found)
    });
    Ok(found?.1)
}

fn read(path: &Path) -> Result<Timeline> {
    Timeline::from_capture(&mut capture::read(path)?)
        .with_context(|| format!("read the capture {}", path.display()))
}

/// Of the transfers that the report found, in its order.
fn draw(timeline: &Timeline, evidence: Option<&Evidence>, found: &[FoundTransfer]) -> Figures {
    Figures {
        transfers: found.iter().map(|transfer| transfer::draw(timeline, evidence, transfer)).collect(),
        exchange: exchange(timeline),
    }
}
