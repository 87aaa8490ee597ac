//! What the kernel itself says of what was counted, as far as the recording could read it.

use std::collections::BTreeMap;

use capture::{
    ProcessSerial,
    cross_check::{
        CrossCheck, DiskReading, InterfaceReading, Moment, ProcessReading, Reading, ThreadReading,
    },
};

use super::DeviceId;

#[derive(Debug, Default, PartialEq)]
pub struct CrossChecks {
    pub processes: BTreeMap<ProcessSerial, Readings<ProcessReading>>,
    /// By thread id.
    pub threads: BTreeMap<(ProcessSerial, u32), Readings<ThreadReading>>,
    pub disks: BTreeMap<DeviceId, Readings<DiskReading>>,
    /// By network namespace and name.
    pub interfaces: BTreeMap<(u32, String), Readings<InterfaceReading>>,
    /// CPU time that the hypervisor gave to others, ns.
    pub steal: Readings<u64>,
}

/// The readings of one thing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Readings<T> {
    pub before_start: Option<T>,
    pub after_start: Option<T>,
    /// The last one of them.
    pub during: Option<T>,
    pub before_end: Option<T>,
    pub after_end: Option<T>,
    /// When the first and the last of these were read.
    pub before_start_ns: u64,
    pub after_end_ns: u64,
}

/// How far a counter went while the recording counted the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grown {
    pub least: u64,
    /// `None`: the thing was gone before it could be read for the last time.
    pub most: Option<u64>,
}

impl CrossChecks {
    pub(super) fn add(&mut self, cross_check: CrossCheck) {
        let at = (cross_check.at_ns, cross_check.moment);
        match cross_check.reading {
            Reading::Process(reading) => {
                self.processes.entry(reading.process).or_default().add(at, reading);
            }
            Reading::Thread(reading) => {
                self.threads.entry((reading.process, reading.tid)).or_default().add(at, reading);
            }
            Reading::Disk(reading) => {
                let id = DeviceId { major: reading.major, minor: reading.minor };
                self.disks.entry(id).or_default().add(at, reading);
            }
            Reading::Interface(reading) => {
                let key = (reading.netns, reading.name.clone());
                self.interfaces.entry(key).or_default().add(at, reading);
            }
            Reading::Steal { ns } => self.steal.add(at, ns),
        }
    }
}

impl<T> Readings<T> {
    fn add(&mut self, (at_ns, moment): (u64, Moment), reading: T) {
        match moment {
            // Several processes live in one network namespace: the first one's beginning counts.
            Moment::BeforeStart if self.before_start.is_some() => {}
            Moment::BeforeStart => {
                self.before_start = Some(reading);
                self.before_start_ns = at_ns;
            }
            Moment::AfterStart => self.after_start = Some(reading),
            Moment::During => self.during = Some(reading),
            Moment::BeforeEnd => self.before_end = Some(reading),
            Moment::AfterEnd => {
                self.after_end = Some(reading);
                self.after_end_ns = at_ns;
            }
        }
    }

    /// As of something that was not there as counting began, or whose start nobody read.
    pub fn without_start(&self) -> Self
    where
        T: Clone,
    {
        Self { before_start: None, after_start: None, ..self.clone() }
    }

    /// Those of a thing that was used from then to then: without a start that was read later, and without an end that was
    /// read earlier.
    pub fn around(&self, from_ns: u64, to_ns: u64) -> Self
    where
        T: Clone,
    {
        let mut around = if self.before_start_ns > from_ns { self.without_start() } else { self.clone() };
        around.after_end = around.after_end.filter(|_| self.after_end_ns >= to_ns);
        around
    }

    /// What stood there as counting began, at most: 0 for a thing that began in the recording.
    pub fn at_start(&self, counter: impl Fn(&T) -> u64) -> u64 {
        self.after_start.as_ref().or(self.before_start.as_ref()).map_or(0, counter)
    }

    /// The last reading.
    pub fn last(&self) -> Option<&T> {
        let Self { before_start, after_start, during, before_end, after_end, .. } = self;
        [after_end, before_end, during, after_start, before_start].into_iter().find_map(Option::as_ref)
    }

    /// A thing without a reading at the start began in the recording, with 0. `None` without a reading after that.
    pub fn grown(&self, counter: impl Fn(&T) -> u64) -> Option<Grown> {
        let of = |reading: &Option<T>| reading.as_ref().map(&counter);
        let before_start = of(&self.before_start).unwrap_or(0);
        // What has ended counts nothing any more: its last reading needs no other before it.
        let at_end = of(&self.before_end).or_else(|| of(&self.after_end)).or_else(|| of(&self.during))?;
        Some(Grown {
            least: at_end.saturating_sub(self.at_start(&counter)),
            most: of(&self.after_end).map(|end| end.saturating_sub(before_start)),
        })
    }
}

impl<T> Default for Readings<T> {
    fn default() -> Self {
        Self {
            before_start: None,
            after_start: None,
            during: None,
            before_end: None,
            after_end: None,
            before_start_ns: 0,
            after_end_ns: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(what: &str, readings: &[(Moment, u64)], expected: Option<(u64, Option<u64>)>) {
        let mut all = Readings::default();
        for &(moment, value) in readings {
            all.add((0, moment), value);
        }
        let grown = all.grown(|value| *value).map(|grown| (grown.least, grown.most));
        assert_eq!(grown, expected, "{what}");
    }

    #[test]
    fn what_lies_between_two_readings_is_the_error() {
        use Moment::{AfterEnd, AfterStart, BeforeEnd, BeforeStart, During};
        check("never read", &[], None);
        check("read at its start only", &[(BeforeStart, 5), (AfterStart, 7)], None);
        check(
            "there all along",
            &[(BeforeStart, 100), (AfterStart, 110), (During, 200), (BeforeEnd, 300), (AfterEnd, 330)],
            Some((190, Some(230))),
        );
        check("began and ended in it", &[(AfterEnd, 40)], Some((40, Some(40))));
        check("began in it", &[(During, 10), (BeforeEnd, 40), (AfterEnd, 45)], Some((40, Some(45))));
        check("gone before its end", &[(BeforeStart, 5), (During, 10), (During, 25)], Some((20, None)));
        check(
            "a second process in a namespace",
            &[(BeforeStart, 5), (BeforeStart, 9), (AfterEnd, 25)],
            Some((20, Some(20))),
        );
    }
}
