//! Progress on standard error: lines that change on a terminal, plain lines elsewhere.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    io::{IsTerminal as _, Write as _, stderr},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, SystemTime},
};

use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::export::sections::cells::{clean, clean_lines, in_words};

/// How often a spinner moves.
const TICK: Duration = Duration::from_millis(100);
/// More transfers than this share one line.
const MOST_BARS: usize = 16;

/// What a run does at the moment.
pub struct Display {
    /// `None` where nobody would see it change.
    terminal: Option<Terminal>,
    /// Tenths of each transfer that were told of in plain lines.
    told: RefCell<BTreeMap<String, u64>>,
}

/// Which run of a matrix it is.
pub struct Turn {
    /// Counts from 1.
    pub number: usize,
    pub of: usize,
    pub what: String,
    /// An estimate for this run and those after it.
    pub left: Duration,
}

struct Terminal {
    lines: MultiProgress,
    turn: ProgressBar,
    step: ProgressBar,
    /// By label, in the order in which they began.
    transfers: RefCell<BTreeMap<String, ProgressBar>>,
}

impl Display {
    pub fn new() -> Self {
        Self { terminal: stderr().is_terminal().then(Terminal::new), told: RefCell::default() }
    }

    /// A run of a matrix begins.
    pub fn turn(&self, turn: Turn) {
        let Turn { number, of, what, left } = turn;
        let ends_at = humantime::format_rfc3339_seconds(SystemTime::now() + left).to_string();
        let line = format!("run {number} of {of}: {what}; about {} to go, until {ends_at}", in_words(left));
        self.told.borrow_mut().clear();
        match &self.terminal {
            Some(terminal) => terminal.turn.set_message(clean(&line)),
            None => tell(&line),
        }
    }

    /// A named step begins.
    pub fn step(&self, step: &str) {
        match &self.terminal {
            Some(terminal) => terminal.say(step.to_owned()),
            None => tell(step),
        }
    }

    /// A transfer has come so far.
    pub fn progress(&self, label: &str, bytes: u64, of: u64) {
        match &self.terminal {
            Some(terminal) => terminal.progress(label, bytes, of),
            None => {
                let tenth = bytes * 10 / of.max(1);
                let before = self.told.borrow_mut().insert(label.to_owned(), tenth);
                if before.is_none_or(|before| tenth > before) {
                    let percent = bytes * 100 / of.max(1);
                    tell(&format!("{label}: {} of {} ({percent} %)", HumanBytes(bytes), HumanBytes(of)));
                }
            }
        }
    }

    /// A message that changes often; nothing where it cannot.
    pub fn status(&self, message: impl FnOnce() -> String) {
        if let Some(terminal) = &self.terminal {
            terminal.say(message());
        }
    }

    /// A line that stays.
    pub fn note(&self, line: &str) {
        match &self.terminal {
            Some(terminal) => terminal.lines.suspend(|| tell(line)),
            None => tell(line),
        }
    }

    /// Nothing is under way any more, until the next turn or step.
    pub fn clear(&self) {
        if let Some(terminal) = &self.terminal {
            for (_, bar) in std::mem::take(&mut *terminal.transfers.borrow_mut()) {
                terminal.lines.remove(&bar);
            }
            terminal.turn.set_message("");
            terminal.step.set_message("");
            let _ = terminal.lines.clear();
            // What still ticks would be drawn over the report.
            terminal.lines.set_draw_target(ProgressDrawTarget::hidden());
        }
    }
}

impl Terminal {
    fn new() -> Self {
        let lines = MultiProgress::new();
        let style = |template| ProgressStyle::with_template(template).expect("a valid template");
        let turn = lines.add(ProgressBar::new_spinner().with_style(style("{wide_msg}")));
        let step =
            lines.add(ProgressBar::new_spinner().with_style(style("{spinner} {elapsed:>4} {wide_msg}")));
        step.enable_steady_tick(TICK);
        Self { lines, turn, step, transfers: RefCell::default() }
    }

    fn say(&self, message: String) {
        if self.lines.is_hidden() {
            self.lines.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.step.set_message(clean(&message));
    }

    fn progress(&self, label: &str, bytes: u64, of: u64) {
        let mut transfers = self.transfers.borrow_mut();
        if let Some(bar) = transfers.get(label) {
            bar.set_position(bytes);
        } else if transfers.len() < MOST_BARS {
            let style =
                ProgressStyle::with_template("  {prefix:>12} {bar:40} {percent:>3} % of {total_bytes}");
            let bar = ProgressBar::new(of).with_style(style.expect("a valid template"));
            let bar = self.lines.add(bar.with_prefix(clean(label)));
            bar.set_position(bytes);
            transfers.insert(label.to_owned(), bar);
        } else {
            let percent = bytes * 100 / of.max(1);
            self.say(format!("{label}: {percent} % of {}", HumanBytes(of)));
        }
    }
}

/// What takes longer is told of.
const PATIENCE: Duration = Duration::from_secs(2);

/// Does something; where it takes long, says what, with a clock on a terminal.
pub fn while_waiting<T>(what: &str, work: impl FnOnce() -> T) -> T {
    told_after(PATIENCE, || Shown::of(what), work)
}

/// A step that is gone with this.
struct Shown(Display);

impl Shown {
    fn of(what: &str) -> Self {
        let display = Display::new();
        display.step(what);
        Self(display)
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.0.clear();
    }
}

/// `tell` gives what is to be kept until the work is done.
fn told_after<K, T>(patience: Duration, tell: impl FnOnce() -> K + Send, work: impl FnOnce() -> T) -> T {
    let (done, is_done) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            if is_done.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
                let _kept = tell();
                // Ends as the other side is dropped.
                let _ = is_done.recv();
            }
        });
        // Dropped too where the work panics, for which the scope waits.
        let _done = done;
        work()
    })
}

/// A line on standard error, or several. Names of files and words of other programs are in many of them: none steers the
/// terminal. Whoever closed it does not want to know.
pub fn tell(line: &str) {
    let _ = writeln!(stderr(), "{}", clean_lines(line));
}

impl Default for Display {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use super::*;

    #[test]
    fn only_what_takes_long_is_told_of_and_until_it_is_done() {
        struct Gone<'t>(&'t AtomicU32);
        impl Drop for Gone<'_> {
            fn drop(&mut self) {
                self.0.fetch_add(10, Relaxed);
            }
        }
        let check = |patience: Duration, expected: [u32; 2]| {
            let told = AtomicU32::new(0);
            let tell = || {
                told.fetch_add(1, Relaxed);
                Gone(&told)
            };
            let during = told_after(patience, tell, || {
                while expected[0] > 0 && told.load(Relaxed) == 0 {
                    thread::yield_now();
                }
                told.load(Relaxed)
            });
            assert_eq!([during, told.load(Relaxed)], expected);
        };
        check(Duration::ZERO, [1, 11]);
        check(Duration::from_secs(3600), [0, 0]);
    }
}
