//! What repeated measurements come to.

use serde::{Deserialize, Serialize};
use statrs::{
    distribution::{ContinuousCDF as _, StudentsT},
    statistics::{Data, Distribution as _, Max as _, Min as _, OrderStatistics as _},
};

/// Of all values: median and quartiles (method R-8 of Hyndman and Fan), smallest and largest. Over repetitions:
/// the mean and its 95 % confidence interval.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
pub struct Distribution {
    pub median: f64,
    pub q1: f64,
    pub q3: f64,
    pub min: f64,
    pub max: f64,
    /// Of the repetitions' means.
    pub mean: f64,
    /// Missing for a single repetition.
    pub ci95_low: Option<f64>,
    pub ci95_high: Option<f64>,
}

/// The values of each repetition. `None` where there is no value at all.
///
/// Leechers of one run share its swarm and its host, so they are no independent samples: the interval is Student's t
/// over the repetitions' means, and says nothing for one repetition.
pub fn distribution(repetitions: &[Vec<f64>]) -> Option<Distribution> {
    let values: Vec<f64> = repetitions.iter().flatten().copied().collect();
    if values.is_empty() {
        return None;
    }
    let means: Vec<f64> = repetitions
        .iter()
        .filter(|values| !values.is_empty())
        .map(|values| values.iter().sum::<f64>() / values.len() as f64)
        .collect();
    let count = means.len() as f64;
    let means = Data::new(means);
    let mean = means.mean()?;
    let half_width = means.std_dev().filter(|deviation| deviation.is_finite()).and_then(|deviation| {
        let t = StudentsT::new(0.0, 1.0, count - 1.0).ok()?.inverse_cdf(0.975);
        Some(t * deviation / count.sqrt())
    });
    let mut values = Data::new(values);
    Some(Distribution {
        median: values.median(),
        q1: values.lower_quartile(),
        q3: values.upper_quartile(),
        min: values.min(),
        max: values.max(),
        mean,
        ci95_low: half_width.map(|half_width| mean - half_width),
        ci95_high: half_width.map(|half_width| mean + half_width),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(repetitions: &[&[f64]], expected: &str) {
        let repetitions: Vec<_> = repetitions.iter().map(|values| values.to_vec()).collect();
        let found = distribution(&repetitions).map_or_else(
            || "nothing".to_owned(),
            |d| {
                let interval = match (d.ci95_low, d.ci95_high) {
                    (Some(low), Some(high)) => format!("{low:.3}..{high:.3}"),
                    _ => "unknown".to_owned(),
                };
                let Distribution { median, min, max, mean, q1, q3, .. } = d;
                format!("{min} {q1:.3} {median} {q3:.3} {max}, mean {mean:.3} in {interval}")
            },
        );
        assert_eq!(found, expected);
    }

    #[test]
    fn leechers_of_one_run_are_no_repetitions() {
        check(&[], "nothing");
        check(&[&[], &[]], "nothing");
        check(&[&[5.0]], "5 5.000 5 5.000 5, mean 5.000 in unknown");
        check(&[&[1.0, 2.0, 3.0]], "1 1.167 2 2.833 3, mean 2.000 in unknown");
        // t(0.975, 2) = 4.303, s = 1, n = 3: 2 ± 2.484.
        check(&[&[1.0], &[2.0], &[3.0]], "1 1.167 2 2.833 3, mean 2.000 in -0.484..4.484");
        check(&[&[1.0, 3.0], &[2.0, 2.0]], "1 1.417 2 2.583 3, mean 2.000 in 2.000..2.000");
    }
}
