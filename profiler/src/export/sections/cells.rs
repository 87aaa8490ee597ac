//! Tables and the numbers in them.

use std::time::Duration;

use humansize::{BINARY, format_size};

pub use super::table::Table;

/// Columns of numbers are to the right.
pub fn table(head: &[&str], numbers: impl IntoIterator<Item = usize>) -> Table {
    Table::new(head, numbers)
}

/// A name in each row, and what is said of it.
pub fn said() -> Table {
    Table::new(&["", ""], []).prose([1])
}

/// Stands for a blank at which prose does not wrap.
pub const KEPT: char = '\u{a0}';

/// A name inside prose, which does not wrap at its blanks.
pub fn whole(name: &str) -> String {
    name.replace(' ', &KEPT.to_string())
}

/// Names come from processes, which may call themselves anything.
pub fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// Several lines, whose ends stay: for what is printed whole, with text of others anywhere in it.
pub fn clean_lines(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '?' } else { c }).collect()
}

/// With thousands separated: for checking.
pub fn exact(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Like [`exact`], of a difference.
pub fn signed(number: i64) -> String {
    format!("{}{}", if number < 0 { "-" } else { "" }, exact(number.unsigned_abs()))
}

/// For reading.
pub fn human(bytes: u64) -> String {
    format_size(bytes, BINARY)
}

/// `104,857,600 bytes (100 MiB)`
pub fn both(bytes: u64) -> String {
    format!("{} bytes ({})", exact(bytes), human(bytes))
}

pub fn rate(bytes_per_s: f64) -> String {
    format!("{}/s", human(bytes_per_s.round() as u64))
}

/// `-` where nothing is known.
pub fn or_dash<T>(value: Option<T>, show: impl Fn(T) -> String) -> String {
    value.map_or_else(|| "-".to_owned(), show)
}

/// Seconds, to the millisecond.
pub fn seconds(ns: u64) -> String {
    format!("{:.3}", ns as f64 / 1e9)
}

/// To the minute from an hour on.
pub fn in_words(time: Duration) -> String {
    let granularity_s = if time.as_secs() >= 3600 { 60 } else { 1 };
    humantime::format_duration(Duration::from_secs(time.as_secs() / granularity_s * granularity_s))
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(number: u64, expected: &str) {
        assert_eq!(exact(number), expected);
    }

    #[test]
    fn thousands_are_separated() {
        check(0, "0");
        check(999, "999");
        check(1_000, "1,000");
        check(104_857_600, "104,857,600");
        check(u64::MAX, "18,446,744,073,709,551,615");
    }

    #[test]
    fn a_difference_keeps_its_sign() {
        assert_eq!(
            (signed(-1_234), signed(i64::MIN)),
            ("-1,234".into(), "-9,223,372,036,854,775,808".into())
        );
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(clean("a\x1b[31mb\n"), "a?[31mb?");
        assert_eq!(clean_lines("a\x1b[31mb\r\u{9b}\n"), "a?[31mb??\n");
    }
}
