//! Who had a CPU while a target's thread waited to run there.
//!
//! Runs of targets are known by their switches. Those of all other tasks are remembered, some of each CPU, and recorded only
//! when a thread comes to the CPU that has waited meanwhile: what runs beside targets that never wait leaves no record.

use abi::{
    event::Event as _,
    fields::Field,
    occupancy::{KEPT_RUNS, OutsideRun},
    sched::{StateWord, Thread, ThreadState},
};
use aya_ebpf::helpers::bpf_get_smp_processor_id;

use crate::{
    emit::{emit_alone, now_ns},
    kernel::{load, offset},
    maps::OCCUPANCY,
};

/// Shorter waits for a CPU are the way from wake-up to switch.
const WAIT_NS: u64 = 10_000;

/// Shorter runs are not noted: they would cost as much as they tell.
const RUN_NS: u64 = 20_000;

/// Notes the run that ends at a switch, of a task that is no target.
///
/// How long a task ran since it was picked, the fair scheduler knows by itself, which saves a clock at most switches. Under
/// other policies the number is too high (6.1 to 6.18); no run began before the one ended that was noted before it.
#[inline(always)]
pub unsafe fn ends(task: *const u8, tgid: u32) {
    // SAFETY: this CPU's own element, in bounds; the caller's task is a task_struct, and its leader is loaded from it.
    unsafe {
        let ran_ns = load::<u64>(task, Field::TaskSumExec) - load::<u64>(task, Field::TaskPickedExec);
        // The idle task has no id.
        if ran_ns < RUN_NS || tgid == 0 {
            return;
        }
        let Some(occupancy) = OCCUPANCY.get_ptr_mut(0) else { return };
        let now = now_ns();
        let from_ns = now.saturating_sub(ran_ns).max((*occupancy).noted_ns);
        (*occupancy).noted_ns = now;
        let place = (*occupancy).runs as usize & (KEPT_RUNS - 1);
        (*occupancy).runs += 1;
        let run = (&raw mut (*occupancy).last).cast::<OutsideRun>().add(place);
        (*run).kind = OutsideRun::KIND as u32;
        (*run).tgid = tgid;
        (*run).cpu = bpf_get_smp_processor_id();
        (*run).from_ns = from_ns;
        (*run).to_ns = now;
        let leader: *const u8 = load(task, Field::TaskGroupLeader);
        let name = leader.add(offset(Field::TaskComm)).cast::<u64>();
        let comm = (&raw mut (*run).comm).cast::<u64>();
        comm.write_unaligned(name.read_volatile());
        comm.add(1).write_unaligned(name.add(1).read_volatile());
    }
}

/// Records who had this CPU since a thread that comes to it could have run, the latest first; to be called before it is in its
/// new state.
#[inline(always)]
pub unsafe fn comes(thread: *const Thread, now: u64) {
    // SAFETY: the caller's thread is a live map value; this CPU's own element, in bounds.
    unsafe {
        let word = StateWord((&raw const (*thread).word).read_volatile());
        let since_ns = word.since_ns();
        if word.state() != ThreadState::Runqueue || now.saturating_sub(since_ns) < WAIT_NS {
            return;
        }
        let Some(occupancy) = OCCUPANCY.get_ptr_mut(0) else { return };
        let mut place = (*occupancy).runs as usize;
        for _ in 0..KEPT_RUNS {
            place = place.wrapping_sub(1) & (KEPT_RUNS - 1);
            let run = (&raw mut (*occupancy).last).cast::<OutsideRun>().add(place);
            if (*run).to_ns <= since_ns {
                break;
            }
            if (*run).kind != 0 {
                emit_alone(*run);
                (*run).kind = 0;
            }
        }
    }
}
