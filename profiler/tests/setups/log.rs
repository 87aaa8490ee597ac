//! What a program did and when, by its own clocks: the truth that a report is held against.
//!
//! A thread's log is a partition of its work: each interval begins where the one before ended.

use std::{
    fs::{self, File},
    io::{BufWriter, Write as _},
    os::unix::fs::FileExt as _,
    path::Path,
};

use profiler::clock::{now_ns, thread_cpu_ns};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Receive,
    Send,
    Sleep,
    Compute,
    /// From a file.
    Read,
    /// To a file.
    Write,
    Fsync,
    /// Until another thread has read from a file.
    WaitForWorker,
    /// Until a mutex was free.
    Lock,
    /// Computing with the mutex locked.
    Hold,
    /// An event loop, for anything.
    Wait,
    /// Asked for a block.
    Ask,
    /// Was asked for one.
    Asked,
    /// A timer of an event loop from arming to firing, whatever the loop did meanwhile: in no partition.
    Timer,
    /// What is no part of the transfer.
    Besides,
}

/// Times are monotonic.
#[derive(Serialize, Deserialize, Clone, Copy, Debug)]
pub struct Interval {
    pub tid: i32,
    pub state: State,
    pub from_ns: u64,
    pub to_ns: u64,
    /// Of the thread, by its own clock.
    pub cpu_ns: u64,
    /// It could run and did not, by the kernel's own account; none where that was not asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_wait_ns: Option<u64>,
    /// Moved in it.
    pub bytes: u64,
    /// The block that it was for, or that it completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<u32>,
}

/// A thread's log, in memory until [`Log::write`].
pub struct Log {
    intervals: Vec<Interval>,
    tid: i32,
    at_ns: u64,
    cpu_ns: u64,
    account: Account,
    cpu_wait_ns: u64,
}

/// What the scheduler knows of a thread: `/proc/thread-self/schedstat`.
struct Account(File);

/// Enough for every program here: growing would take time that is not its own.
const INTERVALS: usize = 1 << 16;

impl Log {
    pub fn begin() -> Self {
        let tid = rustix::thread::gettid().as_raw_nonzero().get();
        let account = Account::open();
        let cpu_wait_ns = account.cpu_wait_ns();
        let intervals = Vec::with_capacity(INTERVALS);
        Self { intervals, tid, at_ns: now_ns(), cpu_ns: thread_cpu_ns(), account, cpu_wait_ns }
    }

    /// What the thread did since the last call.
    pub fn did(&mut self, state: State, bytes: usize) {
        self.end(state, None, bytes);
    }

    /// The same, with a block.
    pub fn did_with(&mut self, state: State, block: u32, bytes: usize) {
        self.end(state, Some(block), bytes);
    }

    /// A timer that has fired just now.
    pub fn timer(&mut self, block: u32, armed_ns: u64) {
        self.intervals.push(Interval {
            tid: self.tid,
            state: State::Timer,
            from_ns: armed_ns,
            to_ns: now_ns(),
            cpu_ns: 0,
            cpu_wait_ns: None,
            bytes: 0,
            block: Some(block),
        });
    }

    fn end(&mut self, state: State, block: Option<u32>, bytes: usize) {
        let (to_ns, cpu_ns, cpu_wait_ns) = (now_ns(), thread_cpu_ns(), self.account.cpu_wait_ns());
        self.intervals.push(Interval {
            tid: self.tid,
            state,
            from_ns: self.at_ns,
            to_ns,
            cpu_ns: cpu_ns - self.cpu_ns,
            cpu_wait_ns: Some(cpu_wait_ns - self.cpu_wait_ns),
            bytes: bytes as u64,
            block,
        });
        (self.at_ns, self.cpu_ns, self.cpu_wait_ns) = (to_ns, cpu_ns, cpu_wait_ns);
    }

    /// Adds another thread's log.
    pub fn append(&mut self, other: Self) {
        self.intervals.extend(other.intervals);
    }

    /// As JSON lines.
    pub fn write(&self, path: &Path) {
        let mut out = BufWriter::new(File::create(path).expect("create the log"));
        for interval in &self.intervals {
            serde_json::to_writer(&mut out, interval).expect("write the log");
            out.write_all(b"\n").expect("write the log");
        }
        out.flush().expect("write the log");
    }
}

impl Account {
    /// Of the calling thread.
    fn open() -> Self {
        Self(File::open("/proc/thread-self/schedstat").expect("open the thread's account"))
    }

    /// So long it could run and did not, in its whole life; what it waits just now is not in it.
    fn cpu_wait_ns(&self) -> u64 {
        let mut text = [0; 64];
        let length = self.0.read_at(&mut text, 0).expect("read the thread's account");
        let text = str::from_utf8(&text[..length]).expect("the account is text");
        let waited = text.split_whitespace().nth(1).expect("running, waiting, and how often");
        waited.parse().expect("a number of ns")
    }
}

pub fn read(path: &Path) -> Vec<Interval> {
    let lines = fs::read_to_string(path).expect("read the log");
    lines.lines().map(|line| serde_json::from_str(line).expect("a line of the log is an interval")).collect()
}
