//! Block devices, for the whole host.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use capture::{DeviceTotals, Disk, Operation, Partition};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeviceId {
    pub major: u32,
    pub minor: u32,
}

/// What bytes went to: a disk, or one of its partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Volume {
    pub disk: DeviceId,
    /// `None` for the disk as a whole.
    pub partition: Option<DeviceId>,
}

#[derive(Debug, Default, PartialEq)]
pub struct Device {
    /// Missing if it came after the recording began.
    pub disk: Option<Disk>,
    /// Itself, or those of its partitions, on which another device sits. Nothing in older captures.
    pub held: BTreeSet<DeviceId>,
    pub totals: BTreeMap<Operation, DeviceTotals>,
}

impl DeviceId {
    pub(super) fn of(disk: &Disk) -> Self {
        Self { major: disk.major, minor: disk.minor }
    }
}

impl Volume {
    pub(super) fn of(major: u32, minor: u32, partition: Option<Partition>) -> Self {
        let partition = partition.map(|Partition { major, minor }| DeviceId { major, minor });
        Self { disk: DeviceId { major, minor }, partition }
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

impl Device {
    /// Whether bytes of it show on another device as well, and are counted there.
    pub fn below_another(&self) -> bool {
        self.disk.as_ref().is_some_and(|disk| disk.below_another)
    }

    /// Whether those of this part of it do. Where only the disk is known to be below another, all of it is.
    pub fn is_below(&self, volume: &Volume) -> bool {
        let part = volume.partition.unwrap_or(volume.disk);
        if self.held.is_empty() { self.below_another() } else { self.held.contains(&part) }
    }
}
