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
mod watch;

use std::{
    fs,
    os::unix::fs::DirBuilderExt as _,
    path::Path,
    sync::{
        Arc, RwLock,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use sd_notify::NotifyState;

use self::{
    config::Config,
    messages::{Answer, Request},
    publish::Publisher,
    status::{Attempt, Status},
    tally::Tally,
    watch::Watch,
};
use crate::{
    clock::now_ns,
    collect::counters::{self, Counters},
};

/// How often it is looked whether tables need room, and whether to stop.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// How old what is told may be.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// How often is done what takes more time: losses, how full tables are, what is forgotten.
const ACCOUNT_INTERVAL: Duration = Duration::from_secs(10);

/// How long the collecting thread may take for an order: it may be in the midst of a sweep.
const ORDER_PATIENCE: Duration = Duration::from_secs(5);

/// Watches the configuration's targets until `stop`.
///
/// # Errors
/// It cannot start, or the probes' maps cannot be read any more.
pub fn run(config: &Config, stop: &AtomicBool) -> Result<()> {
    let users = users(config)?;
    make_state_folder(&config.state)?;
    let listener = door::bind(&config.socket)?;
    let mut counters = counters::start(config.control_ports())?;
    let mut publisher = Publisher::new(config, &counters)?;
    let board = publisher.board();
    let (orders, inbox) = mpsc::channel();
    let landlock =
        door::open(listener, users, config.state.clone(), move |request| answer(&request, &board, &orders))?;
    publisher.confined(confine::collector(landlock)?);
    // From here on nothing can be loaded, and everything foreign is looked at.
    let mut watch = Watch::new(config)?;
    let mut tally = Tally::new(config.targets.len());
    complain(watch.begin(&mut counters.targets));
    sweep(&mut counters, &watch, &mut tally)?;
    publisher.account(&counters)?;
    publisher.started(&tally);
    notify(&[NotifyState::Ready]);
    tracing::info!("ready: {} targets, at {}", config.targets.len(), config.socket.display());
    let (mut swept, mut accounted) = (Instant::now(), Instant::now());
    while !stop.load(Ordering::Acquire) {
        thread::sleep(LOOK_INTERVAL);
        inbox.try_iter().for_each(carry_out);
        counters.make_room(&mut tally)?;
        if swept.elapsed() < SWEEP_INTERVAL {
            continue;
        }
        swept = Instant::now();
        complain(watch.look(&mut counters.targets));
        sweep(&mut counters, &watch, &mut tally)?;
        if accounted.elapsed() >= ACCOUNT_INTERVAL {
            accounted = Instant::now();
            tally.forget(now_ns());
            counters.forget_credits(|serial| tally.knows(serial))?;
            publisher.account(&counters)?;
        }
        publisher.publish(&tally);
        notify(&[NotifyState::Watchdog]);
    }
    notify(&[NotifyState::Stopping]);
    tracing::info!("stopped");
    Ok(())
}

/// Adds up what changed, and finds the targets of processes that are new.
fn sweep(counters: &mut Counters, watch: &Watch, tally: &mut Tally) -> Result<()> {
    counters.sweep(tally)?;
    if tally.has_open() {
        let members = watch.members();
        tally.assign(|id, of_pid| watch.target_of(id, &members, of_pid));
    }
    Ok(())
}

/// What only the collecting thread can do, with whom it tells of it.
enum Order {
    Attempt(Sender<Vec<Attempt>>),
}

/// On a thread at the door.
fn answer(request: &Request, board: &RwLock<Arc<Status>>, orders: &Sender<Order>) -> Answer {
    match request {
        Request::Status {} => {
            let status = Arc::clone(&board.read().expect("no holder panicked"));
            Answer::Status(Box::new((*status).clone()))
        }
        Request::Attempts {} => match ordered(orders, Order::Attempt) {
            Ok(attempts) => {
                Answer::Attempts(attempts.into_iter().chain(confine::attempts::at_the_door()).collect())
            }
            Err(why) => Answer::Error(format!("{why:#}")),
        },
    }
}

/// On the collecting thread. Who does not wait any more is nobody's concern.
fn carry_out(order: Order) {
    match order {
        Order::Attempt(reply) => _ = reply.send(confine::attempts::by("collecting")),
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
