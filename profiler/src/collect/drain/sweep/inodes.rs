//! Files: what changed since the last record of each, and which of them the kernel's tables can forget.

use abi::{
    disk::WRITE,
    owners::{InodeIo, InodeIoKey, InodeKey, InodeUse, InodeUseKey, OTHERS},
};
use anyhow::Result;
use aya::Ebpf;
use foldhash::{HashMap, HashMapExt as _};

use crate::{
    clock::now_ns,
    collect::drain::{Meanwhile, Sink, totals},
};
use capture::Record;

use crate::collect::maps::Table;

/// A file that nobody has touched for so long is forgotten if all that was dirtied is on a device.
const SETTLED_NS: u64 = 5_000_000_000;

/// And otherwise after this time: a deleted file's pages are never written.
const FORGOTTEN_NS: u64 = 300_000_000_000;

/// Of this daemon's time at most one part in so many goes into reading the tables, however many files there are.
const PARTS: u64 = 50;

/// The maps of files, and what of them is in the capture already.
pub struct Inodes {
    uses: Table<InodeUseKey, InodeUse>,
    io: Table<InodeIoKey, InodeIo>,
    written_uses: HashMap<InodeUseKey, InodeUse>,
    written_io: HashMap<InodeIoKey, InodeIo>,
    changed_ns: HashMap<Topic, u64>,
    due_ns: u64,
}

/// What is forgotten together: a file with all its users, by the entry that makes it known; and of pages that are no
/// file's each process by itself, because together they are never out of use.
type Topic = (InodeKey, u64);

fn topic(key: &InodeUseKey) -> Topic {
    let user = if key.inode == InodeKey::NO_FILE { key.process } else { OTHERS };
    (key.inode, user)
}

impl Inodes {
    pub fn new(ebpf: &Ebpf) -> Result<Self> {
        Ok(Self {
            uses: Table::open(ebpf, "INODE_USES")?,
            io: Table::open(ebpf, "INODE_IO")?,
            written_uses: HashMap::new(),
            written_io: HashMap::new(),
            changed_ns: HashMap::new(),
            due_ns: 0,
        })
    }

    /// Like [`Inodes::write`], but not too often.
    pub fn write_if_due<W: Sink>(&mut self, out: &mut W, meanwhile: &mut Meanwhile<W>) -> Result<()> {
        let began_ns = now_ns();
        if began_ns < self.due_ns {
            return Ok(());
        }
        self.write(out, meanwhile)?;
        self.forget(began_ns, out, meanwhile)?;
        let ended_ns = now_ns();
        self.due_ns = ended_ns + (ended_ns - began_ns) * PARTS;
        Ok(())
    }

    /// Writes what changed since the last time. `meanwhile` is done after each.
    pub fn write<W: Sink>(&mut self, out: &mut W, meanwhile: &mut Meanwhile<W>) -> Result<()> {
        let at_ns = now_ns();
        for (key, now) in self.uses.read_with(|| meanwhile(out))? {
            meanwhile(out)?;
            let before = self.written_uses.insert(key, now).unwrap_or_else(|| {
                self.changed_ns.entry(topic(&key)).or_insert(at_ns);
                InodeUse::default()
            });
            let since_last = InodeUse {
                cached_bytes: now.cached_bytes - before.cached_bytes,
                dirtied_bytes: now.dirtied_bytes - before.dirtied_bytes,
            };
            if since_last.cached_bytes + since_last.dirtied_bytes > 0 {
                self.changed_ns.insert(topic(&key), at_ns);
                out.push(&Record::InodeUse(totals::inode_use(at_ns, &key, &since_last)))?;
            }
        }
        for (key, now) in self.io.read_with(|| meanwhile(out))? {
            meanwhile(out)?;
            let before = self.written_io.insert(key, now).unwrap_or_default();
            let since_last = InodeIo { bytes: now.bytes - before.bytes, bios: now.bios - before.bios };
            if since_last.bios > 0 {
                self.changed_ns.insert((key.inode, OTHERS), at_ns);
                out.push(&Record::InodeIo(totals::inode_io(at_ns, &key, &since_last)))?;
            }
        }
        Ok(())
    }

    /// How many users of files, and files on devices, are in the tables.
    pub fn entries(&self) -> (usize, usize) {
        (self.written_uses.len(), self.written_io.len())
    }

    /// How many of each have a place.
    pub fn capacities(&self) -> (u64, u64) {
        (self.uses.capacity(), self.io.capacity())
    }

    /// Makes room in the kernel's tables. A file that is used again later is counted on.
    fn forget<W: Sink>(&mut self, now_ns: u64, out: &mut W, meanwhile: &mut Meanwhile<W>) -> Result<()> {
        let idle_ns = |topic: &Topic| now_ns.saturating_sub(self.changed_ns[topic]);
        if !self.changed_ns.keys().any(|topic| idle_ns(topic) >= SETTLED_NS) {
            return Ok(());
        }
        let unwritten = self.unwritten_bytes();
        let is_over = |topic: &Topic| match unwritten.get(&topic.0) {
            Some(bytes) if *bytes > 0 => idle_ns(topic) >= FORGOTTEN_NS,
            _ => idle_ns(topic) >= SETTLED_NS,
        };
        let over: Vec<Topic> = self.changed_ns.keys().copied().filter(is_over).collect();
        for (inode, process) in over {
            meanwhile(out)?;
            self.changed_ns.remove(&(inode, process));
            // The entry that makes it known goes first: a target that uses it meanwhile makes all of them anew.
            self.uses.remove(&InodeUseKey { inode, process })?;
        }
        let Self { uses, io, written_uses, written_io, changed_ns, .. } = self;
        for (key, _) in written_uses.extract_if(|key, _| !changed_ns.contains_key(&topic(key))) {
            meanwhile(out)?;
            if key.process != OTHERS {
                uses.remove(&key)?;
            }
        }
        for (key, _) in written_io.extract_if(|key, _| !changed_ns.contains_key(&(key.inode, OTHERS))) {
            meanwhile(out)?;
            io.remove(&key)?;
        }
        Ok(())
    }

    /// Of each file: what was dirtied less what the device wrote that wrote most.
    fn unwritten_bytes(&self) -> HashMap<InodeKey, u64> {
        let mut unwritten: HashMap<InodeKey, u64> = HashMap::new();
        for (key, bytes) in self.written_uses.iter().filter(|(key, _)| key.inode != InodeKey::NO_FILE) {
            *unwritten.entry(key.inode).or_default() += bytes.dirtied_bytes;
        }
        let mut most: HashMap<InodeKey, u64> = HashMap::new();
        for (key, bytes) in self.written_io.iter().filter(|(key, _)| key.device.operation == WRITE) {
            let most = most.entry(key.inode).or_default();
            *most = (*most).max(bytes.bytes);
        }
        for (inode, written) in most {
            let rest = unwritten.entry(inode).or_default();
            *rest = rest.saturating_sub(written);
        }
        unwritten
    }
}
