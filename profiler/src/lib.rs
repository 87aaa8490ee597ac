//! The transfer profiler, in the order of the data.

pub mod attach;
pub mod attribution;
pub mod bench;
pub mod capture;
pub mod child;
pub mod cli;
pub mod clock;
pub mod cost;
pub mod decode;
pub mod display;
pub mod doctor;
pub mod drain;
pub mod dump;
pub mod kernel;
pub mod measure;
pub mod milestones;
pub mod record;
pub mod recording;
pub mod report;
pub mod sweep;
pub mod target;
pub mod timeline;
