//! What a story must say, in words.

use std::collections::HashMap;

use analysis::attribution::sums::Budget;

/// `"network 0.9 cpu 0.1 | peer_disk 0.9"`: the shares that are not 0, the bottleneck first; then, where the
/// story is about it, the network's detail.
#[track_caller]
pub fn check(budget: &Budget, expected: &str) {
    let (shares, detail) = expected.split_once('|').unwrap_or((expected, ""));
    same("shares", &budget.shares.named(), shares);
    if !detail.is_empty() {
        same("detail", &budget.network_detail.named(), detail);
    }
    let sum: f64 = budget.shares.named().iter().map(|(_, share)| share).sum();
    assert!((sum - 1.0).abs() < 1e-3, "shares sum to {sum}");
    let network: f64 = budget.network_detail.named().iter().map(|(_, share)| share).sum();
    assert!((network - budget.shares.network).abs() < 1e-3, "detail sums to {network}");
    assert_eq!(budget.bottleneck, shares.split_whitespace().next(), "bottleneck");
}

#[track_caller]
fn same(what: &str, found: &[(&'static str, f64)], expected: &str) {
    let words: Vec<&str> = expected.split_whitespace().collect();
    let expected: HashMap<&str, f64> =
        words.chunks(2).map(|pair| (pair[0], pair[1].parse().expect("a share"))).collect();
    assert!(expected.keys().all(|name| found.iter().any(|(known, _)| known == name)), "{expected:?}");
    let shown: Vec<_> = found.iter().filter(|(_, share)| *share > 0.0).collect();
    for (name, share) in found {
        let wanted = expected.get(name).copied().unwrap_or(0.0);
        assert!((share - wanted).abs() < 1e-3, "{name} is not {wanted} in {what}: {shown:?}");
    }
}
