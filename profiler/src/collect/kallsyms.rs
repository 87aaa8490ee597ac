//! Names of kernel addresses, and addresses of its functions, from /proc/kallsyms.
//!
//! The kernel prints a line for each of its symbols, which takes tens of milliseconds. They are read once for all
//! addresses, and only what stands nearest below one of them is kept, not a table of all.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead, BufReader, Seek as _},
};

/// Opens them. Whether the kernel shows addresses is decided now: who gives up what that takes may go on reading them.
pub fn open() -> io::Result<File> {
    File::open("/proc/kallsyms")
}

/// Of each of these addresses the function that it lies in, by symbols that are open, or else by those that this process may
/// read; what has none is left out. Nothing where the kernel shows no addresses.
pub fn names(symbols: Option<&File>, addresses: impl Iterator<Item = u64>) -> BTreeMap<u64, String> {
    let read = |mut file: &File| {
        file.rewind()?;
        read(BufReader::new(file), addresses)
    };
    match symbols {
        Some(file) => read(file),
        None => open().and_then(|file| read(&file)),
    }
    .unwrap_or_default()
}

/// Where the functions of these names begin: of one name there may be several. Nothing where the kernel shows no addresses.
pub fn addresses<T: Copy>(wanted: &[(&str, T)]) -> Vec<(u64, T)> {
    open().and_then(|file| find(BufReader::new(file), wanted)).unwrap_or_default()
}

fn find<T: Copy>(mut lines: impl BufRead, wanted: &[(&str, T)]) -> io::Result<Vec<(u64, T)>> {
    let mut found = Vec::new();
    let mut line = String::new();
    while lines.read_line(&mut line)? > 0 {
        if let Some((begin, name)) = function(&line) {
            let is_it = |(wanted, _): &&(&str, T)| name == *wanted;
            found.extend(wanted.iter().find(is_it).map(|(_, of)| (begin, *of)));
        }
        line.clear();
    }
    Ok(found)
}

fn read(mut lines: impl BufRead, addresses: impl Iterator<Item = u64>) -> io::Result<BTreeMap<u64, String>> {
    // Of each address the nearest symbol at or below it so far.
    let mut nearest: BTreeMap<u64, Option<(u64, String)>> =
        addresses.map(|address| (address, None)).collect();
    let mut line = String::new();
    while lines.read_line(&mut line)? > 0 {
        if let Some((begin, name)) = function(&line)
            && let Some((_, found)) = nearest.range_mut(begin..).next()
            && found.as_ref().is_none_or(|(before, _)| *before < begin)
        {
            *found = Some((begin, name.to_owned()));
        }
        line.clear();
    }
    // A symbol was kept for the first address behind it only; those that follow may have no nearer one.
    let mut last: Option<(u64, String)> = None;
    let mut names = BTreeMap::new();
    for (address, found) in nearest {
        last = found.or(last);
        if let Some((_, name)) = &last {
            names.insert(address, name.clone());
        }
    }
    Ok(names)
}

/// Where a function begins, and what it is called: `ffffffff81000000 T _stext`, then perhaps a module.
fn function(line: &str) -> Option<(u64, &str)> {
    let mut words = line.split_ascii_whitespace();
    let begin = u64::from_str_radix(words.next()?, 16).ok()?;
    let is_function = matches!(words.next()?, "t" | "T" | "w" | "W");
    // A kernel that hides its addresses shows zeros.
    (is_function && begin != 0).then_some((begin, words.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(lines: &str, expected: &[(u64, &str)]) {
        let names =
            read(lines.as_bytes(), [0x1000, 0x1050, 0x1060, 0x2fff, 0x9000].into_iter()).expect("text");
        let names: Vec<_> = names.iter().map(|(address, name)| (*address, name.as_str())).collect();
        assert_eq!(names, expected);
    }

    #[test]
    fn an_address_is_in_the_function_that_begins_nearest_below_it() {
        let lines =
            "2000 t late\n0010 T _stext\n1050 W middle\n1040 T early\n1055 d data\n8000 t of\t[module]\n";
        check(
            lines,
            &[(0x1000, "_stext"), (0x1050, "middle"), (0x1060, "middle"), (0x2fff, "late"), (0x9000, "of")],
        );
    }

    #[test]
    fn functions_are_found_by_their_whole_names() {
        let lines =
            "1000 t late\t[module]\n2000 T later\n3000 t late\n4000 d late\n0000 t late\n5000 t early\n";
        let found = find(lines.as_bytes(), &[("late", 1), ("early", 2)]).expect("text");
        assert_eq!(found, [(0x1000, 1), (0x3000, 1), (0x5000, 2)]);
    }

    #[test]
    fn what_begins_above_or_is_hidden_names_nothing() {
        check("2fff T high\n", &[(0x2fff, "high"), (0x9000, "high")]);
        check("0000000000000000 T _stext\n0000000000000000 t schedule\n", &[]);
        check("", &[]);
    }
}
