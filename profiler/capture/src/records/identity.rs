//! Whose ids are whose: what is unique on one host only carries its host where captures can meet.

use super::Start;

/// A host during one boot, by `machine_id` and `boot_id`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId {
    machine: u128,
    boot: u128,
}

/// A network namespace, a socket's cookie, a thread's id: it means nothing on another host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OnHost<T> {
    pub host: HostId,
    pub id: T,
}

impl HostId {
    pub fn of<T>(self, id: T) -> OnHost<T> {
        OnHost { host: self, id }
    }
}

impl Start {
    /// The host that the capture is of. One without a machine id is told by its boot alone.
    pub fn host(&self) -> HostId {
        let number = |id: &str| u128::from_str_radix(&id.replace('-', ""), 16).unwrap_or_default();
        HostId { machine: number(&self.machine_id), boot: number(&self.boot_id) }
    }
}
