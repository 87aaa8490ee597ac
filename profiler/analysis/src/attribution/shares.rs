//! What a phase's time is divided into, by the names of the JSON report.

use serde::{Deserialize, Serialize};

use crate::attribution::cause::Cause;

/// What one piece of the active path was spent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Share {
    Network(Network),
    Disk,
    Cpu,
    CpuWait,
    Lock,
    Timer,
    Memory,
    Other,
}

/// What the network share was spent on. `Peer…` is what the peer's thread did before it sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Network {
    Link,
    Nagle,
    Cwnd,
    Pacing,
    PeerWindow,
    /// A lost segment, until the segment that was sent again had arrived.
    Retransmit,
    /// A datagram was dropped, until its sender tried again.
    Loss,
    PeerCpu,
    PeerCpuWait,
    PeerDisk,
    PeerTimer,
    PeerLock,
    PeerMemory,
    PeerOther,
    Unknown,
}

/// One value per share: ns, or parts of a phase.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq)]
pub struct Shares<T> {
    pub network: T,
    pub disk: T,
    pub cpu: T,
    pub cpu_wait: T,
    pub lock: T,
    pub timer: T,
    pub memory: T,
    pub other: T,
}

/// One value per part of the network share; they sum to it.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq)]
pub struct NetworkDetail<T> {
    pub link: T,
    pub nagle: T,
    pub cwnd: T,
    pub pacing: T,
    pub peer_window: T,
    /// Results up to November 2026 have neither.
    #[serde(default)]
    pub retransmit: T,
    #[serde(default)]
    pub loss: T,
    pub peer_cpu: T,
    pub peer_cpu_wait: T,
    pub peer_disk: T,
    pub peer_timer: T,
    pub peer_lock: T,
    pub peer_memory: T,
    pub peer_other: T,
    pub unknown: T,
}

impl<T: Copy> Shares<T> {
    pub fn named(&self) -> [(&'static str, T); 8] {
        [
            ("network", self.network),
            ("disk", self.disk),
            ("cpu", self.cpu),
            ("cpu_wait", self.cpu_wait),
            ("lock", self.lock),
            ("timer", self.timer),
            ("memory", self.memory),
            ("other", self.other),
        ]
    }

    pub fn map<U>(self, f: impl Fn(T) -> U) -> Shares<U> {
        Shares {
            network: f(self.network),
            disk: f(self.disk),
            cpu: f(self.cpu),
            cpu_wait: f(self.cpu_wait),
            lock: f(self.lock),
            timer: f(self.timer),
            memory: f(self.memory),
            other: f(self.other),
        }
    }

    pub fn value_mut(&mut self, share: Share) -> &mut T {
        match share {
            Share::Network(_) => &mut self.network,
            Share::Disk => &mut self.disk,
            Share::Cpu => &mut self.cpu,
            Share::CpuWait => &mut self.cpu_wait,
            Share::Lock => &mut self.lock,
            Share::Timer => &mut self.timer,
            Share::Memory => &mut self.memory,
            Share::Other => &mut self.other,
        }
    }
}

impl<T: Copy> NetworkDetail<T> {
    pub fn named(&self) -> [(&'static str, T); 15] {
        [
            ("link", self.link),
            ("nagle", self.nagle),
            ("cwnd", self.cwnd),
            ("pacing", self.pacing),
            ("peer_window", self.peer_window),
            ("retransmit", self.retransmit),
            ("loss", self.loss),
            ("peer_cpu", self.peer_cpu),
            ("peer_cpu_wait", self.peer_cpu_wait),
            ("peer_disk", self.peer_disk),
            ("peer_timer", self.peer_timer),
            ("peer_lock", self.peer_lock),
            ("peer_memory", self.peer_memory),
            ("peer_other", self.peer_other),
            ("unknown", self.unknown),
        ]
    }

    pub fn map<U>(self, f: impl Fn(T) -> U) -> NetworkDetail<U> {
        NetworkDetail {
            link: f(self.link),
            nagle: f(self.nagle),
            cwnd: f(self.cwnd),
            pacing: f(self.pacing),
            peer_window: f(self.peer_window),
            retransmit: f(self.retransmit),
            loss: f(self.loss),
            peer_cpu: f(self.peer_cpu),
            peer_cpu_wait: f(self.peer_cpu_wait),
            peer_disk: f(self.peer_disk),
            peer_timer: f(self.peer_timer),
            peer_lock: f(self.peer_lock),
            peer_memory: f(self.peer_memory),
            peer_other: f(self.peer_other),
            unknown: f(self.unknown),
        }
    }

    pub fn value_mut(&mut self, part: Network) -> &mut T {
        match part {
            Network::Link => &mut self.link,
            Network::Nagle => &mut self.nagle,
            Network::Cwnd => &mut self.cwnd,
            Network::Pacing => &mut self.pacing,
            Network::PeerWindow => &mut self.peer_window,
            Network::Retransmit => &mut self.retransmit,
            Network::Loss => &mut self.loss,
            Network::PeerCpu => &mut self.peer_cpu,
            Network::PeerCpuWait => &mut self.peer_cpu_wait,
            Network::PeerDisk => &mut self.peer_disk,
            Network::PeerTimer => &mut self.peer_timer,
            Network::PeerLock => &mut self.peer_lock,
            Network::PeerMemory => &mut self.peer_memory,
            Network::PeerOther => &mut self.peer_other,
            Network::Unknown => &mut self.unknown,
        }
    }
}

impl Share {
    /// The field of [`Shares`], and that of [`NetworkDetail`] where it is the network's.
    pub fn names(self) -> (&'static str, Option<&'static str>) {
        let mut shares = Shares::<bool>::default();
        *shares.value_mut(self) = true;
        let mut detail = NetworkDetail::<bool>::default();
        if let Self::Network(part) = self {
            *detail.value_mut(part) = true;
        }
        let name = shares.named().into_iter().find_map(|(name, it)| it.then_some(name));
        (name.unwrap_or_default(), detail.named().into_iter().find_map(|(name, it)| it.then_some(name)))
    }

    /// What a wait is by itself, if nobody asks what ended it.
    pub fn of_cause(cause: Cause) -> Self {
        match cause {
            Cause::Network => Self::Network(Network::Unknown),
            Cause::Disk => Self::Disk,
            Cause::Timer => Self::Timer,
            Cause::Memory => Self::Memory,
            Cause::Lock { .. } => Self::Lock,
            Cause::Thread { .. } | Cause::OutsideWaker | Cause::Never | Cause::Unknown => Self::Other,
        }
    }

    /// A share of the peer's path, as the one who waits for it sees it.
    pub fn of_peer(self) -> Self {
        Self::Network(match self {
            Self::Network(part) => part,
            Self::Disk => Network::PeerDisk,
            Self::Cpu => Network::PeerCpu,
            Self::CpuWait => Network::PeerCpuWait,
            Self::Lock => Network::PeerLock,
            Self::Timer => Network::PeerTimer,
            Self::Memory => Network::PeerMemory,
            Self::Other => Network::PeerOther,
        })
    }
}
