//! What a set-up must say, against what the report says.

use std::{
    fmt,
    panic::{catch_unwind, resume_unwind},
};

use libtest_mimic::Trial;
use serde_json::Value;

use crate::truth::Waits;

/// What is not explained, as a part of a window: clearly more than two clocks differ.
const HIDDEN: f64 = 0.01;

/// What a program may wait for a CPU on a host that is busy with something else.
const QUEUED: f64 = 0.2;

/// How far a share may lie from what the program's own log says.
const TOLERANCE: f64 = 0.03;

#[derive(Clone, Copy, Debug)]
pub enum Expected {
    Between(f64, f64),
    AtLeast(f64),
}

pub fn near(truth: f64) -> Expected {
    within(truth, TOLERANCE)
}

pub fn within(truth: f64, tolerance: f64) -> Expected {
    Expected::Between(truth - tolerance, truth + tolerance)
}

pub fn at_least(share: f64) -> Expected {
    Expected::AtLeast(share)
}

/// A set-up that was not what it was meant to be, by its programs' own logs. It proves nothing about the report.
pub struct Disturbed(pub String);

/// Of what the programs themselves say. Unwinds with [`Disturbed`].
pub fn truth(what: &str, value: f64, expected: Expected) {
    if !expected.holds(value) {
        disturbed(format!("{what}: {value:.3} by the program's log, not {expected}"));
    }
}

pub fn disturbed(how: String) -> ! {
    // Without the message of a panic: another attempt may follow.
    resume_unwind(Box::new(Disturbed(how)))
}

/// Of what the report says already.
#[track_caller]
pub fn check(what: &str, value: f64, expected: Expected) {
    assert!(expected.holds(value), "{what}: {value:.3}, not {expected}");
}

/// What the report says of a program's time, in parts of it.
pub struct Reported {
    pub wait: f64,
    pub cpu: f64,
    pub cpu_wait: f64,
    pub other: f64,
}

/// Of what the report says of a wait. The log's time off the CPU includes waiting for a CPU afterwards: little on an
/// idle host, and on a busy one no more than [`QUEUED`].
///
/// Some hosts keep eBPF programs from running for moments (see the limitations). A sleep whose beginning was hidden is
/// in the report as CPU time, which the program did not use by its own clock; one whose end was hidden, as a wait for
/// something else. All three unwind with [`Disturbed`].
#[track_caller]
pub fn check_wait(what: &str, reported: &Reported, own: Waits) {
    let Reported { wait, cpu, cpu_wait, other } = *reported;
    check(what, wait, Expected::Between(0.0, own.off_cpu + TOLERANCE));
    let whole = at_least(own.off_cpu - TOLERANCE);
    if !whole.holds(wait + cpu_wait) && (cpu - own.cpu).max(other) > HIDDEN {
        let own = own.cpu;
        disturbed(format!(
            "{what}: {wait:.3}, other {other:.3}, CPU {cpu:.3} where its own clock says {own:.3}"
        ));
    }
    check(&format!("{what} and the wait for a CPU"), wait + cpu_wait, whole);
    if wait < own.off_cpu - QUEUED {
        disturbed(format!("{what}: {wait:.3}, and {cpu_wait:.3} of waiting for a CPU"));
    }
}

/// Of CPU time, which is `own` by the program's own clock. More unwinds with [`Disturbed`], for the same reason.
#[track_caller]
pub fn check_cpu(what: &str, cpu: f64, own: f64) {
    check(what, cpu, at_least(own - TOLERANCE));
    if cpu > own + TOLERANCE {
        disturbed(format!("{what}: CPU {cpu:.3} where its own clock says {own:.3}"));
    }
}

/// A part of the report that has shares.
pub struct Shares<'r> {
    whose: String,
    json: &'r Value,
}

impl<'r> Shares<'r> {
    /// The shares sum to 1, and the network's parts to the network's share.
    #[track_caller]
    pub fn of(whose: String, json: &'r Value) -> Self {
        let shares = Self { whose, json };
        let network = shares.number(&["shares", "network"]);
        for (parts, whole) in [("shares", 1.0), ("network_detail", network)] {
            let sum: f64 = shares.parts(parts).map(|(_, share)| share).sum();
            check(&format!("{}: the sum of {parts}", shares.whose), sum, within(whole, 0.001));
        }
        shares
    }

    #[track_caller]
    pub fn share(&self, name: &str, expected: Expected) -> &Self {
        self.row(&["shares", name], expected)
    }

    #[track_caller]
    pub fn computed(&self, own: f64) -> &Self {
        check_cpu(&self.told("cpu"), self.number(&["shares", "cpu"]), own);
        self
    }

    #[track_caller]
    pub fn peer_computed(&self, own: f64) -> &Self {
        check_cpu(&self.told("peer_cpu"), self.number(&["network_detail", "peer_cpu"]), own);
        self
    }

    /// A share of waiting.
    #[track_caller]
    pub fn waited(&self, name: &str, own: Waits) -> &Self {
        let share = |share: &str| self.number(&["shares", share]);
        let reported = Reported {
            wait: share(name),
            cpu: share("cpu"),
            cpu_wait: if name == "cpu_wait" { 0.0 } else { share("cpu_wait") },
            other: share("other"),
        };
        check_wait(&self.told(name), &reported, own);
        self
    }

    /// A part of the network's share, where the peer waits. What is in the own shares is missing from the peer's.
    #[track_caller]
    pub fn peer_waited(&self, name: &str, own: Waits) -> &Self {
        let sum = |share: &str, part: &str| {
            self.number(&["shares", share]) + self.number(&["network_detail", part])
        };
        let reported = Reported {
            wait: self.number(&["network_detail", name]),
            cpu: sum("cpu", "peer_cpu"),
            cpu_wait: sum("cpu_wait", "peer_cpu_wait"),
            other: sum("other", "peer_other"),
        };
        check_wait(&self.told(name), &reported, own);
        self
    }

    /// Of several parts of the network's share together.
    #[track_caller]
    pub fn details(&self, names: &[&str], expected: Expected) -> &Self {
        let sum = names.iter().map(|name| self.number(&["network_detail", name])).sum();
        check(&self.told(&names.join(" and ")), sum, expected);
        self
    }

    #[track_caller]
    pub fn bottleneck(&self, name: &str) -> &Self {
        assert_eq!(self.json["bottleneck"], name, "{}", self.told("bottleneck"));
        self
    }

    #[track_caller]
    pub fn largest_detail(&self, name: &str) -> &Self {
        let largest = self.parts("network_detail").max_by(|a, b| a.1.total_cmp(&b.1));
        assert_eq!(largest.map(|(name, _)| name), Some(name), "{}", self.told("the largest part"));
        self
    }

    /// A word about the longest piece of the path that is of that share.
    #[track_caller]
    pub fn longest(&self, share: &str, field: &[&str], word: &str) -> &Self {
        let found = at(self.longest_of(share), field);
        assert_eq!(found, word, "{}", self.told(&field.join(".")));
        self
    }

    #[track_caller]
    pub fn longest_of(&self, share: &str) -> &'r Value {
        let mut pieces = self.json["longest"].as_array().into_iter().flatten();
        let piece = pieces.find(|piece| piece["share"] == share);
        piece.unwrap_or_else(|| panic!("{}", self.told(&format!("no long piece of {share}"))))
    }

    #[track_caller]
    fn row(&self, field: &[&str], expected: Expected) -> &Self {
        check(&self.told(&field.join(".")), self.number(field), expected);
        self
    }

    #[track_caller]
    fn number(&self, field: &[&str]) -> f64 {
        let value = at(self.json, field).as_f64();
        value.unwrap_or_else(|| panic!("{}: no number", self.told(&field.join("."))))
    }

    fn parts(&self, name: &str) -> impl Iterator<Item = (&'r str, f64)> {
        let parts = self.json[name].as_object().into_iter().flatten();
        parts.map(|(name, share)| (name.as_str(), share.as_f64().unwrap_or(f64::NAN)))
    }

    /// What is checked, and what the report says around it.
    fn told(&self, what: &str) -> String {
        let parts =
            self.parts("shares").chain(self.parts("network_detail")).filter(|(_, share)| *share > 0.0);
        let parts: Vec<_> = parts.map(|(name, share)| format!("{name} {share:.3}")).collect();
        format!("{}: {what} (of {}; longest {})", self.whose, parts.join(" "), self.json["longest"][0])
    }
}

fn at<'r>(json: &'r Value, field: &[&str]) -> &'r Value {
    json.pointer(&format!("/{}", field.join("/"))).unwrap_or(&Value::Null)
}

impl Expected {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::Between(least, most) => (least..=most).contains(&value),
            Self::AtLeast(least) => value >= least,
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Between(least, most) => write!(f, "from {least:.3} to {most:.3}"),
            Self::AtLeast(least) => write!(f, "at least {least:.3}"),
        }
    }
}

pub fn trials() -> Vec<Trial> {
    let tried = || {
        only_what_a_host_can_do_is_tried_again();
        Ok(())
    };
    vec![Trial::test("expect::only_what_a_host_can_do_is_tried_again", tried)]
}

/// More of a wait than the program's own log has fails at once, as does less without a reason.
fn only_what_a_host_can_do_is_tried_again() {
    #[derive(Debug, PartialEq)]
    enum Ends {
        Well,
        Disturbed,
        Failed,
    }
    let ends = |wait, cpu, cpu_wait, other| {
        // Half off the CPU, half computing.
        let own = Waits { off_cpu: 0.5, cpu: 0.5 };
        match catch_unwind(|| check_wait("tried", &Reported { wait, cpu, cpu_wait, other }, own)) {
            Ok(()) => Ends::Well,
            Err(panicked) if panicked.is::<Disturbed>() => Ends::Disturbed,
            Err(_) => Ends::Failed,
        }
    };
    assert_eq!(ends(0.5, 0.5, 0.0, 0.0), Ends::Well);
    assert_eq!(ends(0.6, 0.4, 0.0, 0.0), Ends::Failed, "overstated");
    assert_eq!(ends(0.4, 0.5, 0.0, 0.0), Ends::Failed, "understated, and nothing else is there");
    assert_eq!(ends(0.4, 0.6, 0.0, 0.0), Ends::Disturbed, "its beginning was hidden");
    assert_eq!(ends(0.4, 0.5, 0.0, 0.1), Ends::Disturbed, "its end was hidden");
    assert_eq!(ends(0.25, 0.5, 0.25, 0.0), Ends::Disturbed, "a busy host");
}
