//! When probe families were detached to keep a limit of cost. Pure.

use capture::{
    Shed,
    families::{SCHEDULING, SEND_QUEUE},
};

use super::events::Lossy;

/// A time in which a family was detached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detached {
    pub family: String,
    pub from_ns: u64,
    pub to_ns: u64,
}

/// By family, in order of time.
pub fn intervals(records: &[Shed], end_ns: u64) -> Vec<Detached> {
    let mut all: Vec<Detached> = Vec::new();
    for (at, Shed { at_ns, families, .. }) in records.iter().enumerate() {
        let to_ns = records.get(at + 1).map_or(end_ns, |next| next.at_ns);
        for family in families {
            let goes_on = |one: &&mut Detached| one.family == *family && one.to_ns == *at_ns;
            match all.iter_mut().find(goes_on) {
                Some(one) => one.to_ns = to_ns,
                None => all.push(Detached { family: family.clone(), from_ns: *at_ns, to_ns }),
            }
        }
    }
    all.sort_by(|one, other| (&one.family, one.from_ns).cmp(&(&other.family, other.from_ns)));
    all
}

/// What was taken after a record without a change, which says that nothing is left to detach; and the limit.
pub fn beyond(records: &[Shed]) -> Option<(u64, u64)> {
    let repeated = records.windows(2).filter(|pair| pair[0].families == pair[1].families);
    repeated.map(|pair| (pair[1].cost_ns_per_s, pair[1].limit_ns_per_s)).max()
}

/// The times in which attribution knows nothing: of lost records, and without what it goes by.
pub fn lossy(lost: &[Lossy], detached: &[Detached]) -> Vec<Lossy> {
    let blind = detached.iter().filter(|one| [SCHEDULING, SEND_QUEUE].contains(&one.family.as_str()));
    let mut times: Vec<Lossy> = lost.to_vec();
    times.extend(blind.map(|one| Lossy { from_ns: one.from_ns, to_ns: one.to_ns }));
    times.sort_by_key(|time| time.from_ns);
    let mut merged: Vec<Lossy> = Vec::new();
    for time in times {
        match merged.last_mut() {
            Some(last) if time.from_ns <= last.to_ns => last.to_ns = last.to_ns.max(time.to_ns),
            _ => merged.push(time),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shed(at_ns: u64, families: &[&str]) -> Shed {
        let families = families.iter().map(|name| (*name).to_owned()).collect();
        Shed { at_ns, families, cost_ns_per_s: 0, limit_ns_per_s: 0 }
    }

    fn detached(family: &str, from_ns: u64, to_ns: u64) -> Detached {
        Detached { family: family.to_owned(), from_ns, to_ns }
    }

    #[test]
    fn a_family_is_detached_from_the_record_that_names_it_to_the_first_that_does_not() {
        let records =
            [shed(10, &["a"]), shed(20, &["a", "b"]), shed(30, &["a"]), shed(40, &[]), shed(50, &["b"])];
        let expected = [detached("a", 10, 40), detached("b", 20, 30), detached("b", 50, 99)];
        assert_eq!(intervals(&records, 99), expected);
    }

    #[test]
    fn what_is_repeated_is_beyond_the_limit() {
        let costs = |at_ns, families: &[&str], cost_ns_per_s| Shed {
            cost_ns_per_s,
            limit_ns_per_s: 40,
            ..shed(at_ns, families)
        };
        let records = [costs(1, &["a"], 90), costs(2, &["a", "b"], 80), costs(3, &["a", "b"], 50)];
        assert_eq!((beyond(&records[..2]), beyond(&records)), (None, Some((50, 40))));
    }

    #[test]
    fn nothing_is_known_where_records_were_lost_or_a_family_that_matters_was_detached() {
        let lost = [Lossy { from_ns: 5, to_ns: 15 }, Lossy { from_ns: 60, to_ns: 61 }];
        let families =
            [detached("samples", 0, 99), detached(SCHEDULING, 10, 20), detached(SEND_QUEUE, 30, 40)];
        let times: Vec<(u64, u64)> =
            lossy(&lost, &families).iter().map(|time| (time.from_ns, time.to_ns)).collect();
        assert_eq!(times, [(5, 20), (30, 40), (60, 61)]);
    }
}
