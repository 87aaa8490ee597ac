//! Events, the records of the ring buffers: each begins with its kind. Captures hold them as they are: another layout
//! is another kind, and a number is for good.

macro_rules! kinds {
    ($($kind:ident = $number:literal,)*) => {
        /// What a record is; its first 4 bytes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u32)]
        pub enum Kind { $($kind = $number,)* }

        impl Kind {
            pub const ALL: &[Kind] = &[$(Kind::$kind,)*];
        }
    };
}

kinds! {
    Progress = 1,
    // Those called earlier: up to November 2026, see `earlier.rs`.
    EarlierSpan = 2,
    Payload = 3,
    Arrival = 4,
    EarlierSendQueue = 5,
    EarlierSpanByOutsider = 6,
    TimerSet = 33,
    Dropped = 34,
    DiskRequests = 38,
    Span = 39,
    SpanByOutsider = 42,
    OutsideRun = 43,
    Retransmit = 44,
    SendQueue = 45,
}

/// A record that can be told from others.
///
/// # Safety
///
/// `repr(C)`, without implicit padding, any bit pattern is valid, and the first field is a `u32` that holds `KIND`.
pub unsafe trait Event: Copy + 'static {
    const KIND: Kind;
}
