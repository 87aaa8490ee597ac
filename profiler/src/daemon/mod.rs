//! The collector: counters of the configured targets, always on, by a process that gives up nearly all it could do before it
//! looks at anything foreign. Its one door is a Unix socket; it waits for nobody.

pub mod client;
pub mod config;
pub mod confine;
mod door;
pub mod log;
pub mod messages;
mod publish;
pub mod status;
mod tally;
pub mod transfers;
mod watch;

use std::{
    fs,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc, RwLock,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use sd_notify::NotifyState;

use self::{
    config::Config,
    messages::{Answer, Request},
    publish::Publisher,
    status::{Attempt, Status},
    tally::{Sum, Tally},
    transfers::{Direction, Mark, Now, Transfer, Transfers},
    watch::Watch,
};
use crate::{
    clock::{now_ns, wall_ns},
    collect::counters::{self, Counters},
};

/// How often it is looked whether tables need room, and whether to stop.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// How old what is told may be.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// The same while a transfer runs, whose milestones are no finer.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(200);

/// How often is done what takes more time: losses, how full tables are, what is forgotten.
const ACCOUNT_INTERVAL: Duration = Duration::from_secs(10);

/// How long the collecting thread may take for an order: it may be in the midst of a sweep.
const ORDER_PATIENCE: Duration = Duration::from_secs(5);

/// Watches the configuration's targets until `stop`; those of the file at `path` as it is then, once `reload` is set.
///
/// # Errors
/// It cannot start, or the probes' maps cannot be read any more.
pub fn run(config: &Config, path: &PathBuf, stop: &AtomicBool, reload: &AtomicBool) -> Result<()> {
    let users = users(config)?;
    make_state_folder(&config.state)?;
    let listener = door::bind(&config.socket)?;
    let counters = counters::start(config.control_ports())?;
    let mut publisher = Publisher::new(config, &counters)?;
    let board = publisher.board();
    let (orders, inbox) = mpsc::channel();
    let landlock =
        door::open(listener, users, config.state.clone(), move |request| answer(request, &board, &orders))?;
    publisher.confined(confine::collector(landlock)?);
    // From here on nothing can be loaded, and everything foreign is looked at.
    let mut collector = Collector {
        counters,
        watch: Watch::new(config)?,
        tally: Tally::new(config.targets.len()),
        transfers: Transfers::default(),
        config: config.clone(),
    };
    complain(collector.watch.begin(&mut collector.counters.targets));
    collector.sweep()?;
    publisher.account(&collector.counters)?;
    publisher.started(&collector.tally, &collector.transfers);
    notify(&[NotifyState::Ready]);
    tracing::info!("ready: {} targets, at {}", config.targets.len(), config.socket.display());
    while !stop.load(Ordering::Acquire) {
        if reload.swap(false, Ordering::AcqRel) {
            collector.reload(path, &mut publisher);
        }
        collector.collect(&inbox, &mut publisher, || {
            stop.load(Ordering::Acquire) || reload.load(Ordering::Acquire)
        })?;
    }
    notify(&[NotifyState::Stopping]);
    tracing::info!("stopped");
    Ok(())
}

/// What the collecting thread has.
struct Collector {
    counters: Counters,
    watch: Watch,
    tally: Tally,
    transfers: Transfers,
    config: Config,
}

impl Collector {
    fn collect(
        &mut self,
        inbox: &Receiver<Order>,
        publisher: &mut Publisher,
        is_over: impl Fn() -> bool,
    ) -> Result<()> {
        let (mut looked, mut swept, mut accounted) = (Instant::now(), Instant::now(), Instant::now());
        while !is_over() {
            match inbox.recv_timeout(LOOK_INTERVAL) {
                Ok(order) => self.carry_out(order)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => bail!("the thread at the door has ended"),
            }
            self.counters.make_room(&mut self.tally)?;
            let interval = if self.transfers.are_running() { SAMPLE_INTERVAL } else { SWEEP_INTERVAL };
            if swept.elapsed() < interval {
                continue;
            }
            swept = Instant::now();
            if looked.elapsed() >= SWEEP_INTERVAL {
                looked = Instant::now();
                complain(self.watch.look(&mut self.counters.targets));
            }
            self.sweep()?;
            let names: Vec<&str> = self.config.names().collect();
            self.transfers.sample(&names, payload(&self.tally.sums()), now());
            if accounted.elapsed() >= ACCOUNT_INTERVAL {
                accounted = Instant::now();
                self.tally.forget(now_ns());
                self.counters.forget_credits(|serial| self.tally.knows(serial))?;
                publisher.account(&self.counters)?;
            }
            publisher.publish(&self.tally, &self.transfers);
            notify(&[NotifyState::Watchdog]);
        }
        Ok(())
    }

    /// Takes the targets of the file, unless it cannot be read or is wrong: then all stays as it is.
    fn reload(&mut self, path: &PathBuf, publisher: &mut Publisher) {
        notify(&[NotifyState::Reloading, NotifyState::monotonic_usec_now().unwrap_or(NotifyState::Watchdog)]);
        if let Err(error) = self.take_targets(path, publisher) {
            tracing::error!("the configuration stays as it was: {error:#}");
        }
        notify(&[NotifyState::Ready]);
    }

    fn take_targets(&mut self, path: &PathBuf, publisher: &mut Publisher) -> Result<()> {
        let new = config::read(path)?;
        let fixed = new.fixed_otherwise(&self.config);
        if !fixed.is_empty() {
            tracing::warn!("what is new in {} takes a restart", fixed.join(", "));
        }
        publisher.targets(&new)?;
        // What came so far is still the old targets'.
        self.sweep()?;
        let places = new.places_of(&self.config);
        self.tally.replace_targets(&places, new.targets.len());
        self.transfers.replace_targets(&places);
        let mut watch = Watch::new(&new)?;
        std::mem::swap(&mut self.watch, &mut watch);
        watch.end(&mut self.counters.targets, &self.watch)?;
        self.config.targets = new.targets;
        complain(self.watch.begin(&mut self.counters.targets));
        self.sweep()?;
        publisher.publish(&self.tally, &self.transfers);
        tracing::info!("reloaded: {} targets", self.config.targets.len());
        Ok(())
    }

    /// Adds up what changed, and finds the targets of processes that are new.
    fn sweep(&mut self) -> Result<()> {
        self.counters.sweep(&mut self.tally)?;
        if self.tally.has_open() {
            let members = self.watch.members();
            self.tally.assign(|id, of_pid| self.watch.target_of(id, &members, of_pid));
        }
        Ok(())
    }

    /// Who does not wait for the reply any more is nobody's concern.
    fn carry_out(&mut self, order: Order) -> Result<()> {
        match order {
            Order::Attempt(reply) => _ = reply.send(confine::attempts::by("collecting")),
            Order::Transfers(reply) => _ = reply.send(self.transfers.list()),
            Order::Mark(mark, reply) => {
                // The mark's counts are those of its moment.
                self.sweep()?;
                let names: Vec<&str> = self.config.names().collect();
                let taken = self.transfers.mark(&mark, &names, payload(&self.tally.sums()), now());
                let _ = reply.send(taken);
            }
        }
        Ok(())
    }
}

/// What the targets have moved without control traffic, by their places.
fn payload(sums: &[Sum]) -> impl Fn(usize, Direction) -> u64 + '_ {
    |place, direction| match direction {
        Direction::Receive => sums[place].moved.peer_rx_bytes,
        Direction::Transmit => sums[place].moved.peer_tx_bytes,
    }
}

fn now() -> Now {
    Now { monotonic_ns: now_ns(), wall_s: wall_ns() as f64 / 1e9 }
}

/// What only the collecting thread can do, with whom it tells of it.
enum Order {
    Attempt(Sender<Vec<Attempt>>),
    Mark(Mark, Sender<Result<()>>),
    Transfers(Sender<Vec<Transfer>>),
}

/// On a thread at the door.
fn answer(request: Request, board: &RwLock<Arc<Status>>, orders: &Sender<Order>) -> Answer {
    let answer = match request {
        Request::Status {} => {
            let status = Arc::clone(&board.read().expect("no holder panicked"));
            Ok(Answer::Status(Box::new((*status).clone())))
        }
        Request::Attempts {} => ordered(orders, Order::Attempt)
            .map(|by| Answer::Attempts(by.into_iter().chain(confine::attempts::at_the_door()).collect())),
        Request::Mark { mark } => ordered(orders, |reply| Order::Mark(mark, reply))
            .and_then(|taken| taken.map(|()| Answer::Marked {})),
        Request::Transfers {} => ordered(orders, Order::Transfers).map(Answer::Transfers),
    };
    answer.unwrap_or_else(|why| Answer::Error(format!("{why:#}")))
}

fn ordered<T>(orders: &Sender<Order>, order: impl FnOnce(Sender<T>) -> Order) -> Result<T> {
    let (reply, answer) = mpsc::channel();
    orders.send(order(reply)).ok().context("the collecting thread has ended")?;
    answer.recv_timeout(ORDER_PATIENCE).context("the collecting thread does not answer")
}

/// Who may ask.
fn users(config: &Config) -> Result<Vec<u32>> {
    let mut users = config.client_ids()?;
    users.extend([0, rustix::process::geteuid().as_raw()]);
    Ok(users)
}

/// For this user alone: captures tell of everybody's processes.
fn make_state_folder(path: &Path) -> Result<()> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.with_context(|| format!("make the state folder {}", path.display()))
}

fn complain(errors: Vec<anyhow::Error>) {
    for error in errors {
        tracing::warn!("{error:#}");
    }
}

/// Tells systemd, where it started this.
fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!("tell systemd: {error}");
    }
}
