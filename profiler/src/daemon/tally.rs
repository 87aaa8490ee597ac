//! Adds up by target what the sweeps hand over. Nothing is counted twice, and no sum ever falls: a process whose target is
//! not known yet is in none.

use std::collections::{BTreeMap, HashMap};

use anyhow::Result;
use capture::{Operation, Partition, ProcessSerial, ProcessTotals, Record};

use super::status::{DeviceStatus, Moved};
use crate::collect::drain::Sink;

/// How long a process is remembered after its end, for what is written of its bytes later.
const REMEMBERED_NS: u64 = 60_000_000_000;

/// And how many at most: the most recent of a storm are forgotten with all others.
const REMEMBERED: usize = 8192;

/// Sums since the collector's start.
pub struct Tally {
    /// By target, and last what fits none: of processes that are forgotten.
    ended: Vec<Sum>,
    /// By serial.
    processes: HashMap<u64, Process>,
    /// The last one that had the id: ids are reused.
    serial_of: HashMap<u32, u64>,
    devices: BTreeMap<(u32, u32, bool), DeviceStatus>,
}

/// Of one target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    pub processes: u64,
    pub processes_seen: u64,
    pub moved: Moved,
}

/// A process as the records of it say.
struct Process {
    id: Id,
    target: Option<usize>,
    exited_ns: Option<u64>,
    moved: Moved,
    /// What was added last, of counts that are per socket or per device.
    retransmits: HashMap<u64, u64>,
    submitted: HashMap<(u32, u32, Option<Partition>, bool), u64>,
}

/// What a process's target is told by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Id {
    pub pid: u32,
    pub parent_pid: u32,
    pub comm: String,
}

impl Tally {
    pub fn new(targets: usize) -> Self {
        Self {
            ended: vec![Sum::default(); targets + 1],
            processes: HashMap::new(),
            serial_of: HashMap::new(),
            devices: BTreeMap::new(),
        }
    }

    /// Moves the sums to where their targets are in another configuration of so many: by the old place the new one. Processes of
    /// targets that are gone have none for now, unless they have ended: what they moved counts for whom they are given to.
    pub fn replace_targets(&mut self, places: &[Option<usize>], targets: usize) {
        let place = |old: usize| if old == places.len() { Some(targets) } else { places[old] };
        let mut ended = vec![Sum::default(); targets + 1];
        for (old, sum) in self.ended.iter().enumerate() {
            if let Some(new) = place(old) {
                ended[new] = *sum;
            }
        }
        self.ended = ended;
        self.processes.retain(|_, one| {
            let before = one.target;
            one.target = before.and_then(place);
            let is_gone = before.is_some() && one.target.is_none();
            !is_gone || one.exited_ns.is_none()
        });
    }

    /// Whether a process has no target yet.
    pub fn has_open(&self) -> bool {
        self.processes.values().any(|one| one.target.is_none())
    }

    /// Gives a target to each process that has none. `target_of` may ask for the target of another process by its id, and
    /// gives `None` for what fits none.
    pub fn assign(&mut self, target_of: impl Fn(&Id, &dyn Fn(u32) -> Option<usize>) -> Option<usize>) {
        let nobody = self.ended.len() - 1;
        let open = self.processes.iter().filter(|(_, one)| one.target.is_none());
        let mut open: Vec<(u64, Id)> = open.map(|(serial, one)| (*serial, one.id.clone())).collect();
        // Parents come before their children.
        open.sort_unstable_by_key(|(serial, _)| *serial);
        for (serial, id) in open {
            let of_pid = |pid: u32| {
                let target = self.processes.get(self.serial_of.get(&pid)?)?.target;
                target.filter(|target| *target != nobody)
            };
            let target = target_of(&id, &of_pid).unwrap_or(nobody);
            self.processes.entry(serial).and_modify(|one| one.target = Some(target));
        }
    }

    /// Puts what ended long ago to its target's sum, for good. To be called when all have a target.
    pub fn forget(&mut self, now_ns: u64) {
        let nobody = self.ended.len() - 1;
        let patience_ns = if self.processes.len() > REMEMBERED { 0 } else { REMEMBERED_NS };
        let is_over = |one: &Process| {
            one.target.is_some()
                && one.exited_ns.is_some_and(|at_ns| now_ns.saturating_sub(at_ns) >= patience_ns)
        };
        for (serial, one) in self.processes.extract_if(|_, one| is_over(one)) {
            let sum = &mut self.ended[one.target.unwrap_or(nobody)];
            sum.processes_seen += 1;
            add(&mut sum.moved, &one.moved);
            if self.serial_of.get(&one.id.pid) == Some(&serial) {
                self.serial_of.remove(&one.id.pid);
            }
        }
    }

    /// The ids of a target's processes, of those too that ended lately.
    pub fn pids_of(&self, target: usize) -> Vec<u32> {
        self.processes.values().filter(|one| one.target == Some(target)).map(|one| one.id.pid).collect()
    }

    /// Whether records of a process still count. Those of one that ended long ago, as of a connection that others have
    /// inherited, do not.
    pub fn knows(&self, serial: u64) -> bool {
        self.processes.contains_key(&serial)
    }

    /// By target, and last what fits none.
    pub fn sums(&self) -> Vec<Sum> {
        let mut sums = self.ended.clone();
        for one in self.processes.values() {
            let Some(target) = one.target else { continue };
            sums[target].processes += u64::from(one.exited_ns.is_none());
            sums[target].processes_seen += 1;
            add(&mut sums[target].moved, &one.moved);
        }
        sums
    }

    /// Each direction of each device of the host, with its number as its name.
    pub fn devices(&self) -> impl Iterator<Item = &DeviceStatus> {
        self.devices.values()
    }

    fn totals(&mut self, totals: &ProcessTotals) {
        let serial = totals.process.0;
        let process = self.processes.entry(serial).or_insert_with(|| Process {
            id: Id { pid: totals.pid, parent_pid: totals.parent_pid, comm: totals.comm.clone() },
            target: None,
            exited_ns: None,
            moved: Moved::default(),
            retransmits: HashMap::new(),
            submitted: HashMap::new(),
        });
        process.exited_ns = totals.exited_ns;
        process.moved = Moved {
            tcp_rx_bytes: totals.tcp_rx_bytes,
            tcp_tx_bytes: totals.tcp_tx_bytes,
            udp_rx_bytes: totals.udp_rx_bytes,
            udp_tx_bytes: totals.udp_tx_bytes,
            peer_rx_bytes: totals.peer_rx_bytes,
            peer_tx_bytes: totals.peer_tx_bytes,
            ..process.moved
        };
        let last = self.serial_of.entry(totals.pid).or_default();
        *last = serial.max(*last);
    }

    /// Adds to what a process moved, if it is known.
    fn of(&mut self, process: ProcessSerial, add: impl FnOnce(&mut Process)) {
        self.processes.entry(process.0).and_modify(add);
    }
}

impl Sink for Tally {
    fn push(&mut self, record: &Record) -> Result<()> {
        match record {
            Record::ProcessTotals(totals) => self.totals(totals),
            Record::SocketTotals(totals) => {
                if let Some(ends) = &totals.ends {
                    self.of(totals.process, |process| {
                        let before = process.retransmits.insert(totals.cookie, ends.retransmits).unwrap_or(0);
                        process.moved.retransmits += ends.retransmits.saturating_sub(before);
                        if ends.closed.is_some() || ends.retransmits == 0 {
                            process.retransmits.remove(&totals.cookie);
                        }
                    });
                }
            }
            Record::Bypassed(bypassed) => {
                self.of(bypassed.process, |process| process.moved.bypassed_rx_bytes += bypassed.bytes);
            }
            Record::InodeUse(used) => {
                if let Some(serial) = used.process {
                    self.of(serial, |process| process.moved.dirtied_bytes += used.dirtied_bytes);
                }
            }
            Record::CreditTotals(credit) => self.of(credit.process, |process| {
                let is_write = credit.operation == Operation::Write;
                let before = process
                    .submitted
                    .insert((credit.major, credit.minor, credit.partition, is_write), credit.bytes);
                let since = credit.bytes.saturating_sub(before.unwrap_or(0));
                match is_write {
                    true => process.moved.submitted_written_bytes += since,
                    false => process.moved.submitted_read_bytes += since,
                }
            }),
            Record::DeviceTotals(device) => {
                let is_write = device.operation == Operation::Write;
                let status = DeviceStatus {
                    device: format!("{}:{}", device.major, device.minor),
                    operation: if is_write { "write" } else { "read" }.to_owned(),
                    bytes: device.bytes,
                    requests: device.requests,
                    errors: device.errors,
                };
                self.devices.insert((device.major, device.minor, is_write), status);
            }
            // Of recordings.
            _ => {}
        }
        Ok(())
    }
}

fn add(sum: &mut Moved, more: &Moved) {
    sum.tcp_rx_bytes += more.tcp_rx_bytes;
    sum.tcp_tx_bytes += more.tcp_tx_bytes;
    sum.udp_rx_bytes += more.udp_rx_bytes;
    sum.udp_tx_bytes += more.udp_tx_bytes;
    sum.peer_rx_bytes += more.peer_rx_bytes;
    sum.peer_tx_bytes += more.peer_tx_bytes;
    sum.bypassed_rx_bytes += more.bypassed_rx_bytes;
    sum.retransmits += more.retransmits;
    sum.dirtied_bytes += more.dirtied_bytes;
    sum.submitted_read_bytes += more.submitted_read_bytes;
    sum.submitted_written_bytes += more.submitted_written_bytes;
}

#[cfg(test)]
mod tests;
