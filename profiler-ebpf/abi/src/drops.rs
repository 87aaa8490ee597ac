//! Datagrams and segments of targets' sockets that the kernel threw away: counted per socket, reason and sender.

use crate::{
    Plain,
    event::{Event, Kind},
    payload::Destination,
};

/// `DROPS`: of what the counts are.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct DropKey {
    /// As [`SocketKey::cookie`](super::sockets::SocketKey::cookie); the kernel's own of a listening socket.
    pub cookie: u64,
    /// The number of a [`DropReason`].
    pub reason: u32,
    pub _pad: u32,
    /// Whose packet it was, where it was on its way in; of the family 0 where it was on its way out, or is not known.
    pub source: Destination,
}

// SAFETY: plain integers, padding is explicit.
unsafe impl Plain for DropKey {}

const _: () = assert!(size_of::<DropKey>() == 40);

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct DropCounts {
    pub drops: u64,
    /// Of payload, for datagrams; of TCP with the headers that it still had.
    pub bytes: u64,
    /// When a record told the counts last, monotonic ns.
    pub told_ns: u64,
    /// Of a listening socket its process; else 0.
    pub process: u64,
    /// The socket's buffer for the way, `sk_rcvbuf` or `sk_sndbuf`; of a listening socket the length of its accept queue.
    pub buffer: u32,
    pub _pad: u32,
}

// SAFETY: plain integers, padding is explicit.
unsafe impl Plain for DropCounts {}

/// The counts as they stood after a drop: recorded at most every [`DROPS_INTERVAL_NS`] of each key.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Dropped {
    pub kind: u32,
    pub _pad: u32,
    /// Monotonic ns.
    pub at_ns: u64,
    pub key: DropKey,
    pub counts: DropCounts,
}

const _: () = assert!(size_of::<Dropped>() == 96);

// SAFETY: plain integers without padding, `kind` first.
unsafe impl Event for Dropped {
    const KIND: Kind = Kind::Dropped;
}

pub const DROPS_INTERVAL_NS: u64 = 1_000_000;

macro_rules! reasons {
    ($($(#[$doc:meta])* $number:literal $variant:ident [$($name:literal)*])*) => {
        /// Why a packet was thrown away. A number is for good.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u32)]
        pub enum DropReason { $($(#[$doc])* $variant = $number,)* }

        impl DropReason {
            pub const ALL: &[DropReason] = &[$(DropReason::$variant,)*];

            /// What the kernel calls it, behind `SKB_DROP_REASON_`.
            pub const fn kernel_names(self) -> &'static [&'static str] {
                match self { $(Self::$variant => &[$($name,)*],)* }
            }

            pub fn numbered(number: u32) -> Option<Self> {
                Self::ALL.iter().copied().find(|reason| *reason as u32 == number)
            }
        }
    };
}

// What is no loss is not among them: old data, acknowledgements, what a closed socket gets.
reasons! {
    1 ReceiveBuffer ["SOCKET_RCVBUFF" "SOCKET_BACKLOG" "TCP_OFO_QUEUE_PRUNE" "TCP_OFO_DROP"]
    2 Memory ["PROTO_MEM" "NOMEM" "PFMEMALLOC"]
    3 AcceptQueue ["TCP_LISTEN_OVERFLOW"]
    4 Qdisc ["QDISC_DROP" "QDISC_OVERLIMIT" "QDISC_CONGESTED" "CAKE_FLOOD" "FQ_BAND_LIMIT" "FQ_HORIZON_LIMIT" "FQ_FLOW_LIMIT" "DUALPI2_STEP_DROP"]
    5 Filter ["SOCKET_FILTER" "NETFILTER_DROP" "BPF_CGROUP_EGRESS" "TC_EGRESS" "TC_INGRESS" "XDP" "SECURITY_HOOK" "TAP_FILTER" "TAP_TXFILTER"]
    6 Device ["DEV_READY" "DEV_HDR" "FULL_RING" "CPU_BACKLOG"]
    7 Checksum ["TCP_CSUM" "UDP_CSUM" "IP_CSUM" "SKB_CSUM"]
    8 Neighbour ["NEIGH_CREATEFAIL" "NEIGH_FAILED" "NEIGH_QUEUEFULL" "NEIGH_DEAD" "NEIGH_HH_FILLFAIL"]
    9 Window ["TCP_OVERWINDOW" "TCP_ZEROWINDOW"]
}

/// Kernels number reasons anew as they add some; below this.
pub const KERNEL_REASONS: u32 = 256;
