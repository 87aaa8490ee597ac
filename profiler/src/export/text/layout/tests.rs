use super::*;
use crate::export::sections::cells::whole;

/// The longest socket address.
const ADDRESS: &str = "[fd00:1234:5678:9abc:def0:1234:5678:9abc]:65535";

/// `rows` are columns apart by `|`; so is `head`, in which numbers begin with `#` and prose with `~`.
fn table(head: &str, rows: &[&str]) -> Table {
    let heads: Vec<&str> = head.split('|').collect();
    let of = |sign: char| {
        let columns = heads.iter().enumerate().filter(move |(_, head)| head.starts_with(sign));
        columns.map(|(column, _)| column).collect::<Vec<_>>()
    };
    let titles: Vec<&str> = heads.iter().map(|head| head.trim_start_matches(['#', '~'])).collect();
    let mut table = Table::new(&titles, of('#')).prose(of('~'));
    for row in rows {
        table.add_row(row.split('|'));
    }
    table
}

#[track_caller]
fn check(head: &str, rows: &[&str], expected: &[&str]) {
    let lines = lines(&table(head, rows));
    assert_eq!(lines.lines().collect::<Vec<_>>(), expected);
    for line in lines.lines() {
        assert!(line.width() <= WIDTH, "{}: {line}", line.width());
        assert_eq!(line, line.trim_end());
    }
    for cell in rows.iter().flat_map(|row| row.split('|')).filter(|cell| !cell.contains(' ')) {
        assert!(lines.lines().any(|line| line.contains(cell)), "{cell} is not whole in\n{lines}");
    }
}

#[test]
fn columns_are_as_wide_as_they_have_to_be() {
    check(
        "name|#bytes",
        &["a|1", "bcdef|1,000,000"],
        &["   name       bytes", "   a              1", "   bcdef  1,000,000"],
    );
    check("name", &[], &[]);
}

#[test]
fn an_address_without_room_ends_its_line_and_the_row_goes_on_below() {
    check(
        "process|peer||#received||#sent||#sockets",
        &[
            "leecher-1|10.213.0.3:51413|TCP|1,000,000|976 KiB|1,000,000|976 KiB|1",
            &format!("leecher-1|{ADDRESS}|TCP|1|1 B|1|1 B|1"),
        ],
        &[
            "   process    peer                    received                sent           sockets",
            "   leecher-1  10.213.0.3:51413  TCP  1,000,000  976 KiB  1,000,000  976 KiB        1",
            "   leecher-1  [fd00:1234:5678:9abc:def0:1234:5678:9abc]:65535",
            "                                TCP          1  1 B              1  1 B            1",
        ],
    );
}

#[test]
fn two_addresses_of_a_row_are_both_whole() {
    check(
        "process|local|peer|#kernel|#packets",
        &[&format!("a-command-of-15|{ADDRESS}|{ADDRESS}|106,462,720|106,462,720")],
        &[
            "   process          local                                            peer       kernel      packets",
            "   a-command-of-15  [fd00:1234:5678:9abc:def0:1234:5678:9abc]:65535",
            "                                                     [fd00:1234:5678:9abc:def0:1234:5678:9abc]:65535",
            "                                                                           106,462,720  106,462,720",
        ],
    );
}

#[test]
fn heads_wrap_before_names_have_lines_of_their_own() {
    let name = "a-name-that-is-rather-long-and-that-is-whole-in-its-column";
    check(
        "process|#by calls, sockets too|#of it written back",
        &[&format!("{name}|1,000,000,000|1,000,000")],
        &[
            "   process                                                        by calls, sockets    of it written",
            "                                                                                too             back",
            &format!("   {name}         1,000,000,000        1,000,000"),
        ],
    );
}

#[test]
fn names_of_the_first_column_stand_above_their_rows() {
    let name = "a-name-that-is-rather-long-and-that-does-not-fit-into-the-column-beside-these-numbers";
    check(
        "process||#received",
        &[&format!("{name}|TCP|1,000,000"), &format!("{name}|UDP|1")],
        &[
            "   process",
            "           received",
            &format!("   {name}"),
            "     TCP  1,000,000",
            "     UDP          1",
        ],
    );
}

#[test]
fn prose_wraps_at_blanks_but_not_inside_a_name() {
    let name = whole("a name of words");
    check(
        "|~",
        &[&format!("-|{}{name}", "a record found the ring full: ".repeat(3))],
        &[
            "   -  a record found the ring full: a record found the ring full: a record found the ring full:",
            "      a name of words",
        ],
    );
}

#[test]
fn a_table_with_too_many_numbers_is_two() {
    let numbers = |number: &str| vec![number; 14].join("|");
    check(
        &format!("name|{}", numbers("#seconds")),
        &[&format!("a|{}", numbers("12345.67"))],
        &[
            &("   name".to_owned() + &"   seconds".repeat(7)),
            &("   a   ".to_owned() + &"  12345.67".repeat(7)),
            "",
            &("   name".to_owned() + &"   seconds".repeat(7)),
            &("   a   ".to_owned() + &"  12345.67".repeat(7)),
        ],
    );
}

#[test]
fn what_is_longer_than_a_line_is_cut() {
    let lines = lines(&table("of|#bytes", &[&format!("{}|1", "n".repeat(250))]));
    assert!(lines.lines().all(|line| line.width() <= WIDTH), "{lines}");
    assert_eq!(lines.matches('n').count(), 250, "{lines}");
}

/// As in the path of a file of a client, in a deep folder.
#[test]
fn a_word_of_prose_that_is_longer_than_a_line_is_cut_in_its_column() {
    let word = "z".repeat(250);
    check(
        "|~",
        &["targets|some", &format!("ended|the log ends with {word} and more")],
        &[
            "   targets  some",
            "   ended    the log ends with",
            &format!("            {}", "z".repeat(88)),
            &format!("            {}", "z".repeat(88)),
            &format!("            {} and more", "z".repeat(74)),
        ],
    );
    for length in 90..110 {
        let word = "z".repeat(length);
        let lines = lines(&table("|~", &[&format!("ended|the log ends with {word} and more")]));
        assert!(lines.lines().all(|line| line.width() <= WIDTH), "{lines}");
        assert_eq!(lines.matches('z').count(), length, "{lines}");
        let lines = paragraph(&format!("the log ends with {word} and more"));
        assert!(lines.lines().all(|line| line.width() <= WIDTH), "{lines}");
    }
}

#[test]
fn a_paragraph_is_indented_from_its_second_line_on() {
    let words = "word ".repeat(18);
    let text = format!("{words}{} and more", whole("a name of words"));
    assert_eq!(paragraph("short"), "short\n");
    assert_eq!(paragraph(&text), format!("{}\n   a name of words and more\n", words.trim_end()));
}
