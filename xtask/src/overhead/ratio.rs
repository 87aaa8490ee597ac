//! Ratios to the unprofiled run of the same round, and how sure they are.

use serde::Serialize;
use statrs::distribution::{Binomial, DiscreteCDF as _};

/// A median of ratios with its 95 % confidence interval.
#[derive(Serialize, Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    pub ratio: f64,
    /// Missing for fewer than six pairs.
    pub ci95_low: Option<f64>,
    pub ci95_high: Option<f64>,
    pub pairs: usize,
}

/// The interval is that of the sign test: between the two order statistics beyond each of which the median lies with a chance of
/// 2.5 % at most. `None` where there is no pair of positive numbers.
pub fn ratio(pairs: &[(f64, f64)]) -> Option<Ratio> {
    let usable = pairs.iter().filter(|(value, base)| *value > 0.0 && *base > 0.0);
    let mut ratios: Vec<f64> = usable.map(|(value, base)| value / base).collect();
    ratios.sort_by(f64::total_cmp);
    let count = ratios.len();
    let flips = Binomial::new(0.5, count as u64).ok()?;
    let beyond = (0..count as u64 / 2).take_while(|&below| flips.cdf(below) <= 0.025).count().checked_sub(1);
    Some(Ratio {
        ratio: median(&ratios)?,
        ci95_low: beyond.map(|beyond| ratios[beyond]),
        ci95_high: beyond.map(|beyond| ratios[count - 1 - beyond]),
        pairs: count,
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
        check(&[(9.0, 10.0), (18.0, 20.0), (4.5, 5.0)], "0.9000, unknown, 3");
    }

    #[test]
    fn the_interval_is_that_of_the_sign_test() {
        // All six on one side of the median: 2 in 64, 3.1 %. Of nine, one on one side: 2 × 10 in 512, 3.9 %.
        let pairs = |count: u32| (1..=count).map(|step| (f64::from(step), 1.0)).collect::<Vec<_>>();
        check(&pairs(5), "3.0000, unknown, 5");
        check(&pairs(6), "3.5000, 1.0000 to 6.0000, 6");
        check(&pairs(9), "5.0000, 2.0000 to 8.0000, 9");
    }

    #[test]
    fn medians() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0]), Some(2.5));
    }
}
