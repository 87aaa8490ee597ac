//! Records of the contract, as aya copies them in and out of maps.

/// A key or a value of a map. It is the record itself: aya wants a type of this crate for its marker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Plain<T>(pub T);

// SAFETY: laid out as the record, which is plain by its own word.
unsafe impl<T: abi::Plain> aya::Pod for Plain<T> {}
