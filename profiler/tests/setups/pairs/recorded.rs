//! Pairs that were recorded under Linux 6.12, and are compared here: `fixtures/pairs-6.12`.

use std::{path::Path, thread};

use libtest_mimic::Trial;

use super::{judge::Runs, list, replay, table, verdict};
use crate::trial;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/pairs-6.12");

/// One that is lost would not be missed.
const RECORDED: usize = 51;

pub fn trials() -> Vec<Trial> {
    vec![trial("pairs::those_of_6_12_are_told_by_their_logs", those_of_6_12_are_told_by_their_logs)]
}

/// By the same measure as those that run here.
fn those_of_6_12_are_told_by_their_logs() {
    let mut all: Vec<Runs> = list::all().into_iter().map(Runs::of).collect();
    let each = all.len().div_ceil(thread::available_parallelism().map_or(1, Into::into));
    thread::scope(|scope| {
        for some in all.chunks_mut(each) {
            scope.spawn(|| some.iter_mut().for_each(|runs| replay(runs, Path::new(FOLDER), false)));
        }
    });
    all.retain(|runs| !runs.is_empty());
    println!("{}", table::markdown(&table::About::of_recorded("of this commit", &all), &all));
    assert_eq!(all.len(), RECORDED, "pairs that are there");
    assert!(verdict(&all), "see above");
}
