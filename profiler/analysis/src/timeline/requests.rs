//! Requests that disks did, and on whose behalf.

use serde::{Deserialize, Serialize};

use crate::{
    rows::{Codec, Row},
    timeline::{DeviceId, OutsiderIndex},
};
use capture::ProcessSerial;

/// On whose behalf.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Requester {
    Process(ProcessSerial),
    Outsider(OutsiderIndex),
    /// A thread of the kernel: for whom is not known.
    Kernel(OutsiderIndex),
}

/// Requests of one requester, on one CPU, within a ms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Requests {
    pub device: DeviceId,
    pub by: Requester,
    pub bytes: u64,
    /// The first came to the disk's queue.
    pub queued_ns: u64,
    /// The first was issued to the disk.
    pub issued_ns: u64,
    /// The last was completed.
    pub last_ns: u64,
}

impl Row for Requests {
    fn at_ns(&self) -> u64 {
        self.last_ns
    }

    fn code(&mut self, before: &Self, codec: &mut impl Codec) {
        let Self { device, by, bytes, queued_ns, issued_ns, last_ns } = self;
        codec.step32(&mut device.major, before.device.major);
        codec.step32(&mut device.minor, before.device.minor);
        codec.like(by, before.by);
        codec.step(bytes, before.bytes);
        codec.step(queued_ns, before.last_ns);
        codec.step(issued_ns, before.last_ns);
        codec.step(last_ns, before.last_ns);
    }
}
