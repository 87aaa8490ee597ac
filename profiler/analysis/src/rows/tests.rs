use super::*;
use proptest::prelude::*;
use rayon::prelude::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tick {
    at_ns: u64,
    since_ns: Option<u64>,
    sequence: Option<u32>,
    is_even: Option<bool>,
}

impl Row for Tick {
    fn at_ns(&self) -> u64 {
        self.at_ns
    }

    fn code(&mut self, before: &Self, codec: &mut impl Codec) {
        codec.step(&mut self.at_ns, before.at_ns);
        codec.some(&mut self.since_ns, before.at_ns);
        codec.some32(&mut self.sequence, before.sequence);
        codec.like(&mut self.is_even, before.is_even);
    }
}

fn ticks() -> impl Strategy<Value = Vec<Tick>> {
    let edges = prop_oneof![Just(0), Just(u64::MAX), any::<u64>(), 0..50_u64];
    let tick = (edges.clone(), proptest::option::of(edges), any::<Option<u32>>(), any::<Option<bool>>());
    let tick =
        tick.prop_map(|(at_ns, since_ns, sequence, is_even)| Tick { at_ns, since_ns, sequence, is_even });
    proptest::collection::vec(tick, 0..5 * BLOCK_ROWS)
}

/// A list with blocks of different lengths.
fn listed(ticks: &[Tick]) -> Rows<Tick> {
    let mut rows = Rows::default();
    for (place, tick) in ticks.iter().enumerate() {
        rows.push(*tick);
        if place % 301 == 7 {
            rows.seal();
        }
    }
    rows
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rows_are_read_as_they_were_written(ticks in ticks(), from in 0..600_usize, to in 0..600_usize) {
        let rows = listed(&ticks);
        prop_assert_eq!(rows.len(), ticks.len());
        prop_assert!(rows.iter().eq(ticks.iter().copied()));
        prop_assert!(rows.iter().rev().eq(ticks.iter().copied().rev()));
        prop_assert!((0..ticks.len()).all(|place| rows.at(place) == ticks[place]));
        prop_assert_eq!(rows.last(), ticks.last().copied());
        let part = from.min(ticks.len())..to.clamp(from.min(ticks.len()), ticks.len());
        prop_assert!(rows.range(from..to).eq(ticks[part].iter().copied()));
        prop_assert_eq!(&rows, &rows.clone());
    }

    #[test]
    fn rows_are_put_in_order_and_equal_ones_stay_so(mut ticks in ticks()) {
        let rows = listed(&ticks);
        ticks.sort_by_key(|tick| tick.at_ns);
        prop_assert!(rows.into_order().eq(ticks.iter().copied()));
        let sorted = listed(&ticks);
        for bound_ns in [0, 10, 49, u64::MAX / 2, u64::MAX] {
            let is_before = |tick: &Tick| tick.at_ns < bound_ns;
            prop_assert_eq!(sorted.partition_point(is_before), ticks.partition_point(is_before));
        }
    }
}

/// Also in a clone, which goes its own way.
#[test]
fn the_first_row_is_changed_alone() {
    let tick = |at_ns| Tick { at_ns, since_ns: Some(at_ns), sequence: None, is_even: None };
    for len in [0, 1, 50, 300] {
        let mut rows: Rows<Tick> = (100..100 + len).map(tick).collect();
        let mut changed = rows.clone();
        // What was read before is not what is read then.
        assert_eq!(changed.iter().count() as u64, len);
        changed.change_first(|first| first.at_ns = 7);
        let expected: Vec<Tick> = rows
            .iter()
            .enumerate()
            .map(|(place, row)| Tick { at_ns: if place == 0 { 7 } else { row.at_ns }, ..row })
            .collect();
        assert!(changed.iter().eq(expected.iter().copied()), "{len}");
        rows.change_first(|_| {});
        assert!(rows.iter().eq((100..100 + len).map(tick)), "{len}");
    }
}

#[test]
fn what_is_too_much_for_memory_is_read_from_the_file() {
    let rows: Vec<Tick> = (0..100)
        .map(|n| Tick { at_ns: n * n, since_ns: Some(n), sequence: None, is_even: Some(n % 2 == 0) })
        .collect();
    let [kept, filed] = [usize::MAX, 0].map(|memory_bytes| Block::pack_within(&rows, memory_bytes));
    assert!(matches!((&kept, &filed), (Block::Memory(_), Block::File { .. })));
    assert_eq!((kept.unpack(rows[0], 100), filed.unpack(rows[0], 100)), (rows.clone(), rows));
}

/// As where a disk fails, or somebody cut the file.
#[test]
fn what_cannot_be_read_from_the_file_is_an_error_and_no_row() {
    let tick = Tick { at_ns: 1, since_ns: None, sequence: None, is_even: None };
    let beyond = Block::pack_within(&[tick, tick], 0);
    let Block::File { bytes, .. } = beyond else { panic!("it is in the file") };
    let beyond = Block::File { offset: 1 << 40, bytes };
    let read = || (0..4).into_par_iter().map(|_| beyond.unpack(tick, 2).len()).sum::<usize>();
    let error = reading(read).expect_err("there is nothing so far in the file");
    assert!(format!("{error:#}").contains("read the temporary file again"), "{error:#}");
    assert_eq!(reading(|| 7).expect("nothing was read"), 7);
}

/// What goes on in the lists of a clone is not seen in the other.
#[test]
fn a_clone_goes_its_own_way() {
    let tick = |at_ns| Tick { at_ns, since_ns: None, sequence: None, is_even: None };
    let mut one: Rows<Tick> = (0..200).map(tick).collect();
    let mut other = one.clone();
    one.extend((200..400).map(tick));
    other.extend((1200..1400).map(tick));
    assert_eq!((one.at(300), other.at(300)), (tick(300), tick(1300)));
    assert!(one.iter().zip(other.iter()).skip(200).all(|(one, other)| one.at_ns + 1000 == other.at_ns));
}
