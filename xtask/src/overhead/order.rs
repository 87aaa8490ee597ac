//! Who goes first: each tool is in each place equally often, and after each other tool about equally often.

/// The order of `count` tools in a round, which counts from 0: rotated by one each round, and every second time around
/// backwards.
pub fn order(count: usize, round: usize) -> Vec<usize> {
    if count == 0 {
        return Vec::new();
    }
    let mut order: Vec<usize> = (0..count).map(|place| (place + round) % count).collect();
    if (round / count) % 2 == 1 {
        order.reverse();
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_is_equally_often_in_every_place() {
        let mut places = [[0; 5]; 5];
        for round in 0..20 {
            order(5, round).into_iter().enumerate().for_each(|(place, tool)| places[tool][place] += 1);
        }
        assert_eq!(places, [[4; 5]; 5]);
    }

    #[test]
    fn the_way_back_has_other_predecessors() {
        assert_eq!(order(3, 0), [0, 1, 2]);
        assert_eq!(order(3, 1), [1, 2, 0]);
        assert_eq!(order(3, 3), [2, 1, 0]);
        assert_eq!(order(0, 7), [0; 0]);
    }
}
