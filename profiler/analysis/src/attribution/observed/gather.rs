//! From a timeline to what attribution looks at.

use std::collections::HashSet;

use crate::{
    attribution::observed::{
        Observed,
        disks::Disks,
        filing,
        payload::{Socket, TrafficRecords},
        threads::{self, Life},
        timers,
    },
    timeline::{Events, Timeline, shed},
};
use capture::{
    ThreadState, ThreadTotals,
    span::{Doing, Span, Stacks, Wake},
};

/// Orders what was recorded of threads and payload: the events of the timeline.
pub fn gather(timeline: &Timeline, events: Events) -> Observed {
    let totals = || timeline.processes.values().flat_map(|process| process.threads.values());
    let lives: Vec<Life> = totals().map(|totals| life(timeline, totals)).collect();
    let is_known = |totals: &&ThreadTotals| events.off_at_end.contains(&(totals.process, totals.tid));
    let unfinished = totals().filter(|totals| !is_known(totals)).filter_map(unfinished);
    let mut spans = events.spans;
    spans.extend(unfinished);
    let records = TrafficRecords {
        payloads: events.payloads,
        arrivals: events.arrivals,
        send_queues: events.send_queues,
        retransmits: events.retransmits,
        sockets: sockets(timeline),
    };
    let (mut threads, traffic) =
        rayon::join(|| threads::order(&lives, spans), || filing::index(&threads::of_lives(&lives), records));
    threads.cpus.fill(events.outside_runs.runs);
    let timers = timers::index(&threads, events.timers);
    Observed {
        host: timeline.start.host(),
        threads,
        traffic,
        timers,
        drops: timeline.drops.clone(),
        disks: Disks::of(events.requests),
        steal: timeline.steal.clone(),
        lossy: shed::lossy(&timeline.lossy, &timeline.detached),
    }
}

fn life(timeline: &Timeline, totals: &ThreadTotals) -> Life {
    let end_ns = match totals.state {
        ThreadState::Exited => totals.state_since_ns,
        _ => timeline.whole_until_ns().unwrap_or(totals.at_ns),
    };
    let ThreadTotals { process, tid, since_ns, creator_tid: creator, .. } = *totals;
    Life { process, tid, creator, since_ns, end_ns }
}

/// The off-CPU interval that a thread was in when its capture was cut short, or that had no event in the whole recording.
fn unfinished(totals: &ThreadTotals) -> Option<Span> {
    let (preempted, throttled) = match totals.state {
        ThreadState::Cpu | ThreadState::Exited => return None,
        ThreadState::Blocked | ThreadState::Idle => (false, false),
        ThreadState::Runqueue => (true, false),
        ThreadState::Throttled => (false, true),
    };
    Some(Span {
        process: totals.process,
        tid: totals.tid,
        off_ns: totals.state_since_ns,
        woken_ns: None,
        on_ns: None,
        preempted,
        throttled,
        iowait: false,
        reclaim: false,
        doing: Doing::default(),
        wake: Wake::Unknown,
        stacks: Stacks::default(),
        ..Span::default()
    })
}

/// Of sockets that several processes use, one entry: the first's.
fn sockets(timeline: &Timeline) -> Vec<Socket> {
    let host = timeline.start.host();
    let mut known = HashSet::new();
    let totals = timeline.processes.values().flat_map(|process| process.sockets.values());
    totals
        .filter_map(|totals| {
            let ends = totals.ends.clone()?;
            let (first_ns, last_ns) = totals.used_ns();
            let last_ns = ends.closed.map_or(last_ns, |closed| closed.at_ns.max(last_ns));
            let first_ns = ends.established_ns.map_or(first_ns, |at_ns| at_ns.min(first_ns));
            known.insert(totals.cookie).then_some(Socket {
                cookie: host.of(totals.cookie),
                ends,
                first_ns,
                last_ns,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{attribution::pairs, timeline::sample::timeline};
    use capture::{
        Record,
        testing::sample::{END_NS, LEECHER, MS, SEEDER, START_NS, end, process, socket, start},
    };

    /// Two ends of a connection, of which one was used at these times.
    #[track_caller]
    fn check(first_ns: u64, last_ns: u64) {
        let end_of = |serial, cookie, mirrored: bool| {
            let Record::SocketTotals(mut totals) = socket(serial, cookie, Some("10.77.0.1:51413"), false)
            else {
                panic!("totals of a socket")
            };
            let ends = totals.ends.as_mut().expect("the ends are known");
            ends.established_ns = None;
            if mirrored {
                std::mem::swap(&mut ends.local, &mut ends.peer);
                (totals.first_ns, totals.last_ns) = (first_ns, last_ns);
            }
            Record::SocketTotals(totals)
        };
        let timeline = timeline(vec![
            start(),
            process(SEEDER, "seeder", 0, 1),
            process(LEECHER, "leecher", 1, 0),
            end_of(LEECHER, 11, false),
            end_of(SEEDER, 12, true),
            end(),
        ]);
        let host = timeline.start.host();
        let paired = pairs::pair(&sockets(&timeline));
        assert_eq!(paired.peer(host.of(11)), Some(host.of(12)), "used at {first_ns} and at {last_ns}");
    }

    /// As older probes left them.
    #[test]
    fn a_socket_whose_last_use_stands_before_its_first_is_still_an_end() {
        check(START_NS + MS, START_NS + 2 * MS);
        check(END_NS + MS, START_NS + MS);
        check(START_NS + MS, 0);
    }
}
