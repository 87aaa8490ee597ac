//! The last switch of a thread that sleeps at the end, where it was not seen. The next switch would mend that, but does
//! not come: such a thread is on its CPU for all the rest, as far as the probes know.

use std::collections::HashMap;

use abi::{
    context::Wait,
    sched::{StateWord, Thread, ThreadKey, ThreadState},
};
use procfs::process::Process as ProcProcess;

/// What /proc says of a thread.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// The letter of `/proc/PID/stat`.
    pub letter: char,
    /// `sum_exec_runtime`, the first number of `/proc/PID/schedstat`, ns.
    pub exec_ns: u64,
}

/// What it says of those that are on their CPUs, as far as the probes know.
pub fn look(threads: &[Thread]) -> HashMap<ThreadKey, Standing> {
    let on_cpu = threads.iter().filter(|thread| StateWord(thread.word).state() == ThreadState::Cpu);
    on_cpu.filter_map(|thread| Some((thread.key, standing(thread)?))).collect()
}

/// The letter first: the count of a thread that sleeps is final, that of one that runs is up to a tick behind.
fn standing(thread: &Thread) -> Option<Standing> {
    let process = ProcProcess::new(thread.tgid as i32).ok()?;
    let task = process.task_from_tid(thread.key.tid as i32).ok()?;
    let letter = task.stat().ok()?.state;
    Some(Standing { letter, exec_ns: task.schedstat().ok()?.sum_exec_runtime })
}

/// Of the kernel's clock of a task against the monotonic one, and of where in a switch each is read: some 10 µs. And
/// of probes that are detached one after the other: what a thread does then is not seen either.
const DOUBT_NS: u64 = 1_000_000;

/// The thread as it would be if its last switch had been seen; `None` if it was on its CPU until the end. It has to
/// sleep: one that is runnable may run, and then its count lacks up to a tick, and what the hypervisor took.
pub fn off_its_cpu(thread: &Thread, standing: Standing, end_ns: u64) -> Option<Thread> {
    let word = StateWord(thread.word);
    if word.state() != ThreadState::Cpu || !matches!(standing.letter, 'S' | 'D' | 'T' | 't') {
        return None;
    }
    let ran_ns = standing.exec_ns.checked_sub(thread.exec_ns)?;
    let off_ns = word.since_ns() + ran_ns;
    if off_ns + DOUBT_NS > end_ns {
        return None;
    }
    // Woken since, it has run and sleeps again. When is not known; here it ran all its time before.
    let asleep_since_ns = off_ns.max(thread.woken_ns);
    let mut off = Thread {
        word: StateWord::new(ThreadState::Blocked, asleep_since_ns).0,
        cpu_ns: thread.cpu_ns + ran_ns,
        off_ns,
        woken_ns: 0,
        user_stack: -1,
        kernel_stack: -1,
        deadline_ns: 0,
        ..*thread
    };
    off.wait_ns[Wait::Unseen as usize] += asleep_since_ns - off_ns;
    Some(off)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::drain::totals;
    use analysis::timeline::ThreadTime;
    use capture::ThreadState::Blocked;
    use capture::events::spans;

    const MS: u64 = 1_000_000;
    const END_NS: u64 = 1000 * MS;

    /// A thread of 1 s came to its CPU at 300 ms, and had run for 50 ms before and slept on a timer for 250 ms.
    fn on_cpu(woken_ms: u64) -> Thread {
        let mut thread = Thread {
            word: StateWord::new(ThreadState::Cpu, 300 * MS).0,
            cpu_ns: 50 * MS,
            exec_ns: 7050 * MS,
            woken_ns: woken_ms * MS,
            off_ns: 50 * MS,
            user_stack: 3,
            kernel_stack: 4,
            ..Thread::default()
        };
        thread.wait_ns[Wait::Timer as usize] = 250 * MS;
        thread
    }

    /// The letter, and for how many ms it ran from 300 ms on by the kernel's count.
    #[track_caller]
    fn check(what: &str, thread: Thread, letter: char, ran_ms: u64, expected: Option<&str>) {
        let standing = Standing { letter, exec_ns: 7050 * MS + ran_ms * MS };
        let got = off_its_cpu(&thread, standing, END_NS).map(|off| {
            let totals = totals::thread(END_NS, &off);
            let time = ThreadTime::of(&totals, Some(END_NS));
            assert!(totals.state == Blocked && time.adds_up(), "{what}: {totals:?}");
            let span = spans::open(&off).expect("it is off its CPU");
            assert!(span.woken_ns.is_none() && span.stacks == Default::default(), "{what}: {span:?}");
            format!(
                "off at {} cpu {} timer {} unseen {} idle {}",
                span.off_ns / MS,
                time.cpu_ns / MS,
                time.wait_timer_ns / MS,
                totals.waits.unseen_ns / MS,
                time.wait_idle_ns / MS,
            )
        });
        assert_eq!(got.as_deref(), expected, "{what}");
    }

    #[test]
    fn a_thread_that_sleeps_at_the_end_ran_for_as_long_as_the_kernel_says() {
        let asleep = Some("off at 320 cpu 70 timer 250 unseen 0 idle 680");
        check("it sleeps", on_cpu(0), 'S', 20, asleep);
        check("in a disk's queue", on_cpu(0), 'D', 20, asleep);
        check("woken before it left: not for this sleep", on_cpu(310), 'S', 20, asleep);
        let again = Some("off at 320 cpu 70 timer 250 unseen 380 idle 300");
        check("woken since, and asleep again", on_cpu(700), 'S', 20, again);
        let late = Some("off at 999 cpu 749 timer 250 unseen 0 idle 1");
        check("it left 1 ms before the end", on_cpu(0), 'S', 699, late);
    }

    #[test]
    fn a_thread_that_may_have_run_until_the_end_is_left_alone() {
        check("it runs, or waits for a CPU", on_cpu(0), 'R', 20, None);
        check("it went to sleep after the end", on_cpu(0), 'S', 702, None);
        check("it went to sleep as the probes were detached", on_cpu(0), 'S', 700, None);
        let older = Thread { exec_ns: 9000 * MS, ..on_cpu(0) };
        check("the count is another thread's, whose id it took", older, 'S', 20, None);
        let asleep = Thread { word: StateWord::new(ThreadState::Blocked, 300 * MS).0, ..on_cpu(0) };
        check("it was seen to leave", asleep, 'S', 20, None);
    }
}
