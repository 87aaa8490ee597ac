//! A limit as it is typed.

use std::fmt;

/// What recording may cost: a part of the CPU time of all CPUs, or of one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    percent: f64,
    of_one_cpu: bool,
}

/// `2%` of the host's CPU time, or `2%cpu` of one CPU.
pub fn parse(text: &str) -> Result<Limit, String> {
    let (number, of_one_cpu) = match text.strip_suffix("%cpu") {
        Some(number) => (number, true),
        None => (text.strip_suffix('%').unwrap_or(""), false),
    };
    match number.parse() {
        Ok(percent) if percent > 0.0 && percent <= 100.0 => Ok(Limit { percent, of_one_cpu }),
        _ => Err("a limit is as in 2% of the host's CPU time, or as in 2%cpu of one CPU's".to_owned()),
    }
}

impl Limit {
    /// CPU time in each second, on so many CPUs.
    pub fn ns_per_s(self, cpus: usize) -> f64 {
        self.percent / 100.0 * 1e9 * if self.of_one_cpu { 1.0 } else { cpus as f64 }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%{}", self.percent, if self.of_one_cpu { "cpu" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_of_the_host_or_of_one_cpu() {
        let check = |text: &str, expected: Option<f64>| {
            let limit = parse(text);
            assert_eq!(limit.as_ref().ok().map(|limit| limit.ns_per_s(4)), expected, "{text}");
            if let Ok(limit) = limit {
                assert_eq!(limit.to_string(), text);
            }
        };
        check("2%", Some(80e6));
        check("0.5%cpu", Some(5e6));
        for refused in ["2", "", "%", "0%", "-1%", "101%", "2 %", "2%host", "two%"] {
            check(refused, None);
        }
    }
}
