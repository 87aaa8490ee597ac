//! Spans ordered into threads: whatever order the records came in, its off-CPU intervals are ordered and disjoint.
//!
//! What does not fit together is mended in the direction that claims less CPU time, and counted. Thread ids
//! are reused within a capture: a thread is found by its id and a time.

use foldhash::HashMap;
use rayon::prelude::*;

use super::cpus::Cpus;
use crate::rows::Rows;
use capture::{ProcessSerial, span::Span};

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
    pub spans: Rows<Span>,
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
    pub cpus: Cpus,
    by_tid: HashMap<u32, Vec<ThreadIndex>>,
}

/// Gives every span to its thread.
pub fn order(lives: &[Life], spans: Rows<Span>) -> Threads {
    let mut threads = of_lives(lives);
    threads.fill(spans);
    threads
}

/// Threads without their spans: enough to be found.
pub fn of_lives(lives: &[Life]) -> Threads {
    let mut threads = Threads::default();
    for &life in lives {
        let life = Life { end_ns: life.end_ns.max(life.since_ns), ..life };
        threads.by_tid.entry(life.tid).or_default().push(threads.all.len());
        threads.all.push(Thread { life, spans: Rows::default() });
    }
    for same_tid in threads.by_tid.values_mut() {
        same_tid.sort_by_key(|&thread| threads.all[thread].life.since_ns);
    }
    threads
}

impl Threads {
    /// The thread that had this id at this time.
    pub fn find(&self, tid: u32, at_ns: u64) -> Option<ThreadIndex> {
        self.alive(tid, at_ns, at_ns)
    }

    fn fill(&mut self, spans: Rows<Span>) {
        // By when they ended, which is the order in which they began unless records contradict each other.
        let mut began: Vec<Began> = vec![Began::default(); self.all.len()];
        for span in spans.into_order() {
            // A span that began before its thread was watched belongs to the life that it reaches into.
            let reaches_ns = span.on_ns.or(span.woken_ns).unwrap_or(u64::MAX);
            match self.alive(span.tid, span.off_ns, reaches_ns) {
                Some(thread) => {
                    let Thread { life, spans } = &mut self.all[thread];
                    began[thread].note(&span, life);
                    if let (Some(cpu), Some(on_ns)) = (span.cpu, span.on_ns) {
                        self.cpus.came(cpu, thread, on_ns);
                    }
                    spans.push(span);
                }
                None => self.orphans += 1,
            }
        }
        let ordered = self.all.par_iter_mut().zip(began).map(|(thread, began)| {
            if began.is_disordered {
                // Spans are large, and there may be millions: they stay packed until their order is known.
                let mut order: Vec<_> = thread.spans.iter().map(|span| key(&span)).zip(0_usize..).collect();
                order.sort_unstable();
                thread.spans = order.iter().map(|&(_, place)| thread.spans.at(place)).collect();
            }
            if began.are_whole(&thread.life) {
                // Asleep since before it was watched.
                let since_ns = thread.life.since_ns;
                thread.spans.change_first(|span| span.off_ns = span.off_ns.max(since_ns));
                0
            } else {
                mend(thread)
            }
        });
        self.mended += ordered.sum::<u64>();
    }

    fn alive(&self, tid: u32, from_ns: u64, to_ns: u64) -> Option<ThreadIndex> {
        let reaches = |life: Life| life.since_ns <= to_ns && from_ns <= life.end_ns;
        self.by_tid.get(&tid)?.iter().copied().find(|&thread| reaches(self.all[thread].life))
    }
}

impl Thread {
    pub fn off_cpu(&self, span: usize) -> OffCpu {
        self.spans.look_at(span, |span| self.times(span))
    }

    /// Of one of its spans.
    pub fn times(&self, span: &Span) -> OffCpu {
        let off_ns = span.off_ns;
        let on_ns = span.on_ns.unwrap_or(self.life.end_ns).max(off_ns);
        let runnable_ns = if span.blocks() {
            // Woken before the switch was seen: it never stopped being runnable.
            span.woken_ns.unwrap_or(on_ns).clamp(off_ns, on_ns)
        } else {
            off_ns
        };
        OffCpu { off_ns, runnable_ns, on_ns }
    }

    /// When it left the CPU that it came to at `on_ns`.
    pub fn left_ns(&self, on_ns: u64) -> u64 {
        let next = self.spans_before(on_ns);
        if next < self.spans.len() { self.spans.look_at(next, |span| span.off_ns) } else { self.life.end_ns }
    }

    /// The system call that it was in.
    pub fn syscall(&self, span: usize) -> Option<i32> {
        self.spans.look_at(span, |span| span.doing.syscall)
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
    let mut disjoint = Rows::default();
    let mut spans = thread.spans.iter();
    let mut next = spans.next();
    while let Some(span) = next {
        next = spans.next();
        let next_off_ns = next.map_or(end_ns, |next| next.off_ns.clamp(since_ns, end_ns));
        let mut kept = Span { off_ns: span.off_ns.clamp(since_ns, end_ns), ..span };
        // Ran again and left again: where "ran again" was lost, the next interval is the latest it can have been.
        if span.on_ns.map_or(next_off_ns < end_ns, |on_ns| on_ns > next_off_ns) {
            kept.on_ns = Some(next_off_ns);
        }
        // Asleep since before the recording is no mistake.
        mended += u64::from(kept.on_ns != span.on_ns || kept.off_ns < span.off_ns);
        disjoint.push(kept);
    }
    thread.spans = disjoint;
    mended
}

fn key(span: &Span) -> (u64, Option<u64>) {
    (span.off_ns, span.on_ns)
}

/// How the spans of a thread come.
#[derive(Clone, Default)]
struct Began {
    last: Option<(u64, Option<u64>)>,
    /// Not in the order in which they began.
    is_disordered: bool,
    /// One overlaps the next, or lies outside the thread's life; the first may have begun before.
    is_doubtful: bool,
}

impl Began {
    fn note(&mut self, span: &Span, life: &Life) {
        let ran_until = |on_ns: Option<u64>| on_ns.is_some_and(|on_ns| on_ns <= span.off_ns);
        self.is_disordered |= self.last.is_some_and(|last| key(span) < last);
        self.is_doubtful |= self.last.is_some_and(|(_, on_ns)| !ran_until(on_ns));
        let is_inside = span.off_ns >= life.since_ns || self.last.is_none();
        self.is_doubtful |= !is_inside || span.off_ns > life.end_ns;
        self.last = Some(key(span));
    }

    /// Whether nothing of them has to be mended.
    fn are_whole(&self, life: &Life) -> bool {
        let ends_late = self.last.is_some_and(|(_, on_ns)| on_ns.is_some_and(|on_ns| on_ns > life.end_ns));
        !self.is_disordered && !self.is_doubtful && !ends_late
    }
}
