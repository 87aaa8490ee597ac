//! Events as the probes wrote them, and the records that they become when a capture is read.

pub mod drops;
mod earlier_workers;
mod send_queue;
pub mod spans;
mod timers;
mod traffic;

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    slice,
};

use abi::{
    arrival::Arrival,
    disk,
    drops::Dropped,
    earlier,
    event::{self, Kind},
    occupancy::OutsideRun,
    payload::Payload,
    progress::Progress,
    requests::DiskRequests,
    retransmits::Retransmit,
    send_queue::SendQueue,
    sockets::AF_INET,
    span::{Span, SpanByOutsider},
    timers::TimerSet,
};

use crate::{Operation, ProcessSerial, Record, comm_text};

/// Bytes of an event of a kind; `None` if it is not known.
pub fn size_bytes(number: u32) -> Option<usize> {
    KINDS.iter().find(|(kind, _, _)| *kind as u32 == number).map(|(_, _, len)| *len)
}

pub fn is_known(number: u32) -> bool {
    size_bytes(number).is_some()
}

/// The first event of some; `None` if its kind is not known or it is not whole.
pub fn first(events: &[u8]) -> Option<&[u8]> {
    size_bytes(u32::from_ne_bytes(*events.first_chunk()?)).and_then(|len| events.get(..len))
}

/// Every kind, as the start of a capture lists them.
pub fn kinds() -> impl Iterator<Item = crate::Kind> {
    KINDS.iter().map(|(kind, name, len)| crate::Kind {
        number: *kind as u32,
        name: (*name).to_owned(),
        size_bytes: *len as u32,
    })
}

const KINDS: [(Kind, &str, usize); 14] = [
    kind::<Span>("span"),
    kind::<SpanByOutsider>("span_by_outsider"),
    kind::<earlier::Span>("earlier_span"),
    kind::<earlier::SpanByOutsider>("earlier_span_by_outsider"),
    kind::<Payload>("payload"),
    kind::<Arrival>("arrival"),
    kind::<Progress>("progress"),
    kind::<SendQueue>("send_queue"),
    kind::<earlier::SendQueue>("earlier_send_queue"),
    kind::<TimerSet>("timer_set"),
    kind::<Dropped>("dropped"),
    kind::<DiskRequests>("disk_requests"),
    kind::<OutsideRun>("outside_run"),
    kind::<Retransmit>("retransmit"),
];

const fn kind<T: event::Event>(name: &'static str) -> (Kind, &'static str, usize) {
    (T::KIND, name, size_of::<T>())
}

/// An event as the probes write it.
pub fn bytes<T: event::Event>(event: &T) -> &[u8] {
    // SAFETY: plain integers without padding.
    unsafe { slice::from_raw_parts((&raw const *event).cast(), size_of::<T>()) }
}

/// Thread id, user stack and kernel stack of a off-CPU interval that has stacks.
pub fn stacks(event: &[u8]) -> Option<(u32, i32, i32)> {
    let (span, _) = raw_span(event)?;
    (span.user_stack >= 0 || span.kernel_stack >= 0).then_some((span.tid, span.user_stack, span.kernel_stack))
}

/// Makes records of the events of one capture.
#[derive(Default)]
pub struct Reader {
    /// The command names of wakers that are no targets, as records have told them.
    outside_wakers: HashMap<u32, [u8; 16]>,
    /// What the last event tells besides.
    second: Option<Record>,
}

impl Reader {
    /// What the last event tells besides its first record.
    pub fn second(&mut self) -> Option<Record> {
        self.second.take()
    }

    /// The record of an event, as [`first`] gives it.
    pub fn record(&mut self, event: &[u8]) -> Option<Record> {
        if let Some((span, stranger)) = raw_span(event) {
            let record = Record::Span(spans::span(&span, stranger));
            let tid = span.waker.tid;
            // The idle task has no id.
            let Some(stranger) = stranger.filter(|_| tid != 0) else { return Some(record) };
            if self.outside_wakers.insert(tid, stranger) == Some(stranger) {
                return Some(record);
            }
            self.second = Some(record);
            return Some(Record::OutsideWaker(spans::stranger(tid, &stranger)));
        }
        if let Some(payload) = raw::<Payload>(event) {
            self.second = traffic::arrived(&payload).map(Record::Arrival);
            return Some(Record::Payload(traffic::payload(&payload)));
        }
        raw(event)
            .map(|arrival| Record::Arrival(traffic::arrival(&arrival)))
            .or_else(|| raw(event).map(|raw| Record::Progress(progress(&raw))))
            .or_else(|| raw(event).map(|raw| Record::SendQueue(send_queue::send_queue(&raw))))
            .or_else(|| {
                raw(event)
                    .map(|raw: earlier::SendQueue| Record::SendQueue(send_queue::send_queue(&raw.into())))
            })
            .or_else(|| raw(event).map(|raw| Record::TimerSet(timers::set(&raw))))
            .or_else(|| raw(event).map(|raw| Record::Drops(drops::dropped(&raw))))
            .or_else(|| raw(event).map(|raw| Record::Retransmit(retransmit(&raw))))
            .or_else(|| raw(event).map(|raw| Record::DiskRequests(disk_requests(&raw))))
            .or_else(|| raw(event).map(|raw| Record::OutsideRun(outside_run(&raw))))
    }
}

/// The span of an event of any layout, with the command name of a waker that is no target.
fn raw_span(event: &[u8]) -> Option<(Span, Option<[u8; 16]>)> {
    let plain = |span: Span| (span, None);
    let by = |SpanByOutsider { span, stranger }| (span, Some(stranger));
    let earlier = |span: earlier::Span| (span.into(), None);
    let earlier_by = |by: earlier::SpanByOutsider| (by.span.into(), Some(by.stranger));
    raw(event)
        .map(plain)
        .or_else(|| raw(event).map(by))
        .or_else(|| raw(event).map(earlier))
        .or_else(|| raw(event).map(earlier_by))
}

/// The event, if it is of this kind.
fn raw<T: event::Event>(event: &[u8]) -> Option<T> {
    let is_one = event.len() == size_of::<T>()
        && event.first_chunk().is_some_and(|kind| u32::from_ne_bytes(*kind) == T::KIND as u32);
    // SAFETY: of that size, and any bit pattern is an event; it may stand anywhere.
    is_one.then(|| unsafe { event.as_ptr().cast::<T>().read_unaligned() })
}

fn progress(raw: &Progress) -> crate::Progress {
    crate::Progress {
        at_ns: raw.at_ns,
        process: ProcessSerial(raw.process),
        cookie: raw.cookie,
        tid: raw.tid,
        rx_bytes: raw.peer_rx_bytes,
        tx_bytes: raw.peer_tx_bytes,
    }
}

fn retransmit(raw: &Retransmit) -> crate::Retransmit {
    let Retransmit { sequence, cookie, at_ns, past, .. } = *raw;
    crate::Retransmit { at_ns, cookie, sequence, past }
}

fn disk_requests(raw: &DiskRequests) -> crate::DiskRequests {
    let DiskRequests { major, minor, requests, bytes, queued_ns, issued_ns, first_ns, last_ns, by, .. } =
        *raw;
    crate::DiskRequests {
        major,
        minor,
        operation: if raw.operation == disk::READ { Operation::Read } else { Operation::Write },
        requests,
        bytes,
        queued_ns,
        issued_ns,
        first_ns,
        last_ns,
        process: nonzero(by.process).map(ProcessSerial),
        pid: by.tgid,
        by_kernel: by.by_kernel != 0,
        comm: comm_text(&by.comm),
    }
}

fn outside_run(raw: &OutsideRun) -> crate::OutsideRun {
    let OutsideRun { tgid: pid, cpu, from_ns, to_ns, ref comm, .. } = *raw;
    crate::OutsideRun { cpu, from_ns, to_ns, pid, comm: comm_text(comm) }
}

/// The end of a socket: addresses are in network byte order. An IPv4 peer of an IPv6 socket is shown as what it is.
pub fn address(family: u16, bytes: &[u8; 16], port: u16) -> SocketAddr {
    let ip = if family == AF_INET {
        IpAddr::from(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]))
    } else {
        IpAddr::from(Ipv6Addr::from(*bytes)).to_canonical()
    };
    SocketAddr::new(ip, port)
}

/// What the probes keep as 0 where there is nothing.
pub fn nonzero(value: u64) -> Option<u64> {
    (value != 0).then_some(value)
}

#[cfg(test)]
mod tests;
