//! What an application says of how far it is.

/// One answer of an application: at some time between the two, `bytes` of the payload were there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    pub requested_ns: u64,
    pub answered_ns: u64,
    pub bytes: u64,
}
