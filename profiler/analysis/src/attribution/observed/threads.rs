//! Spans ordered into threads: whatever order the records came in, its off-CPU intervals are ordered and disjoint.
//!
//! What does not fit together is mended in the direction that claims less CPU time, and counted. Thread ids
//! are reused within a capture: a thread is found by its id and a time.

use std::collections::HashMap;

use capture::ProcessSerial;
use capture::span::Span;

/// Place of a thread in [`Threads::all`].
pub type ThreadIndex = usize;

/// From when to when a thread was watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    pub process: ProcessSerial,
    pub tid: u32,
    /// The thread that created it.
    pub creator: Option<u32>,
    /// Its start, or when it became a target.
    pub since_ns: u64,
    /// Its exit, or the end of the recording.
    pub end_ns: u64,
}

#[derive(Debug)]
pub struct Thread {
    pub life: Life,
    /// In order of time, without overlap.
    pub spans: Vec<Span>,
}

/// A span with every time filled in: blocked from `off_ns` to `runnable_ns`, runnable to `on_ns`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffCpu {
    pub off_ns: u64,
    pub runnable_ns: u64,
    pub on_ns: u64,
}

#[derive(Debug, Default)]
pub struct Threads {
    pub all: Vec<Thread>,
    /// Spans that overlapped the next of their thread, or lay outside their thread's life.
    pub mended: u64,
    /// Spans of threads that are not known.
    pub orphans: u64,
    by_tid: HashMap<u32, Vec<ThreadIndex>>,
}

/// Gives every span to its thread.
pub fn order(lives: &[Life], spans: impl IntoIterator<Item = Span>) -> Threads {
    let mut threads = Threads::default();
    for &life in lives {
        let life = Life { end_ns: life.end_ns.max(life.since_ns), ..life };
        threads.by_tid.entry(life.tid).or_default().push(threads.all.len());
        threads.all.push(Thread { life, spans: Vec::new() });
    }
    for same_tid in threads.by_tid.values_mut() {
        same_tid.sort_by_key(|&thread| threads.all[thread].life.since_ns);
    }
    for span in spans {
        // A span that began before its thread was watched belongs to the life that it reaches into.
        let reaches_ns = span.on_ns.or(span.woken_ns).unwrap_or(u64::MAX);
        match threads.alive(span.tid, span.off_ns, reaches_ns) {
            Some(thread) => threads.all[thread].spans.push(span),
            None => threads.orphans += 1,
        }
    }
    for thread in &mut threads.all {
        if !thread.spans.is_sorted_by_key(|span| (span.off_ns, span.on_ns)) {
            thread.spans.sort_by_key(|span| (span.off_ns, span.on_ns));
        }
        threads.mended += mend(thread);
    }
    threads
}

impl Threads {
    /// The thread that had this id at this time.
    pub fn find(&self, tid: u32, at_ns: u64) -> Option<ThreadIndex> {
        self.alive(tid, at_ns, at_ns)
    }

    fn alive(&self, tid: u32, from_ns: u64, to_ns: u64) -> Option<ThreadIndex> {
        let reaches = |life: Life| life.since_ns <= to_ns && from_ns <= life.end_ns;
        self.by_tid.get(&tid)?.iter().copied().find(|&thread| reaches(self.all[thread].life))
    }
}

impl Thread {
    pub fn off_cpu(&self, span: usize) -> OffCpu {
        let Span { off_ns, woken_ns, on_ns, .. } = self.spans[span];
        let on_ns = on_ns.unwrap_or(self.life.end_ns).max(off_ns);
        let runnable_ns = if self.spans[span].blocks() {
            // Woken before the switch was seen: it never stopped being runnable.
            woken_ns.unwrap_or(on_ns).clamp(off_ns, on_ns)
        } else {
            off_ns
        };
        OffCpu { off_ns, runnable_ns, on_ns }
    }

    /// How many spans began before `at_ns`.
    pub fn spans_before(&self, at_ns: u64) -> usize {
        self.spans.partition_point(|span| span.off_ns < at_ns)
    }
}

/// Makes ordered spans disjoint, inside the thread's life; returns how many had to change.
fn mend(thread: &mut Thread) -> u64 {
    let Life { since_ns, end_ns, .. } = thread.life;
    let mut mended = 0;
    let mut next_off_ns = end_ns;
    for span in thread.spans.iter_mut().rev() {
        let before = *span;
        span.off_ns = span.off_ns.clamp(since_ns, end_ns);
        // Ran again and left again: where "ran again" was lost, the next interval is the latest it can have been.
        if span.on_ns.map_or(next_off_ns < end_ns, |on_ns| on_ns > next_off_ns) {
            span.on_ns = Some(next_off_ns);
        }
        // Asleep since before the recording is no mistake.
        mended += u64::from(span.on_ns != before.on_ns || span.off_ns < before.off_ns);
        next_off_ns = span.off_ns;
    }
    mended
}
