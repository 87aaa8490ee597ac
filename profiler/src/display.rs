//! Progress on standard error: a line that changes on a terminal, plain lines elsewhere.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    io::{IsTerminal as _, Write as _, stderr},
    time::Duration,
};

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

/// How often a spinner moves.
const TICK: Duration = Duration::from_millis(100);

/// What a run does at the moment.
pub struct Display {
    /// `None` where nobody would see it change.
    bar: Option<ProgressBar>,
    /// Tenths of each transfer that were told of in plain lines.
    told: RefCell<BTreeMap<String, u64>>,
}

impl Display {
    pub fn new() -> Self {
        let bar = stderr().is_terminal().then(|| {
            let style =
                ProgressStyle::with_template("{spinner} {elapsed:>4} {wide_msg}").expect("a valid template");
            let bar = ProgressBar::new_spinner().with_style(style);
            bar.enable_steady_tick(TICK);
            bar
        });
        Self { bar, told: RefCell::default() }
    }

    /// A named step begins.
    pub fn step(&self, step: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(step.to_owned()),
            None => tell(step),
        }
    }

    /// A transfer has come so far.
    pub fn progress(&self, label: &str, bytes: u64, of: u64) {
        let message = || {
            format!("{label}: {} of {} ({} %)", HumanBytes(bytes), HumanBytes(of), bytes * 100 / of.max(1))
        };
        match &self.bar {
            Some(bar) => bar.set_message(message()),
            None => {
                let tenth = bytes * 10 / of.max(1);
                let before = self.told.borrow_mut().insert(label.to_owned(), tenth);
                if before.is_none_or(|before| tenth > before) {
                    tell(&message());
                }
            }
        }
    }

    /// A message that changes often; nothing where it cannot.
    pub fn status(&self, message: impl FnOnce() -> String) {
        if let Some(bar) = &self.bar {
            bar.set_message(message());
        }
    }

    pub fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A line on standard error. Whoever closed it does not want to know.
pub fn tell(line: &str) {
    let _ = writeln!(stderr(), "{line}");
}

impl Default for Display {
    fn default() -> Self {
        Self::new()
    }
}
