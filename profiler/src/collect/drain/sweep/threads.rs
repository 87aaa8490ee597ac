//! Threads: their times, and which places of the probes' table can be given back.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::atomic::{Ordering, fence},
};

use abi::{
    context::Wait,
    sched::{StateWord, THREAD_SLOTS, Thread, ThreadKey, ThreadState},
};
use anyhow::{Context as _, Result};
use aya::{
    Ebpf,
    maps::{MapData, PerCpuArray, Queue},
};

use crate::{
    clock::now_ns,
    collect::{
        drain::{Meanwhile, Sink, totals},
        maps::{MappedArray, open},
        targets::Targets,
    },
};
use capture::{ProcessSerial, Record, ThreadIo};

use super::{open_counter, pause, room::Room};
use crate::collect::maps::Table;

/// The maps of threads, and what of them is in the capture already.
pub struct Threads {
    times: MappedArray,
    places: Table<ThreadKey, u32>,
    free: Queue<MapData, u32>,
    new: PerCpuArray<MapData, u64>,
    room: Room,
    /// The state and the exit that were written last.
    written: HashMap<ThreadKey, (u64, u64)>,
    /// Switches that the probes have not seen and could not count.
    pub switches_unseen: u64,
}

impl Threads {
    pub fn new(ebpf: &Ebpf) -> Result<Self> {
        Ok(Self {
            times: MappedArray::new(ebpf, "THREADS", size_of::<Thread>())?,
            places: Table::open(ebpf, "THREAD_PLACES")?,
            free: open(ebpf, "FREE_THREADS")?.try_into()?,
            new: open_counter(ebpf, "NEW_THREADS")?,
            room: Room::of(THREAD_SLOTS),
            written: HashMap::new(),
            switches_unseen: 0,
        })
    }

    /// Whether so many came since the last sweep that their table could be full before the next.
    pub fn need_room(&self) -> Result<bool> {
        Ok(self.room.is_needed(self.came()?))
    }

    /// How many threads were given a place so far.
    fn came(&self) -> Result<u64> {
        Ok(self.new.get(&0, 0).context("read NEW_THREADS")?.iter().sum())
    }

    /// Writes the threads that changed, and gives back the places of those that have ended; gives the serials of
    /// processes that have a thread left. `meanwhile` is done after each.
    pub fn write<W: Sink>(
        &mut self,
        targets: &Targets,
        out: &mut W,
        meanwhile: &mut Meanwhile<W>,
    ) -> Result<HashSet<u64>> {
        let came = self.came()?;
        if came == 0 {
            // The table is long, and counters alone leave it empty.
            return Ok(HashSet::new());
        }
        // Before the threads: whose process has ended or lost its id by then has its last times below.
        let before: HashMap<u64, (u64, u64)> =
            targets.processes().map(|(_, p)| (p.serial, (p.exited_ns, p.thread_exec_ns))).collect();
        let threads: Vec<_> = self.all().collect();
        // After them: the process of a thread that is above is here, unless it was given back.
        let known: HashSet<u64> = targets.processes().map(|(_, process)| process.serial).collect();
        let mut alive = HashSet::new();
        for (slot, mut thread) in threads {
            meanwhile(out)?;
            let (process_exited_ns, exec_ns) = before.get(&thread.process).copied().unwrap_or_default();
            if lost_its_id(&thread, exec_ns) {
                self.switches_unseen += u64::from(close(&mut thread, exec_ns));
                out.push(&Record::ThreadTotals(totals::thread(now_ns(), &thread)))?;
                self.give_back(slot, &thread.key)?;
                continue;
            }
            if thread.exited_ns == 0 {
                alive.insert(thread.process);
            }
            let now = (thread.word, thread.exited_ns);
            if self.written.insert(thread.key, now) != Some(now) {
                out.push(&Record::ThreadTotals(totals::thread(now_ns(), &thread)))?;
                if thread.exited_ns != 0 {
                    out.push(&Record::ThreadIo(io_at_exit(&thread)))?;
                }
            }
            // A thread that executes a program goes on in its leader's place, also when the leader ended long before.
            let comes_again = thread.key.tid == thread.tgid && process_exited_ns == 0;
            if thread.exited_ns != 0 && !comes_again || !known.contains(&thread.process) {
                self.give_back(slot, &thread.key)?;
            }
        }
        self.room.swept(came, self.all().count());
        Ok(alive)
    }

    /// Adds what the states of threads have lasted to their times: nothing sees how they go on.
    pub fn stand_still(&mut self, at_ns: u64) {
        self.each_alive(|thread| pause::begin(thread, at_ns));
    }

    /// Begins the states anew; the time since they stood still is nobody's.
    pub fn go_on(&mut self, at_ns: u64) {
        self.each_alive(|thread| pause::end(thread, at_ns));
    }

    /// No probe changes the elements meanwhile, but of threads that begin or end.
    fn each_alive(&mut self, change: impl Fn(&mut Thread)) {
        let alive: Vec<u32> =
            self.all().filter(|(_, thread)| thread.exited_ns == 0).map(|(slot, _)| slot).collect();
        for slot in alive {
            // SAFETY: in bounds, and borrowed as long as this.
            change(unsafe { &mut *self.times.at(slot).cast::<Thread>() });
        }
    }

    /// Those that have not ended; of two with one id, the newer comes last.
    pub fn alive(&self) -> Vec<Thread> {
        let mut alive: Vec<_> =
            self.all().map(|(_, thread)| thread).filter(|thread| thread.exited_ns == 0).collect();
        alive.sort_unstable_by_key(|thread| thread.key.start_ns);
        alive
    }

    /// By process, the entries of first threads that had ended and that another thread took over as it executed a program:
    /// with what the first ones read and wrote, which `/proc` no longer has under their ids.
    pub fn taken_over(&self) -> HashMap<u64, Thread> {
        let has_earlier = |thread: &Thread| {
            thread.exited_ns == 0
                && (thread.rchar, thread.wchar, thread.read_bytes, thread.write_bytes) != (0, 0, 0, 0)
        };
        let found = self.all().map(|(_, thread)| thread).filter(has_earlier);
        found.map(|thread| (thread.process, thread)).collect()
    }

    /// Every element that is somebody's.
    fn all(&self) -> impl Iterator<Item = (u32, Thread)> + '_ {
        (1..THREAD_SLOTS).filter_map(|slot| {
            let element = self.times.at(slot).cast::<Thread>();
            // SAFETY: in bounds; every field is a plain integer, and one that changes meanwhile is read before or
            // after. The id alone first: nearly all elements are free.
            unsafe {
                if (&raw const (*element).key.tid).read_volatile() == 0 {
                    return None;
                }
                // The exit is stored last: what is read after it is final.
                let exited_ns = (&raw const (*element).exited_ns).read_volatile();
                fence(Ordering::Acquire);
                Some((slot, Thread { exited_ns, ..element.read_volatile() }))
            }
        })
    }

    /// Makes room for another thread. This one has ended or has another id, and will not be seen any more: a thread
    /// that is dead is not woken, and it stored its exit in its last switch. The way to the element goes first, and
    /// the queue hands out what was free longest.
    fn give_back(&mut self, slot: u32, key: &ThreadKey) -> Result<()> {
        self.written.remove(key);
        self.places.remove(key)?;
        // SAFETY: in bounds; the probes leave alone what has no id.
        unsafe { self.times.at(slot).cast::<Thread>().write_volatile(Thread::default()) };
        self.free.push(slot, 0).context("give back the place of a thread")
    }
}

/// Whether this is the entry under the id that a thread had before it executed a program (at that time, 0 for never):
/// it took its leader's id then, and this one has had no event since.
fn lost_its_id(thread: &Thread, exec_ns: u64) -> bool {
    thread.exited_ns == 0
        && thread.key.tid != thread.tgid
        && StateWord(thread.word).since_ns() < exec_ns
        && !Path::new(&format!("/proc/{}/task/{}", thread.tgid, thread.key.tid)).exists()
}

/// Ends a thread's entry that will have no event any more. True if it came to its CPU unseen: it was running when it
/// executed the program.
fn close(thread: &mut Thread, at_ns: u64) -> bool {
    let word = StateWord(thread.word);
    let (ended, unseen) = match word.state() {
        ThreadState::Runqueue => (&mut thread.runqueue_ns, true),
        ThreadState::Throttled => (&mut thread.throttled_ns, true),
        // When it was woken is not known.
        ThreadState::Blocked | ThreadState::Raced => (&mut thread.wait_ns[Wait::Unseen as usize], true),
        ThreadState::Cpu | ThreadState::Unseen | ThreadState::Dead => (&mut thread.cpu_ns, false),
    };
    *ended += at_ns.saturating_sub(word.since_ns());
    thread.word = StateWord::new(ThreadState::Dead, at_ns).0;
    thread.exited_ns = at_ns;
    unseen
}

fn io_at_exit(thread: &Thread) -> ThreadIo {
    ThreadIo {
        at_ns: thread.exited_ns,
        process: ProcessSerial(thread.process),
        tid: thread.key.tid,
        read_chars: thread.rchar,
        write_chars: thread.wchar,
        read_bytes: thread.read_bytes,
        write_bytes: thread.write_bytes,
        baseline: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is closed 100 ns after its last event.
    #[track_caller]
    fn check(state: ThreadState, unseen: bool, time: fn(&Thread) -> u64) {
        let mut thread = Thread { word: StateWord::new(state, 1000).0, ..Thread::default() };
        assert_eq!(close(&mut thread, 1100), unseen, "{state:?}");
        assert_eq!((time(&thread), thread.exited_ns), (100, 1100), "{state:?}");
    }

    #[test]
    fn the_last_state_of_a_thread_that_executes_a_program_ends_then() {
        check(ThreadState::Cpu, false, |thread| thread.cpu_ns);
        check(ThreadState::Runqueue, true, |thread| thread.runqueue_ns);
        check(ThreadState::Throttled, true, |thread| thread.throttled_ns);
        check(ThreadState::Blocked, true, |thread| thread.wait_ns[Wait::Unseen as usize]);
    }
}
