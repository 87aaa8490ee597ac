//! Maps that this process and the probes share.

mod mapped;
mod plain;
mod table;

pub use mapped::MappedArray;
pub use plain::Plain;
pub use table::Table;
