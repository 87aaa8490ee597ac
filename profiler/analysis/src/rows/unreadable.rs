//! Where what is in the temporary file cannot be read again: whoever reads lists is given up, and what asked for that gets the
//! error. There is no row that could be given instead.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

use anyhow::{Context as _, Result};

struct Unreadable(io::Error);

/// Gives up what [`reading`] does.
pub fn give_up(error: io::Error) -> ! {
    // Not a panic: nobody is to be told of a defect.
    resume_unwind(Box::new(Unreadable(error)))
}

/// Does something that reads lists, in whatever threads.
pub fn reading<T>(read: impl FnOnce() -> T) -> Result<T> {
    let done = catch_unwind(AssertUnwindSafe(read)).or_else(|payload| match payload.downcast() {
        Ok(unreadable) => {
            let Unreadable(error) = *unreadable;
            Err(error)
        }
        Err(panic) => resume_unwind(panic),
    });
    done.context("read the temporary file again, which is in TMPDIR, or else in /var/tmp")
}
