//! The host's state while something was measured: virtual machines have been seen to run the same stream at 160,000 calls a
//! second or at 80,000, for seconds, with and without a tool. What was measured in one state says nothing of the other.

use serde::Serialize;

/// Of the fastest pace, below which the host is in another state: √½.
const SLOW_BELOW: f64 = std::f64::consts::FRAC_1_SQRT_2;

#[derive(Serialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Fast,
    Slow,
    /// It changed between the two that stand on both sides of what was measured.
    Changed,
}

/// The state in which something was measured, by the paces without a tool before and after it, and the host's fast pace.
pub fn of(before: f64, after: f64, fast: f64) -> State {
    if before.min(after) < before.max(after) * SLOW_BELOW {
        State::Changed
    } else if f64::midpoint(before, after) < fast * SLOW_BELOW {
        State::Slow
    } else {
        State::Fast
    }
}

/// The fast pace of a host: nine of ten were slower. 0 where nothing was measured.
pub fn fast(paces: &[f64]) -> f64 {
    let mut paces = paces.to_vec();
    paces.sort_by(f64::total_cmp);
    paces.get(paces.len() * 9 / 10).or(paces.last()).copied().unwrap_or(0.0)
}

/// Those of the faster state, among paces of the same tool.
pub fn fast_ones(paces: &[f64]) -> Vec<bool> {
    let fast = fast(paces);
    paces.iter().map(|pace| *pace >= fast * SLOW_BELOW).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_states_and_a_change_between_them() {
        let paces: Vec<f64> = [160.0, 155.0, 82.0, 158.0, 80.0].repeat(4);
        let fast = fast(&paces);
        assert_eq!(fast, 160.0);
        assert_eq!(of(158.0, 150.0, fast), State::Fast);
        assert_eq!(of(83.0, 80.0, fast), State::Slow);
        assert_eq!(of(158.0, 82.0, fast), State::Changed);
        assert_eq!(of(82.0, 158.0, fast), State::Changed);
        assert_eq!(fast_ones(&paces)[..5], [true, true, false, true, false]);
        assert_eq!(super::fast(&[]), 0.0);
    }
}
