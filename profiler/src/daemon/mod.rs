//! The collector: counters of the configured targets, always on, by a process that gives up nearly all it could do before it
//! looks at anything foreign. Its one door is a Unix socket; it waits for nobody.

mod captures;
pub mod client;
pub mod config;
pub mod confine;
mod door;
pub mod log;
pub mod messages;
mod publish;
pub mod recordings;
pub mod status;
mod tally;
pub mod transfers;
mod watch;

use std::{
    fs,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail};
use capture::Writer;
use sd_notify::NotifyState;

use self::{
    config::Config,
    messages::{Answer, Request},
    publish::{Board, Publisher},
    recordings::{RecordingStatus, Recordings, Wanted},
    status::Attempt,
    tally::{Sum, Tally},
    transfers::{Direction, Mark, Now, Transfer, Transfers},
    watch::Watch,
};
use crate::{
    clock::{now_ns, wall_ns},
    collect::{
        counters::{self, Counters},
        probes::Types,
        recording,
    },
    memory,
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
    let types = Types::read()?;
    let counters = counters::start(&types, config.control_ports())?;
    let held = match config.recordings.allowed {
        true => recording::hold(&types, config.control_ports()),
        false => Err(anyhow!("the configuration does not allow recordings")),
    };
    // Needed for loading only.
    drop(types);
    memory::give_back();
    if config.recordings.allowed
        && let Err(error) = &held
    {
        tracing::warn!("there will be no recordings: {error:#}");
    }
    let mut publisher = Publisher::new(config, &counters, held.as_ref().ok())?;
    let board = publisher.board();
    let (orders, inbox) = mpsc::channel();
    let at_door =
        AtDoor { board, orders, captures: captures::folder(&config.state), limits: config.recordings };
    let (to_pack, packed) = captures::start_packing(&config.state)?;
    let landlock = door::open(listener, users, config.state.clone(), move |request| at_door.answer(request))?;
    publisher.confined(confine::collector(landlock)?);
    // From here on nothing can be loaded, and everything foreign is looked at.
    let mut collector = Collector {
        counters,
        watch: Watch::new(config)?,
        tally: Tally::new(config.targets.len()),
        transfers: Transfers::default(),
        recordings: Recordings::new(held, config.recordings, to_pack, packed),
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
    collector.recordings.end_all();
    tracing::info!("stopped");
    Ok(())
}

/// What the collecting thread has.
struct Collector {
    counters: Counters,
    watch: Watch,
    tally: Tally,
    transfers: Transfers,
    recordings: Recordings,
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
            self.recordings.look();
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
            self.note_transfers();
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

    /// Has recordings know of the transfers that they cover.
    fn note_transfers(&mut self) {
        for ended in self.transfers.just_ended() {
            let pids = ended.place.map(|place| self.tally.pids_of(place)).unwrap_or_default();
            if let Some(capture) = self.recordings.transfer(&ended, &pids) {
                self.transfers.is_in(&ended, capture);
            }
        }
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
                self.note_transfers();
                let _ = reply.send(taken);
            }
            Order::StartRecording(wanted, out, reply) => {
                let started = self.recordings.start(&wanted, *out, &self.config);
                if reply.send(started).is_err() {
                    // Whoever asked has removed the file.
                    let _ = self.recordings.stop(&wanted.name);
                }
            }
            Order::StopRecording(name, reply) => _ = reply.send(self.recordings.stop(&name)),
            Order::Recordings(reply) => _ = reply.send(self.recordings.list()),
        }
        Ok(())
    }
}

/// What is needed to answer.
struct AtDoor {
    board: Board,
    orders: Sender<Order>,
    captures: PathBuf,
    limits: config::Recordings,
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
    StartRecording(Wanted, Box<Writer>, Sender<Result<(RecordingStatus, bool)>>),
    StopRecording(String, Sender<Result<RecordingStatus>>),
    Recordings(Sender<Vec<RecordingStatus>>),
}

impl AtDoor {
    /// On a thread at the door.
    fn answer(&self, request: Request) -> Answer {
        let orders = &self.orders;
        let answer = match request {
            Request::Status {} => {
                let status = Arc::clone(&self.board.read().expect("no holder panicked"));
                Ok(Answer::Status(Box::new((*status).clone())))
            }
            Request::Attempts {} => ordered(orders, Order::Attempt)
                .map(|by| Answer::Attempts(by.into_iter().chain(confine::attempts::at_the_door()).collect())),
            Request::Mark { mark } => ordered(orders, |reply| Order::Mark(mark, reply))
                .and_then(|taken| taken.map(|()| Answer::Marked {})),
            Request::Transfers {} => ordered(orders, Order::Transfers).map(Answer::Transfers),
            Request::StartRecording { recording } => self.start(recording),
            Request::StopRecording { name } => ordered(orders, |reply| Order::StopRecording(name, reply))
                .and_then(|stopped| Ok(Answer::Recordings(vec![stopped?]))),
            Request::Recordings {} => ordered(orders, Order::Recordings).map(Answer::Recordings),
        };
        answer.unwrap_or_else(|why| Answer::Error(format!("{why:#}")))
    }

    /// The file is made here: the collecting thread opens none for writing.
    fn start(&self, mut wanted: Wanted) -> Result<Answer> {
        if wanted.name.is_empty() {
            wanted.name = captures::name_by_time();
        }
        let name = wanted.name.clone();
        let largest_bytes = self.limits.bytes(wanted.bytes);
        let out = captures::create(&self.captures, &name, largest_bytes, self.limits.kept_bytes)?;
        let out = Box::new(out);
        let started = ordered(&self.orders, |reply| Order::StartRecording(wanted, out, reply))
            .and_then(|started| started);
        if !matches!(started, Ok((_, true))) {
            captures::remove(&self.captures, &name);
        }
        Ok(Answer::Recordings(vec![started?.0]))
    }
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
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(captures::folder(path));
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
