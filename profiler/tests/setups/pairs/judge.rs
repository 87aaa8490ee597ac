//! The runs of a pair together: the mean of the report's shares beside the mean of the logs'.

use std::collections::BTreeSet;

use super::{
    known::{LEFT_OPEN, Shares},
    list::Pair,
    run::Run,
};

/// How far the two means of a share may lie apart.
pub const TOLERANCE: f64 = 0.03;
/// A single run that is so near needs no others beside it.
const CLEARLY: f64 = TOLERANCE / 2.0;
/// Of all runs.
pub const MOST_THROWN_AWAY: f64 = 0.2;

/// What is known of a pair so far.
pub struct Runs {
    pub pair: Pair,
    pub runs: Vec<Run>,
    /// Why each of those was that is not among them.
    pub thrown_away: Vec<String>,
    /// Those that came to nothing.
    pub broken: Vec<String>,
}

/// Of one share.
#[derive(Clone)]
pub struct Difference {
    pub share: String,
    pub known: f64,
    pub reported: f64,
    /// How far apart the runs are in what they differ by: the largest less the smallest.
    pub spread: f64,
}

impl Runs {
    pub fn of(pair: Pair) -> Self {
        Self { pair, runs: Vec::new(), thrown_away: Vec::new(), broken: Vec::new() }
    }

    /// None was tried.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.thrown_away.is_empty() && self.broken.is_empty()
    }

    pub fn is_clearly_within(&self) -> bool {
        self.broken.is_empty() && !self.runs.is_empty() && self.largest() <= CLEARLY
    }

    pub fn is_within(&self) -> bool {
        self.broken.is_empty() && !self.runs.is_empty() && self.largest() <= TOLERANCE
    }

    fn largest(&self) -> f64 {
        let all = self.differences().into_iter().chain(self.merged_differences());
        all.map(|difference| difference.apart().abs()).fold(0.0, f64::max)
    }

    /// Of every share that either has.
    pub fn differences(&self) -> Vec<Difference> {
        self.differences_of(|run| &run.reported)
    }

    /// The same where movements are merged.
    pub fn merged_differences(&self) -> Vec<Difference> {
        self.differences_of(|run| &run.merged)
    }

    fn differences_of(&self, of: fn(&Run) -> &Shares) -> Vec<Difference> {
        let names: BTreeSet<&String> =
            self.runs.iter().flat_map(|run| run.known.keys().chain(of(run).keys())).collect();
        let names = names.into_iter().filter(|name| *name != LEFT_OPEN);
        names.map(|name| self.difference(name, of)).collect()
    }

    pub fn known(&self) -> Shares {
        self.mean(|run| &run.known)
    }

    pub fn reported(&self) -> Shares {
        self.mean(|run| &run.reported)
    }

    fn mean(&self, of: impl Fn(&Run) -> &Shares) -> Shares {
        let mut mean = Shares::new();
        for (name, share) in self.runs.iter().flat_map(of) {
            *mean.entry(name.clone()).or_default() += share / self.runs.len() as f64;
        }
        mean
    }

    fn difference(&self, share: &str, reported_by: fn(&Run) -> &Shares) -> Difference {
        let of = |shares: &Shares| shares.get(share).copied().unwrap_or(0.0);
        let (known, reported) = (of(&self.known()), of(&self.mean(reported_by)));
        let apart: Vec<f64> = self.runs.iter().map(|run| of(reported_by(run)) - of(&run.known)).collect();
        let (least, most) = (apart.iter().copied().fold(f64::INFINITY, f64::min), apart.iter().copied());
        let spread = most.fold(f64::NEG_INFINITY, f64::max) - least;
        Difference { share: share.to_owned(), known, reported, spread }
    }
}

impl Difference {
    pub fn apart(&self) -> f64 {
        self.reported - self.known
    }

    /// One for each share that is too far off.
    pub fn told(&self, pair: &Pair, how: &str) -> String {
        let noise = pair.noise.map_or("none", |(name, _)| name);
        let Self { share, known, reported, .. } = self;
        format!(
            "base {}, noise {noise}{how}, {share}: {:.1} % expected, {:.1} % got",
            pair.base.name,
            known * 100.0,
            reported * 100.0
        )
    }
}
