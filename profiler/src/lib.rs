//! The transfer profiler, in the order of the data.

pub mod capture;
