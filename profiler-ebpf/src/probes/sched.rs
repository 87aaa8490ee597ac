//! Time of threads: on the CPU, runnable, asleep; a span for each off-CPU interval.
//!
//! A waker on another CPU can be seen before the sleeper's own `sched_switch`: the kernel fires `sched_waking`
//! as soon as the sleeper is off the run queue, and `sched_switch` a little later (6.18). Such a wake-up is
//! kept aside; the event after the switch tells whether it ended this sleep. See [`ThreadState::Raced`].

use abi::{
    context::Wait,
    fields::Field,
    loss::Loss,
    sched::{StateWord, Thread, ThreadState},
    span::{PREEMPTED, THROTTLED},
    target::Process,
};
use aya_ebpf::{helpers::bpf_get_current_comm, macros::btf_tracepoint, programs::BtfTracePointContext};

use crate::{
    atomic, counters,
    emit::{lose, now_ns},
    kernel::{has, load, read_bytes},
    probes::{
        burst, context, occupancy, payload,
        span::{self, Registers},
        stacks, threads, timers, wait,
    },
    target,
    zero::zero,
};

/// The name of a thread is read at as many switches, and at its exit.
const NAMED_BY: u64 = 4;

/// `TASK_DEAD` of `task_struct.__state`: this thread never runs again.
const TASK_DEAD: u32 = 0x80;

/// `sched_switch(bool preempt, struct task_struct *prev, struct task_struct *next, unsigned int prev_state)`
#[btf_tracepoint(function = "sched_switch")]
pub fn sched_switch(ctx: BtfTracePointContext) -> i32 {
    let (prev, next): (*const u8, *const u8) = (ctx.arg(1), ctx.arg(2));
    let interrupted = context::take();
    // SAFETY: arguments 1 and 2 are task_structs.
    unsafe {
        let tgid = load(prev, Field::TaskTgid);
        let (leaves, comes) = (target::of(tgid), target::of(load(next, Field::TaskTgid)));
        if leaves.is_none() {
            occupancy::ends(prev, tgid);
            if comes.is_none() {
                return 0;
            }
        }
        let now = now_ns();
        if leaves.is_some() {
            burst::end(now);
        }
        if let Some(process) = leaves
            && let Some(thread) = threads::find(prev, process)
        {
            (*thread).softirq_ns += interrupted.0;
            (*thread).hardirq_ns += interrupted.1;
            if switch_out(thread, prev, ctx.arg::<u64>(0) & 1 != 0, ctx.arg(3), now) {
                stacks::take(&ctx, thread, now);
            }
        }
        if let Some(process) = comes
            && let Some(thread) = threads::find(next, process)
        {
            occupancy::comes(thread, now);
            switch_in(thread, next, now);
        }
    }
    0
}

/// `sched_waking(struct task_struct *p)`: in the context of the waker, before `p` is on a run queue.
#[btf_tracepoint(function = "sched_waking")]
pub fn sched_wake(ctx: BtfTracePointContext) -> i32 {
    let task: *const u8 = ctx.arg(0);
    // SAFETY: argument 0 is a task_struct; map values are live.
    unsafe {
        let Some(process) = target::of(load(task, Field::TaskTgid)) else { return 0 };
        let Some(thread) = threads::find(task, process) else { return 0 };
        let now = now_ns();
        match StateWord((&raw const (*thread).word).read_volatile()).state() {
            ThreadState::Blocked | ThreadState::Raced => {
                note_wake(thread, task, now);
                let wait = wait::of(task, thread);
                let (_, elapsed) = enter(thread, ThreadState::Runqueue, now);
                waited(thread, wait, elapsed);
            }
            // It runs since before the recording, and was about to sleep.
            ThreadState::Unseen if load::<u32>(task, Field::TaskOnCpu) != 0 => {
                note_wake(thread, task, now);
            }
            ThreadState::Unseen => {
                note_wake(thread, task, now);
                let (_, elapsed) = enter(thread, ThreadState::Runqueue, now);
                waited(thread, Wait::Idle, elapsed);
            }
            ThreadState::Cpu => note_wake(thread, task, now),
            ThreadState::Runqueue | ThreadState::Throttled | ThreadState::Dead => {}
        }
    }
    0
}

/// True if the thread goes to sleep.
#[inline(always)]
unsafe fn switch_out(thread: *mut Thread, task: *const u8, preempted: bool, state: u32, now: u64) -> bool {
    // SAFETY: the caller's thread is a live map value, its task a task_struct.
    unsafe {
        let ran_ns = ran_since_last_switch(thread, task);
        let word = StateWord((&raw const (*thread).word).read_volatile());
        if matches!(
            word.state(),
            ThreadState::Runqueue | ThreadState::Blocked | ThreadState::Raced | ThreadState::Throttled
        ) {
            // It came to its CPU unseen.
            lose(Loss::SwitchUnseen);
            run_again(thread, task, now.saturating_sub(ran_ns).max(word.since_ns()), Registers::Newer);
        }
        if word.state() == ThreadState::Dead {
            come_again(thread, now);
        }
        let next_state = if state & TASK_DEAD != 0 {
            ThreadState::Dead
        } else if is_throttled(task) {
            ThreadState::Throttled
        } else if preempted || state == 0 {
            ThreadState::Runqueue
        } else if (&raw const (*thread).woken_ns).read_volatile() != 0 {
            ThreadState::Raced
        } else {
            ThreadState::Blocked
        };
        let (_, elapsed) = enter(thread, next_state, now);
        atomic::add_alone(&raw mut (*thread).cpu_ns, elapsed);
        (*thread).switches += 1;
        if (*thread).switches < NAMED_BY {
            // Threads get their names after they have started, as a rule before they first sleep.
            read_bytes(task, Field::TaskComm, &mut (*thread).comm);
        }
        (*thread).off_ns = now;
        let sleeps = matches!(next_state, ThreadState::Raced | ThreadState::Blocked);
        payload::leave_cpu(thread, sleeps);
        if matches!(next_state, ThreadState::Runqueue | ThreadState::Throttled) {
            (&raw mut (*thread).woken_ns).write_volatile(0);
        }
        if next_state == ThreadState::Dead {
            // The switching task is still the current one here.
            note_end(thread, task, now);
        }
        if sleeps {
            timers::fall_asleep(thread, task);
        }
        sleeps
    }
}

/// Ends the entry of a thread whose last switch nobody sees, as it exits: for its accounting.
#[inline(always)]
pub unsafe fn end_unseen(task: *const u8, process: *mut Process, now: u64) {
    // SAFETY: the caller's task is the current one, its process a live slot; map values are live.
    unsafe {
        burst::end(now);
        if has(Field::TaskRchar)
            && has(Field::TaskWchar)
            && has(Field::TaskReadBytes)
            && has(Field::TaskWriteBytes)
            && let Some(thread) = threads::find(task, process)
        {
            let (_, elapsed) = enter(thread, ThreadState::Dead, now);
            if !counters::alone() {
                waited(thread, Wait::Other, elapsed);
            }
            note_end(thread, task, now);
        }
    }
}

/// Keeps what the kernel knows of a thread that ends, the current one.
#[inline(always)]
unsafe fn note_end(thread: *mut Thread, task: *const u8, now: u64) {
    // SAFETY: the caller's thread is a live map value, its task a task_struct.
    unsafe {
        (*thread).comm = bpf_get_current_comm().unwrap_or_default();
        // Added to what a leader did whose entry this thread has gone on with.
        (*thread).rchar += load::<u64>(task, Field::TaskRchar);
        (*thread).wchar += load::<u64>(task, Field::TaskWchar);
        (*thread).read_bytes += load::<u64>(task, Field::TaskReadBytes);
        (*thread).write_bytes += load::<u64>(task, Field::TaskWriteBytes);
        (&raw mut (*thread).exited_ns).write_volatile(now);
    }
}

#[inline(always)]
unsafe fn switch_in(thread: *mut Thread, task: *const u8, now: u64) {
    // SAFETY: the caller's thread is a live map value, its task a task_struct.
    unsafe {
        payload::enter_cpu(thread);
        let ran_ns = ran_since_last_switch(thread, task);
        let word = StateWord((&raw const (*thread).word).read_volatile());
        if word.state() == ThreadState::Cpu {
            lose(Loss::SwitchUnseen);
            left_unseen(thread, task, (word.since_ns() + ran_ns).min(now));
        }
        run_again(thread, task, now, Registers::OfTheStay);
    }
}

/// It left its CPU unseen, at `off_ns`. Where it was woken since, it slept; else it is taken for preempted.
#[inline(always)]
unsafe fn left_unseen(thread: *mut Thread, task: *const u8, off_ns: u64) {
    // SAFETY: the caller's thread is a live map value, its task a task_struct.
    unsafe {
        let (_, ran_ns) = enter(thread, ThreadState::Runqueue, off_ns);
        atomic::add_alone(&raw mut (*thread).cpu_ns, ran_ns);
        (*thread).off_ns = off_ns;
        (*thread).user_stack = -1;
        (*thread).kernel_stack = -1;
        (*thread).deadline_ns = zero();
        let woken_ns = (&raw const (*thread).woken_ns).read_volatile();
        if woken_ns > off_ns {
            let wait = wait::of(task, thread);
            enter(thread, ThreadState::Runqueue, woken_ns);
            waited(thread, wait, woken_ns - off_ns);
        } else {
            (&raw mut (*thread).woken_ns).write_volatile(0);
        }
    }
}

/// Its off-CPU interval ended.
#[inline(always)]
unsafe fn run_again(thread: *mut Thread, task: *const u8, now: u64, registers: Registers) {
    // SAFETY: the caller's thread is a live map value, its task a task_struct.
    unsafe {
        let (was, elapsed) = enter(thread, ThreadState::Cpu, now);
        let woken_ns = (&raw const (*thread).woken_ns).read_volatile();
        let mut flags = 0;
        match was.state() {
            ThreadState::Blocked if woken_ns == 0 => {
                lose(Loss::WakeUnseen);
                waited(thread, wait::unseen(task), elapsed);
            }
            ThreadState::Blocked => {
                // The wake-up stored its time after the switch-out had looked for it. A few ns between the waker's
                // clock and the switch's: too short to ask what for.
                let blocked = woken_ns.saturating_sub(was.since_ns()).min(elapsed);
                waited(thread, Wait::Other, blocked);
                atomic::add_alone(&raw mut (*thread).runqueue_ns, elapsed - blocked);
            }
            ThreadState::Throttled => {
                flags = THROTTLED;
                atomic::add_alone(&raw mut (*thread).throttled_ns, elapsed);
            }
            _ => {
                if woken_ns == 0 {
                    flags = PREEMPTED;
                }
                atomic::add_alone(&raw mut (*thread).runqueue_ns, elapsed);
            }
        }
        span::emit(thread, task, woken_ns, now, flags, registers);
        (&raw mut (*thread).woken_ns).write_volatile(0);
    }
}

/// CPU time since the last switch that was seen, by the kernel's own count, which is up to date at a switch.
#[inline(always)]
unsafe fn ran_since_last_switch(thread: *mut Thread, task: *const u8) -> u64 {
    // SAFETY: the caller's thread is a live map value, its task a task_struct.
    unsafe {
        let exec_ns: u64 = load(task, Field::TaskSumExec);
        let ran_ns = exec_ns.wrapping_sub((*thread).exec_ns);
        (*thread).exec_ns = exec_ns;
        ran_ns
    }
}

#[inline(always)]
unsafe fn is_throttled(task: *const u8) -> bool {
    // SAFETY: the caller's task is a task_struct.
    unsafe {
        if has(Field::TaskThrottled) {
            return load::<u8>(task, Field::TaskThrottled) & 1 != 0;
        }
        // The queue that it leaves has been throttled before this switch (6.1, 6.12).
        has(Field::TaskQueue)
            && has(Field::QueueThrottled)
            && load::<i32>(load(task, Field::TaskQueue), Field::QueueThrottled) > 0
    }
}

#[inline(always)]
unsafe fn note_wake(thread: *mut Thread, task: *const u8, now: u64) {
    // SAFETY: the caller's thread is a live map value, its task a task_struct.
    unsafe {
        wait::note_waker(thread, task);
        (&raw mut (*thread).woken_ns).write_volatile(now);
    }
}

/// Continues the leader's entry with the thread that has taken its identity.
#[inline(always)]
pub unsafe fn take_over(task: *const u8, process: *mut Process, now: u64) {
    // SAFETY: the caller's task is a task_struct, its process a live slot; map values are live.
    unsafe {
        let Some(thread) = threads::find(task, process) else { return };
        match StateWord((&raw const (*thread).word).read_volatile()).state() {
            ThreadState::Dead => come_again(thread, now),
            // A new entry: the leader had no event.
            ThreadState::Unseen => {
                enter(thread, ThreadState::Cpu, now);
                (*thread).since_ns = now;
            }
            // It has slept since it took the identity, and came again then.
            _ => {}
        }
    }
}

/// Running since now, in the entry of a leader that had ended: its death in between is no part of the entry's life.
#[inline(always)]
unsafe fn come_again(thread: *mut Thread, now: u64) {
    // SAFETY: the caller's thread is a live map value.
    unsafe {
        let (_, elapsed) = enter(thread, ThreadState::Cpu, now);
        (*thread).since_ns += elapsed;
        (*thread).exited_ns = 0;
    }
}

/// Never called twice at a time for a thread: who wakes it holds its `pi_lock`, and its own switches come before and after. A
/// locked instruction would wait for the line, which is cold as a rule.
#[inline(always)]
unsafe fn waited(thread: *mut Thread, wait: Wait, elapsed: u64) {
    // SAFETY: the caller's thread is a live map value; every wait has an element.
    unsafe { atomic::add_alone((&raw mut (*thread).wait_ns).cast::<u64>().add(wait as usize), elapsed) };
}

/// Exchanges the state, and gives the one that ended with its length.
#[inline(always)]
unsafe fn enter(thread: *mut Thread, state: ThreadState, now: u64) -> (StateWord, u64) {
    // SAFETY: the caller's thread is a live map value.
    let was = StateWord(unsafe { atomic::exchange(&raw mut (*thread).word, StateWord::new(state, now).0) });
    // Clocks of two CPUs may differ by a few ns.
    (was, now.saturating_sub(was.since_ns()))
}
