//! What the holder of a lock did while another thread waited for it.

use crate::attribution::{
    Evidence, cause::Cause, observed::threads::OffCpu, segment::Segment, shares::Share,
};

/// Reports what the holder did, the latest first; nothing if the segment is no lock wait.
pub fn holder_did(evidence: &Evidence, wait: Segment, found: &mut dyn FnMut(Segment)) {
    let (Some(thread), Some(span)) = (wait.thread, wait.span) else { return };
    let Some(Cause::Lock { holder }) = evidence.cause(thread, span) else { return };
    let threads = &evidence.observed.threads;
    let Some(holder) = threads.find(holder, threads.all[thread].off_cpu(span).runnable_ns) else { return };
    let all = &threads.all[holder];
    let mut until_ns = wait.to_ns.min(all.life.end_ns);
    let mut report = |begin_ns: u64, span, share| {
        let from_ns = begin_ns.max(wait.from_ns).max(all.life.since_ns);
        if from_ns < until_ns {
            found(Segment { from_ns, to_ns: until_ns, thread: Some(holder), span, share, side: wait.side });
            until_ns = from_ns;
        }
    };
    for span in (0..all.spans_before(wait.to_ns)).rev() {
        let OffCpu { off_ns, runnable_ns, on_ns } = all.off_cpu(span);
        report(on_ns, None, Share::Cpu);
        report(runnable_ns, Some(span), Share::CpuWait);
        report(off_ns, Some(span), evidence.cause(holder, span).map_or(Share::CpuWait, Share::of_cause));
        if off_ns <= wait.from_ns {
            break;
        }
    }
    report(0, None, Share::Cpu);
}
