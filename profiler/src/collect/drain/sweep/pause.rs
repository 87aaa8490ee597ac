//! The states of threads while switches are not seen, to keep a limit of cost. Pure.

use abi::{
    context::Wait,
    sched::{StateWord, Thread, ThreadState},
};

/// What it is in ends, as far as anything is known of it.
pub fn begin(thread: &mut Thread, at_ns: u64) {
    let word = StateWord(thread.word);
    let elapsed_ns = at_ns.saturating_sub(word.since_ns());
    match word.state() {
        ThreadState::Dead => return,
        ThreadState::Cpu => thread.cpu_ns += elapsed_ns,
        ThreadState::Runqueue => thread.runqueue_ns += elapsed_ns,
        ThreadState::Throttled => thread.throttled_ns += elapsed_ns,
        // Not woken as long as that was seen.
        ThreadState::Blocked | ThreadState::Raced | ThreadState::Unseen => {
            thread.wait_ns[Wait::Idle as usize] += elapsed_ns;
        }
    }
    anew(thread, at_ns);
}

/// What it did since is not known.
pub fn end(thread: &mut Thread, at_ns: u64) {
    let word = StateWord(thread.word);
    if word.state() != ThreadState::Dead {
        thread.wait_ns[Wait::Other as usize] += at_ns.saturating_sub(word.since_ns());
        anew(thread, at_ns);
    }
}

/// As of a thread that is seen for the first time.
fn anew(thread: &mut Thread, at_ns: u64) {
    thread.word = StateWord::new(ThreadState::Unseen, at_ns).0;
    thread.off_ns = at_ns;
    thread.woken_ns = 0;
    thread.deadline_ns = 0;
    thread.user_stack = -1;
    thread.kernel_stack = -1;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_a_threads_life_is_in_a_state() {
        let check = |state, expected: [u64; 4]| {
            let mut thread = Thread { word: StateWord::new(state, 100).0, woken_ns: 90, ..Thread::default() };
            begin(&mut thread, 150);
            end(&mut thread, 400);
            let waits = thread.wait_ns;
            let got = [
                thread.cpu_ns,
                thread.runqueue_ns + thread.throttled_ns,
                waits[Wait::Idle as usize],
                waits[Wait::Other as usize],
            ];
            assert_eq!(got, expected, "{state:?}");
            let last = if state == ThreadState::Dead { (state, 100) } else { (ThreadState::Unseen, 400) };
            assert_eq!(StateWord(thread.word), StateWord::new(last.0, last.1), "{state:?}");
        };
        check(ThreadState::Cpu, [50, 0, 0, 250]);
        check(ThreadState::Runqueue, [0, 50, 0, 250]);
        check(ThreadState::Throttled, [0, 50, 0, 250]);
        check(ThreadState::Blocked, [0, 0, 50, 250]);
        check(ThreadState::Raced, [0, 0, 50, 250]);
        check(ThreadState::Unseen, [0, 0, 50, 250]);
        check(ThreadState::Dead, [0, 0, 0, 0]);
    }
}
