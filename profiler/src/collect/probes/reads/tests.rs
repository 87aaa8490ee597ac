use abi::fields::Field::{self, *};

use super::*;
use crate::collect::probes::{
    OBJECT, STREAM_SETTLE, STREAM_TICK,
    families::{self, FAMILIES, Way},
    hook,
};

fn of_object() -> BTreeMap<String, Reads> {
    of_programs(OBJECT).unwrap()
}

/// Else it would never be attached. The empty one is not meant to be: see `cost.rs`.
#[test]
fn every_program_of_the_object_is_a_familys() {
    let reads = of_object();
    let unlisted = [capture::EMPTY_PROGRAM, STREAM_SETTLE, STREAM_TICK];
    let listed = families::programs().map(|program| program.name).chain(unlisted);
    assert_eq!(reads.keys().map(String::as_str).collect::<BTreeSet<_>>(), listed.collect());
}

#[test]
fn what_a_program_needs_is_found_in_the_functions_that_it_calls_too() {
    let reads = of_object();
    let check = |program: &str, fields: &[Field]| {
        let missed = fields.iter().copied().collect::<Fields>().without(reads[program].needed);
        assert_eq!(missed, Fields::default(), "{program}: {:?}", missed.iter().collect::<Vec<_>>());
    };
    check("process_fork", &[TaskTgid]);
    // Of `threads::slot_of`, which is called.
    check("process_exec", &[TaskPid, TaskStartTime, TaskSumExec, TaskComm]);
    check("process_exit", &[TaskSignal, SignalLive, TaskSumExec]);
    check("group_fork", &[TaskCgroups, CssSetDefault, CgroupNode, NodeId]);
    // Of `connections::describe`, called by `socket_uses::slot_of`, which is called.
    check("sock_recv", &[TaskTgid, SockCookie, SockNet, NetInum, SockPeerV6, TcpCopiedSeq]);
    check("sock_send", &[TcpWriteSeq, TcpWstampNs, SockPacingStatus, RegsFifth]);
    check("inet_send", &[SocketSk, MessageIterType, TcpWriteSeq]);
    check("disk_submit", &[BioOpf, BioVec, PageMapping, SuperblockDevice, DiskMajor]);
    check("folio_dirty", &[FolioMapping, FolioPages, InodeNumber]);
    check("sched_switch", &[TaskTgid, TaskSumExec, RegsSyscall, TaskRchar]);
    check("sched_wake", &[TaskOnCpu, TaskFlags]);
    check("cpu_sample", &[TaskPid, TaskStartTime]);
}

#[test]
fn what_is_read_only_where_the_kernel_has_it_is_not_needed() {
    let reads = of_object();
    let check = |program: &str, fields: &[Field]| {
        let Reads { needed, asked, .. } = &reads[program];
        assert_eq!(*asked, fields.iter().copied().collect(), "{program}");
        assert_eq!(needed.in_both(*asked), Fields::default(), "{program}");
    };
    let timeouts = [TaskStack, TimerState, TimerExpires];
    check(
        "sched_switch",
        &[&[TaskThrottled, TaskQueue, QueueThrottled, ProgPrivateStack], timeouts.as_slice()].concat(),
    );
    check("disk_submit", &[IomapDioIocb]);
    check("process_exit", &[TaskRchar, TaskWchar, TaskReadBytes, TaskWriteBytes, ProgPrivateStack]);
    check(
        "sched_wake",
        &[
            [TaskWorkerPrivate, KthreadFunction, KthreadData, WorkerFunction].as_slice(),
            &[TaskFiles, FilesTable, TableSize, TableFiles, FileInode, SuperblockBdev],
        ]
        .concat(),
    );
    check("disk_complete", &[]);
}

/// Else its absence would have no name.
#[test]
fn what_programs_ask_for_is_a_family_and_the_other_way_around() {
    let asked = of_object().values().fold(Fields::default(), |all, reads| all | reads.asked);
    let ways = FAMILIES.iter().flat_map(|family| family.ways);
    let named: Fields = ways
        .flat_map(|way| match way {
            Way::Fields(fields) => *fields,
            Way::Enumerator(_) | Way::Without(_) => &[],
        })
        .copied()
        .collect();
    assert_eq!(asked.iter().collect::<Vec<_>>(), named.iter().collect::<Vec<_>>());
}

#[test]
fn every_field_is_read_by_a_program() {
    let read = of_object().values().fold(Fields::default(), |all, reads| all | reads.needed | reads.asked);
    let all: Fields = Field::ALL.iter().copied().collect();
    assert_eq!(all.without(read).iter().collect::<Vec<_>>(), []);
}

/// By position: arguments, whose names are compared with the kernel's. Behind those of a function stands what it returned.
#[test]
fn no_argument_is_read_whose_name_is_not_known() {
    let reads = of_object();
    let points = hook::points(OBJECT).unwrap();
    for program in families::programs().filter(|program| program.name != "cpu_sample") {
        let last = reads[program.name].arguments.last().copied();
        match points[program.name].kind {
            "fexit" => assert_eq!(last, Some(program.parameters.len()), "{}", program.name),
            _ => assert!(last < Some(program.parameters.len()), "{}", program.name),
        }
    }
}
