//! What the kernel's own counts say of ours.

use analysis::report::{Comparison, Relation, Report};

use super::{
    cells::{Table, clean, exact, signed, table},
    names_whole,
};

/// A row for each count and cross-check; things that agree are added up.
pub fn cross_checks(report: &Report) -> Table {
    let rows = &report.trust.cross_checks;
    let head = ["count", "of", "ours", "", "cross-check", "difference", "known error", ""];
    let mut shown = table(&head, [2, 4, 5, 6]).prose([0, 1]);
    let mut kinds: Vec<(&str, &str, Relation)> = Vec::new();
    for row in rows {
        if !kinds.contains(&(row.what, row.cross_check, row.relation)) {
            kinds.push((row.what, row.cross_check, row.relation));
        }
    }
    for (what, cross_check, relation) in kinds {
        let same: Vec<_> = rows
            .iter()
            .filter(|row| (row.what, row.cross_check, row.relation) == (what, cross_check, relation))
            .collect();
        let (agree, disagree): (Vec<_>, Vec<_>) = same.into_iter().partition(|row| row.agrees);
        let groups = [agree].into_iter().chain(disagree.into_iter().map(|row| vec![row]));
        for group in groups.filter(|group| !group.is_empty()) {
            let sum = |of: fn(&Comparison) -> u64| exact(group.iter().map(|row| of(row)).sum());
            let of = match group[..] {
                [row] => names_whole(&clean(&row.of), report),
                _ => format!("{} of them", group.len()),
            };
            shown.add_row([
                if group[0].unit == "bytes" { what.to_owned() } else { format!("{what}, {}", group[0].unit) },
                of,
                sum(|row| row.ours),
                sign(relation).to_owned(),
                sum(|row| row.theirs),
                signed(group.iter().map(|row| row.difference).sum()),
                sum(|row| row.tolerance),
                if group[0].agrees { "agrees" } else { "DISAGREES" }.to_owned(),
            ]);
        }
    }
    shown
}

fn sign(relation: Relation) -> &'static str {
    match relation {
        Relation::Equal => "=",
        Relation::AtLeast => ">=",
        Relation::AtMost => "<=",
    }
}
