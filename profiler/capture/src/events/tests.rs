use abi::{
    arrival::Arrival,
    context::{DISK, HARDIRQ, HRTIMER, SOFTIRQ_NET_RX, TASK},
    earlier,
    event::Event,
    payload::{Payload, RECEIVED, SENT},
    progress::Progress,
    requests::{DiskRequests, Requester},
    send_queue::SendQueue,
    sockets::{IPPROTO_TCP, IPPROTO_UDP},
    span::{Span, SpanByOutsider, Waker},
};

use super::{Reader, bytes, first, stacks};
use crate::{Operation, ProcessSerial, Record};

#[test]
fn an_event_begins_where_the_one_before_ended() {
    let events = [
        bytes(&Span { kind: Span::KIND as u32, tid: 7, ..Span::default() }).to_vec(),
        bytes(&Arrival { kind: Arrival::KIND as u32, ..Arrival::default() }).to_vec(),
        bytes(&by_outsider(7, b"kworker")).to_vec(),
        bytes(&SendQueue { kind: SendQueue::KIND as u32, ..SendQueue::default() }).to_vec(),
        bytes(&Progress { kind: Progress::KIND as u32, ..Progress::default() }).to_vec(),
        bytes(&Payload { kind: Payload::KIND as u32, ..Payload::default() }).to_vec(),
    ];
    let all = events.concat();
    let mut rest = all.as_slice();
    for event in &events {
        assert_eq!(first(rest), Some(event.as_slice()));
        rest = &rest[event.len()..];
    }
    assert!(rest.is_empty());
}

#[test]
fn what_is_no_whole_event_is_none() {
    let arrival = Arrival { kind: Arrival::KIND as u32, ..Arrival::default() };
    let whole = bytes(&arrival);
    for len in 0..whole.len() {
        assert_eq!(first(&whole[..len]), None, "{len} bytes");
    }
    assert_eq!(first(&[0; 128]), None, "no kind");
    assert_eq!(first(&[255; 128]), None, "an unknown kind");
    assert!(Reader::default().record(&whole[..8]).is_none());
}

/// Kinds of records that each event becomes, and the thread id of outside_wakers.
#[track_caller]
fn check(events: &[&[u8]], expected: &str) {
    let mut reader = Reader::default();
    let mut told = Vec::new();
    for event in events {
        let mut record = reader.record(event);
        assert!(record.is_some());
        while let Some(is) = record {
            told.push(match &is {
                Record::OutsideWaker(stranger) => format!("{}={}", stranger.tid, stranger.comm),
                other => other.name().to_owned(),
            });
            record = reader.second();
        }
        told.push("|".to_owned());
    }
    assert_eq!(told.join(" "), expected);
}

#[test]
fn an_earlier_state_of_a_send_queue_has_its_windows_and_no_round_trip_time() {
    let earlier = earlier::SendQueue {
        kind: earlier::SendQueue::KIND as u32,
        at_ns: 7,
        snd_wnd: 5000,
        snd_cwnd: 10,
        mss_cache: 100,
        ..earlier::SendQueue::default()
    };
    let Some(Record::SendQueue(told)) = Reader::default().record(bytes(&earlier)) else { panic!("a state") };
    let windows = (told.smoothed_rtt_us, told.congestion_window_bytes, told.peer_window_bytes);
    assert_eq!((told.at_ns, windows), (7, (None, 1000, 5000)));
}

#[test]
fn requests_are_a_targets_or_somebody_elses() {
    let requests = |by| {
        let raw = DiskRequests {
            kind: DiskRequests::KIND as u32,
            operation: 1,
            bytes: 4096,
            by,
            ..DiskRequests::default()
        };
        match Reader::default().record(bytes(&raw)) {
            Some(Record::DiskRequests(told)) => told,
            other => panic!("{other:?}"),
        }
    };
    let mut comm = [0; 16];
    comm[..2].copy_from_slice(b"dd");
    let outsider = requests(Requester { tgid: 9, comm, ..Requester::default() });
    assert_eq!((outsider.process, outsider.pid, outsider.comm.as_str()), (None, 9, "dd"));
    assert_eq!((outsider.operation, outsider.bytes, outsider.by_kernel), (Operation::Write, 4096, false));
    let target = requests(Requester { process: 3, ..Requester::default() });
    assert_eq!(target.process, Some(ProcessSerial(3)));
    assert!(requests(Requester { tgid: 5, by_kernel: 1, ..Requester::default() }).by_kernel);
}

#[test]
fn a_strangers_name_is_told_once_and_again_when_it_changes() {
    let [a, again, b, renamed, idle] = [
        by_outsider(7, b"bash"),
        by_outsider(7, b"bash"),
        by_outsider(8, b"bash"),
        by_outsider(7, b"sleep"),
        by_outsider(0, b"swapper/0"),
    ];
    check(
        &[bytes(&a), bytes(&again), bytes(&b), bytes(&renamed), bytes(&idle)],
        "7=bash span | span | 8=bash span | 7=sleep span | span |",
    );
}

#[test]
fn a_receive_tells_an_arrival_too_where_something_has_arrived() {
    let payload = |way, protocol, arrived, arrived_ns| Payload {
        kind: Payload::KIND as u32,
        direction: way,
        protocol,
        sequence: 5,
        arrived,
        arrived_ns,
        ..Payload::default()
    };
    let [left, taken, sent, datagram, unseen] = [
        payload(RECEIVED, IPPROTO_TCP, 9, 0),
        payload(RECEIVED, IPPROTO_TCP, 5, 0),
        payload(SENT, IPPROTO_TCP, 9, 0),
        payload(RECEIVED, IPPROTO_UDP, 0, 77),
        payload(RECEIVED, IPPROTO_UDP, 0, 0),
    ];
    check(
        &[bytes(&left), bytes(&taken), bytes(&sent), bytes(&datagram), bytes(&unseen)],
        "payload arrival | payload | payload | payload arrival | payload |",
    );
}

#[test]
fn stacks_are_those_of_stays_that_have_some() {
    let span = |user_stack, kernel_stack| Span {
        kind: Span::KIND as u32,
        tid: 7,
        user_stack,
        kernel_stack,
        ..Span::default()
    };
    assert_eq!(stacks(bytes(&span(-1, -1))), None);
    assert_eq!(stacks(bytes(&span(-1, 0))), Some((7, -1, 0)));
    let by_outsider = SpanByOutsider { span: span(3, 4), ..by_outsider(7, b"bash") };
    let kind = SpanByOutsider::KIND as u32;
    let by_outsider = SpanByOutsider { span: Span { kind, ..by_outsider.span }, ..by_outsider };
    assert_eq!(stacks(bytes(&by_outsider)), Some((7, 3, 4)));
    let payload = Payload { kind: Payload::KIND as u32, ..Payload::default() };
    assert_eq!(stacks(bytes(&payload)), None);
}

/// Timer, socket, when and by whom a request was submitted, and segment, of what woke a thread in a context.
#[track_caller]
fn check_event(context: u8, readable: u8, event: u64, expected: [Option<u64>; 5]) {
    let waker = Waker { context, event, tid: 7, readable, ..Waker::default() };
    let raw = Span { kind: Span::KIND as u32, woken_ns: 1, waker, ..Span::default() };
    let [woken, asleep] = [raw, Span { woken_ns: 0, ..raw }].map(|raw| {
        let Some(Record::Span(span)) = Reader::default().record(bytes(&raw)) else { panic!("no span") };
        [span.timer, span.socket, span.submitted_ns, span.submitter_tid.map(u64::from), span.segment]
    });
    assert_eq!((woken, asleep), (expected, [None; 5]), "context {context}");
}

#[test]
fn the_context_says_what_an_event_is() {
    check_event(HRTIMER, 0, 90, [Some(90), None, None, None, None]);
    check_event(SOFTIRQ_NET_RX, 1, 90, [None, Some(90), None, None, None]);
    check_event(SOFTIRQ_NET_RX, 0, 90, [None, None, None, None, Some(90)]);
    check_event(HARDIRQ | DISK, 0, 90, [None, None, Some(90), Some(7), None]);
    check_event(TASK, 1, 90, [None; 5]);
    for context in [HRTIMER, SOFTIRQ_NET_RX, HARDIRQ | DISK] {
        check_event(context, 0, 0, [None; 5]);
    }
}

#[test]
fn a_span_of_an_earlier_capture_lacks_what_was_not_recorded_then() {
    let earlier = earlier::Span {
        kind: earlier::Span::KIND as u32,
        tid: 7,
        process: 1,
        off_ns: 10,
        woken_ns: 20,
        on_ns: 30,
        syscall: 232,
        flags: 4,
        arguments: [9, 8],
        waker_process: 2,
        waker_tid: 6,
        user_stack: 3,
        kernel_stack: -1,
        ..earlier::Span::default()
    };
    let waker = Waker { process: 2, tid: 6, ..Waker::default() };
    let now = Span {
        kind: Span::KIND as u32,
        tid: 7,
        process: 1,
        off_ns: 10,
        woken_ns: 20,
        on_ns: 30,
        syscall: 232,
        flags: 4,
        cpu: 1,
        arguments: [9, 8],
        waker,
        user_stack: 3,
        kernel_stack: -1,
        deadline_ns: 25,
    };
    let read = |event: &[u8]| match Reader::default().record(event) {
        Some(Record::Span(span)) => span,
        other => panic!("{other:?}"),
    };
    let before = read(bytes(&earlier));
    assert_eq!((before.cpu, before.deadline_ns), (None, None));
    let with = crate::span::Span { cpu: Some(1), deadline_ns: Some(25), ..before };
    assert_eq!(with, read(bytes(&now)));
    assert_eq!(stacks(bytes(&earlier)), Some((7, 3, -1)));
    let kind = earlier::SpanByOutsider::KIND as u32;
    let span = earlier::Span { kind, waker_process: 0, ..earlier };
    let by = earlier::SpanByOutsider { span, stranger: *b"bash\0\0\0\0\0\0\0\0\0\0\0\0" };
    check(&[bytes(&by)], "6=bash span |");
}

/// An interval that a task which is no target has ended.
fn by_outsider(tid: u32, name: &[u8]) -> SpanByOutsider {
    let mut stranger = [0; 16];
    stranger[..name.len()].copy_from_slice(name);
    let kind = SpanByOutsider::KIND as u32;
    let span = Span {
        kind,
        user_stack: -1,
        kernel_stack: -1,
        woken_ns: 1,
        waker: Waker { tid, ..Waker::default() },
        ..Span::default()
    };
    SpanByOutsider { span, stranger }
}

/// One that was forgotten would be no event, or no record.
#[test]
fn every_kind_has_a_size_and_a_record() {
    for kind in abi::event::Kind::ALL {
        let number = *kind as u32;
        let len = super::size_bytes(number).unwrap_or_else(|| panic!("{kind:?} is not listed"));
        let event = [&number.to_le_bytes(), vec![0; len - 4].as_slice()].concat();
        assert!(Reader::default().record(&event).is_some(), "{kind:?} becomes no record");
    }
}
