//! `Pod` for what the daemon copies out of maps.

use crate::abi::{
    disk::{Credit, CreditKey, DeviceIo, DeviceKey},
    groups::GroupKey,
    owners::{InodeIo, InodeIoKey, InodeUse, InodeUseKey},
    payload::Pending,
    sched::ThreadKey,
    sockets::{Socket, SocketKey},
    target::Process,
};

macro_rules! pod {
    ($($record:ty),*) => {
        $(
            // SAFETY: repr(C) of plain integers, padding is explicit, any bit pattern is valid.
            unsafe impl aya::Pod for $record {}
        )*
    };
}

pod!(
    Credit,
    CreditKey,
    DeviceIo,
    DeviceKey,
    GroupKey,
    InodeIo,
    InodeIoKey,
    InodeUse,
    InodeUseKey,
    Pending,
    Process,
    Socket,
    SocketKey,
    ThreadKey
);
