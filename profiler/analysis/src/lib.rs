//! From captures to the numbers of a report. Pure: the same captures give the same report, byte for byte.
//!
//! [`timeline`] folds a capture, [`milestones`] are found in it, [`attribution`] says where the time between two of them
//! went, [`report`] says all of it, [`figures`] are what pages draw, and a [`trace`] shows it slice by slice. Nothing here knows
//! a running kernel, a clock or an output format.

pub mod attribution;
pub mod figures;
pub mod milestones;
pub mod report;
pub mod rows;
pub mod timeline;
pub mod trace;
