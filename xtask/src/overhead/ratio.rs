//! Ratios to the unprofiled run of the same round, and how sure they are.

use serde::Serialize;
use statrs::{
    distribution::{ContinuousCDF as _, StudentsT},
    statistics::Statistics as _,
};

/// A geometric mean of ratios with its 95 % confidence interval.
#[derive(Serialize, Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    pub ratio: f64,
    /// Missing for fewer than two pairs.
    pub ci95_low: Option<f64>,
    pub ci95_high: Option<f64>,
    pub pairs: usize,
}

/// Student's t on the logarithms of the ratios, because slower by half and twice as fast are equally far from 1.
/// `None` where there is no pair of positive numbers.
pub fn ratio(pairs: &[(f64, f64)]) -> Option<Ratio> {
    let usable = pairs.iter().filter(|(value, base)| *value > 0.0 && *base > 0.0);
    let logs: Vec<f64> = usable.map(|(value, base)| (value / base).ln()).collect();
    if logs.is_empty() {
        return None;
    }
    let count = logs.len() as f64;
    let mean = logs.iter().mean();
    let half = StudentsT::new(0.0, 1.0, count - 1.0)
        .ok()
        .map(|t| t.inverse_cdf(0.975) * logs.iter().std_dev() / count.sqrt());
    Some(Ratio {
        ratio: mean.exp(),
        ci95_low: half.map(|half| (mean - half).exp()),
        ci95_high: half.map(|half| (mean + half).exp()),
        pairs: logs.len(),
    })
}

/// The middle value, or the mean of the two in the middle.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        count if count % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pairs: &[(f64, f64)], expected: &str) {
        let found = ratio(pairs).map_or("none".to_owned(), |found| {
            let interval = match (found.ci95_low, found.ci95_high) {
                (Some(low), Some(high)) => format!("{low:.4} to {high:.4}"),
                _ => "unknown".to_owned(),
            };
            format!("{:.4}, {interval}, {}", found.ratio, found.pairs)
        });
        assert_eq!(found, expected);
    }

    #[test]
    fn a_ratio_is_within_its_round() {
        check(&[], "none");
        check(&[(0.0, 1.0)], "none");
        check(&[(9.0, 10.0)], "0.9000, unknown, 1");
        // Each round has a speed of its own; the ratio is the same in all.
        check(&[(9.0, 10.0), (18.0, 20.0), (4.5, 5.0)], "0.9000, 0.9000 to 0.9000, 3");
    }

    #[test]
    fn the_interval_is_students_t_on_logarithms() {
        // Logs 0 and ln 4: mean ln 2, s = ln 4 / √2; t(0.975, 1) = 12.7062; half = 12.7062 × ln 2.
        check(&[(1.0, 1.0), (4.0, 1.0)], "2.0000, 0.0003 to 13365.3013, 2");
    }

    #[test]
    fn medians() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0]), Some(2.5));
    }
}
