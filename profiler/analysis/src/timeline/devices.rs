//! Block devices, for the whole host.

use std::{collections::BTreeMap, fmt};

use capture::{DeviceTotals, Disk, Operation};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeviceId {
    pub major: u32,
    pub minor: u32,
}

#[derive(Debug, Default, PartialEq)]
pub struct Device {
    /// Missing if it came after the recording began.
    pub disk: Option<Disk>,
    pub totals: BTreeMap<Operation, DeviceTotals>,
}

impl DeviceId {
    pub(super) fn of(disk: &Disk) -> Self {
        Self { major: disk.major, minor: disk.minor }
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

impl Device {
    /// Whether its bytes show on another device as well, and are counted there.
    pub fn below_another(&self) -> bool {
        self.disk.as_ref().is_some_and(|disk| disk.below_another)
    }
}
