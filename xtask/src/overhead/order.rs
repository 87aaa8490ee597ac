//! Who goes first: each tool is in each place equally often, and after each other tool equally often.

/// The order of `count` tools in a round, which counts from 0: a Williams design. Its first row `0 1 n-1 2 n-2 …` has
/// every distance between neighbours once if `count` is even; if it is odd, twice or never, and those that are missing
/// are in its reverse. All rows are this one, moved by one tool a round, and every second time around backwards.
pub fn order(count: usize, round: usize) -> Vec<usize> {
    let tool = |place: usize| {
        let step = if place % 2 == 1 { place.div_ceil(2) } else { count - place / 2 };
        (step + round) % count
    };
    let mut order: Vec<usize> = (0..count).map(tool).collect();
    if count > 0 && (round / count) % 2 == 1 {
        order.reverse();
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In `rounds` rounds each of `count` tools is in each place, and after each other one, as often as expected.
    #[track_caller]
    fn check(count: usize, rounds: usize, in_a_place: usize, after_another: usize) {
        let (mut places, mut pairs) = (vec![vec![0; count]; count], vec![vec![0; count]; count]);
        for round in 0..rounds {
            let order = order(count, round);
            order.iter().enumerate().for_each(|(place, &tool)| places[tool][place] += 1);
            order.windows(2).for_each(|pair| pairs[pair[0]][pair[1]] += 1);
        }
        assert_eq!(places, vec![vec![in_a_place; count]; count]);
        for (tool, row) in pairs.iter().enumerate() {
            let expected = |other| if other == tool { 0 } else { after_another };
            assert_eq!(*row, (0..count).map(expected).collect::<Vec<_>>(), "after {tool}");
        }
    }

    #[test]
    fn every_tool_is_equally_often_in_every_place_and_after_every_other() {
        check(5, 20, 4, 4);
        check(5, 10, 2, 2);
        check(4, 4, 1, 1);
        check(4, 8, 2, 2);
        check(3, 6, 2, 2);
        check(2, 2, 1, 1);
        check(1, 3, 3, 0);
        check(0, 7, 0, 0);
    }
}
