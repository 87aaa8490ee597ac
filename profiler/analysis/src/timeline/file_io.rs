//! What the threads of a process read and wrote, by the kernel's accounting.

use std::collections::BTreeMap;

use capture::{ThreadIo, ThreadState, ThreadTotals};

/// By thread. An id comes again within a process: a record is of the thread that had it then, the last one that had
/// started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileIos {
    /// By thread id and start; 0 where the start is not known (yet). Threads without a record are there too.
    threads: BTreeMap<(u32, u64), FileIo>,
    /// The last one of which was told that it had ended: id, end and start.
    ended: Option<(u32, u64, u64)>,
}

impl FileIos {
    /// Those that have a record.
    pub fn values(&self) -> impl Iterator<Item = &FileIo> {
        self.threads.values().filter(|io| io.at_ns.is_some())
    }

    pub fn is_empty(&self) -> bool {
        self.values().next().is_none()
    }

    /// Sums a count over all threads.
    pub fn sum(&self, count: impl Fn(&FileIo) -> u64) -> u64 {
        self.values().map(count).sum()
    }

    /// Of a thread, before or after records of it.
    pub(super) fn note(&mut self, thread: &ThreadTotals) {
        let ThreadTotals { tid, start_ns, .. } = *thread;
        if thread.state == ThreadState::Exited {
            self.ended = Some((tid, thread.state_since_ns, start_ns));
        }
        if self.threads.contains_key(&(tid, start_ns)) {
            return;
        }
        let is_its = |io: &FileIo| io.at_ns >= Some(start_ns);
        let unnamed = self.threads.get(&(tid, 0)).copied().filter(is_its);
        if unnamed.is_some() {
            self.threads.remove(&(tid, 0));
        }
        self.threads.insert((tid, start_ns), unnamed.unwrap_or_default());
    }

    pub(super) fn add(&mut self, record: &ThreadIo) {
        let ThreadIo { tid, at_ns, .. } = *record;
        // A thread's last record follows its totals. Its id is given away before its last switch (6.18).
        let by_end = self.ended.filter(|&(ended, end_ns, _)| (ended, end_ns) == (tid, at_ns));
        let latest_ns = by_end.map_or(at_ns, |(.., start_ns)| start_ns);
        let io = match self.threads.range_mut((tid, 0)..=(tid, latest_ns)).next_back() {
            Some((_, io)) => io,
            None => self.threads.entry((tid, 0)).or_default(),
        };
        io.add(record);
    }
}

/// The accounting of one thread: where it stood at first, and where last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileIo {
    baseline: Chars,
    last: Chars,
    /// Of the newest record.
    at_ns: Option<u64>,
}

/// `rchar` and `wchar`: bytes of `read()` and `write()`, on sockets too; `read_bytes` and `write_bytes`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Chars {
    read: u64,
    write: u64,
    from_devices: u64,
    to_devices: u64,
}

impl FileIo {
    pub fn read_bytes(&self) -> u64 {
        self.last.read.saturating_sub(self.baseline.read)
    }

    pub fn written_bytes(&self) -> u64 {
        self.last.write.saturating_sub(self.baseline.write)
    }

    /// What it had devices read, by the kernel's accounting.
    pub fn device_read_bytes(&self) -> u64 {
        self.last.from_devices.saturating_sub(self.baseline.from_devices)
    }

    /// What it dirtied of files, and wrote to devices directly, by the kernel's accounting.
    pub fn device_written_bytes(&self) -> u64 {
        self.last.to_devices.saturating_sub(self.baseline.to_devices)
    }

    fn add(&mut self, io: &ThreadIo) {
        let chars = Chars {
            read: io.read_chars,
            write: io.write_chars,
            from_devices: io.read_bytes,
            to_devices: io.write_bytes,
        };
        self.at_ns = self.at_ns.max(Some(io.at_ns));
        if io.baseline {
            self.baseline = chars;
        }
        // The kernel's counters never go back, so a smaller value is an older one.
        let Chars { read, write, from_devices, to_devices } = self.last;
        self.last = Chars {
            read: chars.read.max(read),
            write: chars.write.max(write),
            from_devices: chars.from_devices.max(from_devices),
            to_devices: chars.to_devices.max(to_devices),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use capture::{ProcessSerial, Waits};

    /// Of thread 7.
    enum Heard {
        /// It started.
        Start(u64),
        /// It started, and has ended.
        Lived(u64, u64),
        Io {
            at_ns: u64,
            baseline: bool,
            read: u64,
            written: u64,
        },
    }
    use Heard::{Lived, Start};

    fn io(at_ns: u64, read: u64, written: u64) -> Heard {
        Heard::Io { at_ns, baseline: false, read, written }
    }

    fn baseline(at_ns: u64, read: u64, written: u64) -> Heard {
        Heard::Io { at_ns, baseline: true, read, written }
    }

    #[track_caller]
    fn check(what: &str, heard: &[Heard], read_bytes: u64, written_bytes: u64) {
        let mut all = FileIos::default();
        for one in heard {
            match *one {
                Start(start_ns) => all.note(&thread(start_ns, None)),
                Lived(start_ns, end_ns) => all.note(&thread(start_ns, Some(end_ns))),
                Heard::Io { at_ns, baseline, read, written } => all.add(&ThreadIo {
                    at_ns,
                    process: ProcessSerial(1),
                    tid: 7,
                    read_chars: read,
                    write_chars: written,
                    read_bytes: 0,
                    write_bytes: 0,
                    baseline,
                }),
            }
        }
        let has_none = !heard.iter().any(|one| matches!(one, Heard::Io { .. }));
        assert_eq!(all.is_empty(), has_none, "{what}");
        let sums = (all.sum(FileIo::read_bytes), all.sum(FileIo::written_bytes));
        assert_eq!(sums, (read_bytes, written_bytes), "{what}");
    }

    fn thread(start_ns: u64, end_ns: Option<u64>) -> ThreadTotals {
        ThreadTotals {
            at_ns: 100,
            process: ProcessSerial(1),
            tid: 7,
            start_ns,
            comm: "worker".to_owned(),
            since_ns: start_ns,
            cpu_ns: 0,
            runqueue_ns: 0,
            throttled_ns: 0,
            softirq_ns: 0,
            hardirq_ns: 0,
            user_samples: 0,
            kernel_samples: 0,
            waits: Waits::default(),
            switches: 0,
            state: end_ns.map_or(ThreadState::Blocked, |_| ThreadState::Exited),
            state_since_ns: end_ns.unwrap_or(start_ns),
            creator_tid: None,
        }
    }

    #[test]
    fn file_bytes_count_from_the_baseline() {
        check("nothing known", &[], 0, 0);
        check("only its start", &[Start(5)], 0, 0);
        check("began in the capture", &[io(6, 10, 20), io(9, 30, 50)], 30, 50);
        check("began before", &[baseline(6, 10, 20), io(9, 30, 50)], 20, 30);
        check("only its baseline", &[baseline(6, 10, 20)], 0, 0);
        check("the baseline comes last", &[io(9, 30, 50), baseline(6, 10, 20)], 20, 30);
        check("its start is known last", &[baseline(6, 10, 20), io(9, 30, 50), Start(5)], 20, 30);
        check("its start is known in between", &[baseline(6, 10, 20), Start(5), io(9, 30, 50)], 20, 30);
    }

    #[test]
    fn a_thread_that_gets_an_ended_threads_id_adds_to_it() {
        let in_order = [Lived(5, 9), io(9, 10, 20), Lived(10, 15), io(15, 10, 20)];
        check("each from its exit", &in_order, 20, 40);
        let unordered = [Lived(10, 15), io(15, 30, 20), Lived(5, 9), io(9, 10, 20)];
        check("the later one was swept first", &unordered, 40, 40);
        let at_once = [Start(10), io(12, 1, 1), Lived(5, 11), io(11, 10, 20)];
        check("its last switch came after the other's start", &at_once, 11, 21);
        let never_seen = [baseline(3, 10, 20), io(4, 15, 20), Start(5), io(9, 10, 20)];
        check("of the first one no start is known", &never_seen, 15, 20);
        let read_between =
            [baseline(3, 10, 20), Start(2), io(4, 15, 25), Start(5), io(6, 1, 1), io(9, 10, 20)];
        check("the first one had a baseline", &read_between, 15, 25);
    }
}
