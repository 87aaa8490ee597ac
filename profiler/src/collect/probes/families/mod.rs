//! The probe families: which programs they consist of, and what each program needs from the kernel.

pub mod details;
pub mod second;

use std::collections::BTreeMap;

use abi::fields::Field::{self, *};
use anyhow::{Context as _, Result};
use capture::families::{CONTEXTS, GROUPS, OWNERS, SCHEDULING};
use clap::ValueEnum;
use object::{Object as _, ObjectSection as _, ObjectSymbol as _};
use serde::{Deserialize, Serialize};

/// How much is watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ProbeSet {
    /// Where the time goes, too: every switch of a target's threads, and what wakes them
    #[default]
    All,
    /// Bytes, milestones, files and devices only
    Counters,
}

impl ProbeSet {
    /// Whether they have a family that is one of counters, or is none.
    pub fn have(self, is_counter: bool) -> bool {
        is_counter || self == Self::All
    }
}

pub struct Family {
    pub name: &'static str,
    /// What a report lacks without it.
    pub counts: &'static str,
    /// Nothing can be recorded without it.
    pub required: bool,
    /// [`ProbeSet::Counters`] has it.
    pub is_counter: bool,
    pub programs: &'static [Program],
}

pub struct Program {
    pub name: &'static str,
    /// The tracepoint's leading parameters, as the program reads them by position.
    pub parameters: &'static [&'static str],
    pub fields: &'static [Field],
}

pub const FAMILIES: &[Family] = &[
    Family {
        name: "processes",
        counts: "targets, their children and threads",
        required: true,
        is_counter: true,
        programs: &[
            Program { name: "process_fork", parameters: &["task", "clone_flags"], fields: &[TaskTgid] },
            Program {
                name: "process_exec",
                parameters: &["p", "old_pid"],
                fields: &[TaskPid, TaskStartTime],
            },
            Program { name: "process_exit", parameters: &["p"], fields: &[TaskSignal, SignalLive] },
        ],
    },
    Family {
        name: GROUPS,
        counts: "processes that come into a control group",
        required: false,
        is_counter: true,
        programs: &[
            Program { name: "group_enter", parameters: &["dst_cgrp", "path", "task"], fields: GROUP_FIELDS },
            Program { name: "group_fork", parameters: &["task", "clone_flags"], fields: GROUP_FIELDS },
        ],
    },
    Family {
        name: "sockets",
        counts: "payload bytes, peers, connections, retransmits",
        required: false,
        is_counter: true,
        programs: &[
            Program { name: "sock_recv", parameters: &["sk", "ret", "flags"], fields: RECEIVE_FIELDS },
            Program { name: "sock_send", parameters: &["sk", "ret", "flags"], fields: SEND_FIELDS },
            Program { name: "sock_state", parameters: &["sk", "oldstate", "newstate"], fields: STATE_FIELDS },
            Program { name: "tcp_retransmit", parameters: &["sk"], fields: &[] },
            Program {
                name: "tcp_destroy",
                parameters: &["sk"],
                fields: &[
                    TcpBytesReceived,
                    TcpBytesSent,
                    TcpBytesAcked,
                    TcpBytesRetransmitted,
                    TcpRcvNxt,
                    TcpCopiedSeq,
                    SockFlags,
                ],
            },
        ],
    },
    Family {
        name: "send-queue state and arrivals",
        counts: "when bytes arrived, and what kept unsent bytes back",
        required: false,
        is_counter: false,
        programs: &[
            Program {
                name: "sock_arrive",
                parameters: &["sk"],
                fields: &[SockCookie, SockProtocol, TcpRcvNxt, TcpCopiedSeq],
            },
            Program { name: "tcp_segment", parameters: &["sk"], fields: SEND_QUEUE_FIELDS },
        ],
    },
    Family {
        name: "device",
        counts: "bytes, queue and service time of block devices",
        required: false,
        is_counter: true,
        programs: &[
            Program {
                name: "disk_submit",
                parameters: &["bio"],
                fields: &[
                    BioOpf,
                    BioFlags,
                    BioBdev,
                    BioSize,
                    BioPrivate,
                    BioIndex,
                    BioVec,
                    BioVecPage,
                    PageCompoundHead,
                    PageMapping,
                    BlockDeviceDisk,
                    DiskMajor,
                    DiskFirstMinor,
                    TaskFlags,
                    MappingHost,
                    InodeMode,
                    InodeNumber,
                    InodeGeneration,
                    InodeSuperblock,
                    SuperblockDevice,
                ],
            },
            Program { name: "disk_issue", parameters: &["rq"], fields: &[RequestOpf, RequestStartTime] },
            Program { name: "disk_requeue", parameters: &["rq"], fields: &[] },
            Program {
                name: "disk_complete",
                parameters: &["rq", "error", "nr_bytes"],
                fields: &[RequestOpf, RequestBytes, RequestQueue, QueueDisk, DiskMajor, DiskFirstMinor],
            },
        ],
    },
    Family {
        name: OWNERS,
        counts: "who dirtied which file, and whose reads were throttled",
        required: false,
        is_counter: true,
        programs: &[
            Program { name: "folio_dirty", parameters: &["folio"], fields: FOLIO_FIELDS },
            Program { name: "folio_add", parameters: &["folio"], fields: FOLIO_FIELDS },
        ],
    },
    Family {
        name: "throttled direct I/O",
        counts: "whose direct I/O was throttled",
        required: false,
        is_counter: true,
        programs: &[Program {
            name: "direct_begin",
            parameters: &["iocb"],
            fields: &[TaskFlags, BioPrivate, IomapDioIocb],
        }],
    },
    Family {
        name: CONTEXTS,
        counts: "what woke a thread: network, disk or timer",
        required: false,
        is_counter: false,
        programs: &[
            Program { name: "softirq_enter", parameters: &["vec_nr"], fields: &[] },
            Program { name: "softirq_leave", parameters: &[], fields: &[] },
            Program { name: "irq_enter", parameters: &[], fields: &[] },
            Program { name: "irq_leave", parameters: &[], fields: &[] },
            Program { name: "hrtimer_enter", parameters: &[], fields: &[] },
            Program { name: "hrtimer_leave", parameters: &[], fields: &[] },
        ],
    },
    Family {
        name: SCHEDULING,
        counts: "on-CPU, runnable and blocked time of threads",
        required: false,
        is_counter: false,
        programs: &[
            Program {
                name: "sched_switch",
                parameters: &["preempt", "prev", "next", "prev_state"],
                fields: THREAD_FIELDS,
            },
            Program { name: "sched_wake", parameters: &["p"], fields: THREAD_FIELDS },
        ],
    },
    Family {
        name: "samples",
        counts: "user and kernel mode on the CPU",
        required: false,
        is_counter: false,
        programs: &[Program { name: "cpu_sample", parameters: &[], fields: THREAD_FIELDS }],
    },
];

const GROUP_FIELDS: &[Field] = &[
    TaskTgid,
    TaskFlags,
    TaskComm,
    TaskGroupLeader,
    TaskCgroups,
    CssSetDefault,
    CgroupParent,
    CgroupRoot,
    CgroupRootHierarchy,
    CgroupNode,
    NodeId,
];

const STATE_FIELDS: &[Field] = &[
    SockOwned,
    TcpBytesReceived,
    TcpBytesSent,
    TcpBytesAcked,
    TcpBytesRetransmitted,
    SockFamily,
    SockProtocol,
    SockLocalPort,
    SockPeerPort,
    SockLocalV4,
    SockPeerV4,
    SockLocalV6,
    SockPeerV6,
    SockNet,
    NetInum,
    SockFlags,
    TcpBytesReceived,
    TcpRcvNxt,
    TcpCopiedSeq,
];

const FOLIO_FIELDS: &[Field] = &[
    TaskFlags,
    FolioFlags,
    FolioMapping,
    FolioPages,
    MappingHost,
    InodeMode,
    InodeNumber,
    InodeGeneration,
    InodeSuperblock,
    SuperblockDevice,
];

const RECEIVE_FIELDS: &[Field] = &[
    TaskTgid,
    TaskPid,
    SockCookie,
    SockFamily,
    SockProtocol,
    SockLocalPort,
    SockPeerPort,
    SockLocalV4,
    SockPeerV4,
    SockLocalV6,
    SockPeerV6,
    SockNet,
    NetInum,
    SockFlags,
    TcpBytesReceived,
    TcpCopiedSeq,
    TcpRcvNxt,
    TcpWriteSeq,
];

const SEND_FIELDS: &[Field] = &[
    TaskTgid,
    TaskPid,
    SockCookie,
    SockFamily,
    SockProtocol,
    SockLocalPort,
    SockPeerPort,
    SockLocalV4,
    SockPeerV4,
    SockLocalV6,
    SockPeerV6,
    SockNet,
    NetInum,
    SockFlags,
    TcpBytesReceived,
    TcpCopiedSeq,
    TcpRcvNxt,
    TcpWriteSeq,
    TcpSndNxt,
    TcpSndUna,
    TcpSndSml,
    TcpSndWnd,
    TcpMssCache,
    TcpSndCwnd,
    TcpPacketsOut,
    TcpSackedOut,
    TcpLostOut,
    TcpRetransOut,
    TcpClockCache,
    TcpWstampNs,
    SockPacingStatus,
    RegsSyscall,
    RegsSecond,
    RegsThird,
    RegsFifth,
];

const SEND_QUEUE_FIELDS: &[Field] = &[
    SockCookie,
    TcpWriteSeq,
    TcpSndNxt,
    TcpSndUna,
    TcpSndSml,
    TcpSndWnd,
    TcpMssCache,
    TcpSndCwnd,
    TcpPacketsOut,
    TcpSackedOut,
    TcpLostOut,
    TcpRetransOut,
    TcpClockCache,
    TcpWstampNs,
    SockPacingStatus,
];

const THREAD_FIELDS: &[Field] = &[
    TaskTgid,
    TaskOnCpu,
    TaskFlags,
    RegsSyscall,
    RegsFirst,
    RegsSecond,
    TaskPid,
    TaskStartTime,
    TaskSumExec,
    TaskComm,
    TaskRchar,
    TaskWchar,
    TaskReadBytes,
    TaskWriteBytes,
];

/// Where a program is attached, as the object names it.
pub struct AttachPoint {
    /// `tp_btf` or `fexit`
    pub kind: &'static str,
    /// The tracepoint, or the function.
    pub target: String,
}

/// The name and purpose of each family, those included that need no program of their own.
pub fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    let families = FAMILIES.iter().map(|family| (family.name, family.counts));
    families.chain(details::DETAILS.iter().map(|detail| (detail.name, detail.counts)))
}

/// Every program of the object, in the order in which they are detached.
pub fn programs() -> impl Iterator<Item = &'static Program> {
    let programs = FAMILIES.iter().flat_map(|family| family.programs);
    programs.flat_map(|program| {
        let instead = second::instead_of(program.name).iter().map(|choice| &choice.program);
        std::iter::once(program).chain(instead)
    })
}

/// The attach point of each program that has one in the object.
pub fn attach_points(object: &[u8]) -> Result<BTreeMap<String, AttachPoint>> {
    let file = object::File::parse(object).context("parse the eBPF object")?;
    let mut points = BTreeMap::new();
    for symbol in file.symbols() {
        if let Some(index) = symbol.section_index()
            && let Some((kind, target)) = file.section_by_index(index)?.name()?.split_once('/')
            && let Some(kind) = ["tp_btf", "fexit"].into_iter().find(|known| *known == kind)
            && let Ok(name) = symbol.name()
            && !name.is_empty()
        {
            points.insert(name.to_owned(), AttachPoint { kind, target: target.to_owned() });
        }
    }
    Ok(points)
}
