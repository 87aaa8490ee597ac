//! What the probes could not record, by class. Nothing is dropped without a count here.

macro_rules! losses {
    ($($variant:ident = $name:literal, $why:literal;)*) => {
        /// A class of loss; its number is the index into the `LOSSES` map.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u32)]
        pub enum Loss { $(#[doc = $why] $variant,)* }

        impl Loss {
            pub const ALL: &[Loss] = &[$(Loss::$variant,)*];

            /// The class as the report's `trust.events_lost` names it.
            pub const fn name(self) -> &'static str {
                match self { $(Loss::$variant => $name,)* }
            }

            /// What follows from such a loss, for the reader of a report.
            pub const fn meaning(self) -> &'static str {
                match self { $(Loss::$variant => $why,)* }
            }
        }
    };
}

losses! {
    RingFull = "ring_full", "a record found the ring buffer full: milestones are coarser, what threads did around it is not known and counts as other, byte counts and thread states are not affected";
    SocketTableFull = "socket_table_full", "a socket found no place in its table: its bytes are in the process's totals only";
    StreamShared = "stream_shared", "a second process used a TCP socket with so many calls that not each was looked at: its bytes are exact, which of them were whose is not";
    TrafficTableFull = "traffic_table_full", "a socket found no place among those whose bytes are followed on their way: when they arrived, and what TCP held back, is not known";
    ProcessTableFull = "process_table_full", "a process found no place in its table and was not profiled";
    ThreadTableFull = "thread_table_full", "a thread found no place in its table: its time is missing from the states";
    DeviceTableFull = "device_table_full", "a disk or a disk's user found no place in its table: its I/O is missing";
    RequestTableFull = "request_table_full", "a disk request found no place in its table: its bytes are counted, its times are not";
    CompletionUnseen = "completion_unseen", "a disk request was issued again before its completion was seen: its bytes and times are missing from the device, credits are not affected";
    StackTableFull = "stack_table_full", "a stack found no place in its table, or another one in its place: a long off-CPU interval has none";
    SwitchUnseen = "switch_unseen", "a thread left its CPU or came to it unseen: the kernel's own count of its CPU time tells when";
    WakeUnseen = "wake_unseen", "a thread ran again without a wake-up that was seen: what it slept for is not known, and its run queue time counts as sleep";
    DropTableFull = "drop_table_full", "dropped packets found no place in their table: what was lost of a socket, or by whom it was sent, is not all known";
    WayTableFull = "way_table_full", "a process found no place in the table of calls past the accounting: what it moved of files by io_uring, libaio or splice is missing";
    InodeTableFull = "inode_table_full", "a file found no place in its table: what devices moved of it is credited to nobody";
}
