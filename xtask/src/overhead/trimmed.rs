//! The middle of many ratios, and how sure it is: what the host does beside falls into the tails.

use serde::Serialize;
use statrs::distribution::{ContinuousCDF as _, StudentsT};

/// This part of the ratios is left out at each end.
const TRIMMED: f64 = 0.2;

/// A trimmed geometric mean of ratios with its 95 % confidence interval.
#[derive(Serialize, Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    pub ratio: f64,
    pub ci95_low: f64,
    pub ci95_high: f64,
    pub count: usize,
}

impl Estimate {
    /// Half the width of the interval, in points of a hundred.
    pub fn half_width_points(&self) -> f64 {
        (self.ci95_high - self.ci95_low) * 50.0
    }
}

/// Of logarithms of independent ratios. The interval is Tukey and McLaughlin's: Student's t with the winsorized deviation
/// ("Less vulnerable confidence and significance procedures for location based on a single sample", Sankhyā A 25, 1963).
/// `None` for fewer than four.
pub fn estimate(logs: &[f64]) -> Option<Estimate> {
    let mut logs = logs.to_vec();
    logs.sort_by(f64::total_cmp);
    let count = logs.len();
    let cut = (count as f64 * TRIMMED) as usize;
    let kept = logs.get(cut..count - cut).filter(|kept| kept.len() >= 4)?;
    let mean = kept.iter().sum::<f64>() / kept.len() as f64;
    let winsorized: Vec<f64> = logs.iter().map(|log| log.clamp(kept[0], kept[kept.len() - 1])).collect();
    let center = winsorized.iter().sum::<f64>() / count as f64;
    let squares: f64 = winsorized.iter().map(|log| (log - center).powi(2)).sum();
    let deviation = (squares / (count as f64 - 1.0)).sqrt();
    let error = deviation / ((1.0 - 2.0 * TRIMMED) * (count as f64).sqrt());
    let half = StudentsT::new(0.0, 1.0, kept.len() as f64 - 1.0).ok()?.inverse_cdf(0.975) * error;
    Some(Estimate { ratio: mean.exp(), ci95_low: (mean - half).exp(), ci95_high: (mean + half).exp(), count })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_of_the_middle_with_its_interval() {
        assert_eq!(estimate(&[0.0; 3]), None);
        // 1 to 10 hundredths: kept are 3 to 8, winsorized is 3 3 3 4 5 6 7 8 8 8 with s = 2.1731; t(0.975, 5) = 2.5706.
        let logs: Vec<f64> = (1..=10).map(|log| f64::from(log) / 100.0).collect();
        let found = estimate(&logs).expect("ten");
        let half = 2.5706 * 0.021_731 / (0.6 * 10.0_f64.sqrt());
        assert!((found.ratio.ln() - 0.055).abs() < 1e-9, "{found:?}");
        assert!((found.ci95_high.ln() - 0.055 - half).abs() < 1e-5, "{found:?}");
        assert!((found.ci95_low.ln() - 0.055 + half).abs() < 1e-5, "{found:?}");
        assert_eq!(found.count, 10);
    }

    #[test]
    fn what_happens_now_and_then_beside_it_moves_nothing() {
        let quiet = estimate(&[-0.02, -0.01, 0.0, 0.01, 0.02].repeat(6)).expect("thirty");
        let mut logs = [-0.02, -0.01, 0.0, 0.01, 0.02].repeat(6);
        logs[0] = -3.0;
        logs[4] = 2.0;
        let noisy = estimate(&logs).expect("thirty");
        assert!((quiet.ratio - noisy.ratio).abs() < 1e-9, "{quiet:?} {noisy:?}");
        assert!(noisy.half_width_points() < 1.0, "{noisy:?}");
    }
}
