//! Sockets: what each process moved over them, their ends, and which of them the probes' tables can forget.

use std::collections::{HashMap, HashSet};

use abi::{
    sockets::{IPPROTO_UDP, SOCKET_USE_SLOTS, Socket, SocketBytes, SocketKey, SocketUse, without_turn},
    target::Process,
};
use anyhow::{Context as _, Result};
use aya::{
    Ebpf,
    maps::{MapData, PerCpuArray, Queue},
};

use crate::{
    clock::now_ns,
    collect::{
        drain::{Meanwhile, Sink, bursts::Pending, totals},
        maps::{MappedArray, open},
    },
};
use capture::{Record, Writer};

use super::{bypass, open::Open, open_counter, room::Room};
use crate::collect::maps::Table;

/// The maps of sockets, and what of them is in the capture already.
pub struct Sockets {
    ends: Table<u64, Socket>,
    uses: MappedArray,
    use_of: Table<SocketKey, u32>,
    free_uses: Queue<MapData, u32>,
    established: Table<u64, u64>,
    described: PerCpuArray<MapData, u64>,
    /// Until the probes are detached.
    pub bursts: Option<Pending>,
    /// In both tables, which are of one size.
    room: Room,
    written: HashMap<SocketKey, (u64, u64)>,
    /// How many uses and sockets the last sweep has left in the tables.
    pub swept_uses: usize,
    pub swept_sockets: usize,
}

impl Sockets {
    pub fn new(ebpf: &Ebpf) -> Result<Self> {
        Ok(Self {
            ends: Table::open(ebpf, "SOCKETS")?,
            uses: MappedArray::new(ebpf, "SOCKET_USES", size_of::<SocketUse>())?,
            use_of: Table::open(ebpf, "USE_OF")?,
            free_uses: open(ebpf, "FREE_USES")?.try_into()?,
            established: Table::open(ebpf, "ESTABLISHED")?,
            described: open_counter(ebpf, "NEW_SOCKETS")?,
            bursts: Some(Pending::new(ebpf)?),
            room: Room::of(SOCKET_USE_SLOTS),
            written: HashMap::new(),
            swept_uses: 0,
            swept_sockets: 0,
        })
    }

    /// Writes what changed, and forgets what has ended; `ended` are processes that made their last call.
    /// `meanwhile` is done after each.
    pub fn write<W: Sink>(
        &mut self,
        out: &mut W,
        ended: &[(u32, Process)],
        meanwhile: &mut Meanwhile<W>,
    ) -> Result<()> {
        let described = self.described()?;
        // Ends first: once a socket is closed, its bytes are final, but for those of a thread that goes on without a pause after a
        // burst while another one has closed it.
        let mut ends = HashMap::<u64, Socket>::new();
        for (cookie, socket) in self.ends.read_with(|| meanwhile(out))? {
            ends.insert(cookie, socket);
            meanwhile(out)?;
        }
        let pending = self.bursts.as_ref().map_or_else(|| Ok(HashSet::new()), Pending::sockets)?;
        let is_final = |cookie: &u64, socket: &Socket| socket.closed_ns != 0 && !pending.contains(cookie);
        // Received bytes of each socket that was used, over all processes.
        let mut used = HashMap::<u64, u64>::new();
        let mut users = HashMap::<u64, u32>::new();
        let mut gone = Vec::new();
        for (slot, SocketUse { key, bytes, .. }) in uses(&self.uses) {
            meanwhile(out)?;
            *used.entry(key.cookie).or_default() += bytes.rx_bytes;
            *users.entry(key.cookie).or_default() += 1;
            let socket = ends.get(&key.cookie);
            let closed_ns = socket.map_or(0, |socket| socket.closed_ns);
            let now = (bytes.rx_bytes + bytes.tx_bytes, closed_ns);
            if self.written.get(&key) != Some(&now) {
                out.push(&Record::SocketTotals(totals::socket(now_ns(), &key, &bytes, socket)))?;
            }
            // A connection may outlive its process, and is kept until the kernel closes it. UDP has no such moment.
            let is_udp = socket.is_none_or(|socket| socket.protocol == IPPROTO_UDP);
            if socket.is_some_and(|socket| is_final(&key.cookie, socket))
                || is_udp && ended.iter().any(|(_, process)| process.serial == key.process)
            {
                gone.push((slot, key));
            } else {
                self.written.insert(key, now);
            }
        }
        let mut left_ends = ends.len();
        for (cookie, socket) in ends.iter().filter(|(cookie, socket)| is_final(cookie, socket)) {
            meanwhile(out)?;
            bypass::write_closed(*cookie, socket, used.get(cookie).copied().unwrap_or(0), out)?;
            if used.contains_key(cookie) {
                continue;
            }
            // A connection that nothing was sent over: begin and end are all there is.
            let key = SocketKey { cookie: *cookie, process: socket.process };
            let totals = totals::socket(now_ns(), &key, &SocketBytes::default(), Some(socket));
            out.push(&Record::SocketTotals(totals))?;
            self.ends.remove(cookie)?;
            left_ends -= 1;
        }
        let left_uses = users.values().sum::<u32>() as usize - gone.len();
        for (slot, key) in gone {
            meanwhile(out)?;
            self.written.remove(&key);
            self.give_back(slot, &key)?;
            // Others that inherited the socket go on with its ends.
            if let Some(left) = users.get_mut(&key.cookie) {
                *left -= 1;
                if *left == 0 && ends.contains_key(&key.cookie) {
                    self.ends.remove(&key.cookie)?;
                    left_ends -= 1;
                }
            }
        }
        (self.swept_uses, self.swept_sockets) = (left_uses, left_ends);
        self.room.swept(described, left_uses.max(left_ends));
        Ok(())
    }

    /// Of the table of sockets.
    pub fn capacity(&self) -> u64 {
        self.ends.capacity()
    }

    /// The counts of a use, to be added to once no probe runs any more.
    pub fn counts(&mut self, key: SocketKey) -> Option<&mut SocketBytes> {
        let (slot, _) = uses(&self.uses).find(|(_, found)| found.key == key)?;
        // SAFETY: in bounds, and borrowed as long as this; no probe writes any more.
        Some(unsafe { &mut (*self.uses.at(slot).cast::<SocketUse>()).bytes })
    }

    /// Sweeps, if so many sockets came since the last time that the tables could be full before the next.
    pub fn make_room<W: Sink>(&mut self, out: &mut W, meanwhile: &mut Meanwhile<W>) -> Result<()> {
        if self.room.is_needed(self.described()?) { self.write(out, &[], meanwhile) } else { Ok(()) }
    }

    /// How many elements of both tables were handed out so far.
    fn described(&self) -> Result<u64> {
        Ok(self.described.get(&0, 0).context("read NEW_SOCKETS")?.iter().sum())
    }

    /// Writes what connections that were open at the end have received past the calls that are counted.
    pub fn write_open(&self, mut open: Vec<Open>, out: &mut Writer) -> Result<()> {
        let mut counted = HashMap::<u64, u64>::new();
        // Of a socket that was connected again, the last time.
        let mut last = HashMap::<u64, u64>::new();
        for (_, SocketUse { key, bytes, .. }) in uses(&self.uses) {
            *counted.entry(key.cookie).or_default() += bytes.rx_bytes;
            keep_last(&mut last, key.cookie);
        }
        // Also of what was only spliced since: it has ends, and no use.
        for (cookie, _) in self.ends.read()? {
            keep_last(&mut last, cookie);
        }
        for one in &mut open {
            one.cookie = last.get(&one.cookie).copied().unwrap_or(one.cookie);
        }
        bypass::write_open(open, &self.ends, &self.established, &counted, out)
    }

    /// Makes room for another use. Whoever made the calls has ended, or the socket has: nobody counts here any more.
    fn give_back(&mut self, slot: u32, key: &SocketKey) -> Result<()> {
        self.use_of.remove(key)?;
        // SAFETY: in bounds; the probes leave alone what has no key.
        unsafe { self.uses.at(slot).cast::<SocketUse>().write_volatile(SocketUse::default()) };
        self.free_uses.push(slot, 0).context("give back the place of a socket")
    }
}

/// Keeps the cookie of the last turn of each socket.
fn keep_last(last: &mut HashMap<u64, u64>, cookie: u64) {
    let last = last.entry(without_turn(cookie)).or_default();
    *last = cookie.max(*last);
}

/// Every element that is somebody's, but for those whose first call is being counted just now: the next sweep has them.
fn uses(elements: &MappedArray) -> impl Iterator<Item = (u32, SocketUse)> + '_ {
    (1..SOCKET_USE_SLOTS).filter_map(|slot| {
        let element = elements.at(slot).cast::<SocketUse>();
        // SAFETY: in bounds; every field is a plain integer, and one that changes meanwhile is read before or
        // after. The cookie alone first: nearly all elements are free.
        unsafe {
            let is_free = (&raw const (*element).key.cookie).read_volatile() == 0;
            (!is_free).then(|| (slot, element.read_volatile())).filter(|(_, found)| found.bytes.is_counted())
        }
    })
}
