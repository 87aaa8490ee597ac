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
#[derive(Clone, Debug, PartialEq)]
pub struct Readings<T> {
    pub before_start: Option<T>,
    pub after_start: Option<T>,
    /// The last one of them.
    pub during: Option<T>,
    pub before_end: Option<T>,
    pub after_end: Option<T>,
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
        let moment = cross_check.moment;
        match cross_check.reading {
            Reading::Process(reading) => {
                self.processes.entry(reading.process).or_default().add(moment, reading);
            }
            Reading::Thread(reading) => {
                self.threads.entry((reading.process, reading.tid)).or_default().add(moment, reading);
            }
            Reading::Disk(reading) => {
                let id = DeviceId { major: reading.major, minor: reading.minor };
                self.disks.entry(id).or_default().add(moment, reading);
            }
            Reading::Interface(reading) => {
                let key = (reading.netns, reading.name.clone());
                self.interfaces.entry(key).or_default().add(moment, reading);
            }
            Reading::Steal { ns } => self.steal.add(moment, ns),
        }
    }
}

impl<T> Readings<T> {
    fn add(&mut self, moment: Moment, reading: T) {
        match moment {
            // Several processes live in one network namespace: the first one's beginning counts.
            Moment::BeforeStart if self.before_start.is_some() => {}
            Moment::BeforeStart => self.before_start = Some(reading),
            Moment::AfterStart => self.after_start = Some(reading),
            Moment::During => self.during = Some(reading),
            Moment::BeforeEnd => self.before_end = Some(reading),
            Moment::AfterEnd => self.after_end = Some(reading),
        }
    }

    /// What stood there as counting began, at most: 0 for a thing that began in the recording.
    pub fn at_start(&self, counter: impl Fn(&T) -> u64) -> u64 {
        self.after_start.as_ref().or(self.before_start.as_ref()).map_or(0, counter)
    }

    /// The last reading.
    pub fn last(&self) -> Option<&T> {
        let Self { before_start, after_start, during, before_end, after_end } = self;
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
        Self { before_start: None, after_start: None, during: None, before_end: None, after_end: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(what: &str, readings: &[(Moment, u64)], expected: Option<(u64, Option<u64>)>) {
        let mut all = Readings::default();
        for &(moment, value) in readings {
            all.add(moment, value);
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
