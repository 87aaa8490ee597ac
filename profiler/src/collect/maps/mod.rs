//! Maps that this process and the probes share.

mod anew;
mod mapped;
mod opened;
mod plain;
mod table;

pub use anew::empty;
pub use mapped::MappedArray;
pub use opened::{data, open};
pub use plain::Plain;
pub use table::Table;
