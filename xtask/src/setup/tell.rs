//! One line for each thing that setup finds or does.

use std::fmt::Display;

/// How much of it the user sees.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Tell {
    Everything,
    /// Silent when all is there, for the subcommands that only make sure of it.
    Changes,
}

impl Tell {
    pub fn found(self, what: &str, detail: impl Display) {
        if self == Self::Everything {
            line("found", what, detail);
        }
    }

    /// Before the work, because it can take a minute.
    pub fn installing(self, what: &str, detail: impl Display) {
        line("installing", what, detail);
    }

    pub fn installed(self, what: &str, detail: impl Display) {
        line("installed", what, detail);
    }

    pub fn missing(self, what: &str, detail: impl Display) {
        line("missing", what, detail);
    }
}

fn line(state: &str, what: &str, detail: impl Display) {
    eprintln!("{state:<10} {what:<19} {detail}");
}
