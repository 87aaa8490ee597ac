//! A thread that works for an event loop: one that tells it by an eventfd, or one that it waits for.

use std::{
    os::fd::OwnedFd,
    sync::{
        Arc, Condvar, Mutex,
        mpsc::{self, Receiver, SyncSender},
    },
    thread,
};

use super::{
    events::{bell, ring},
    work::Tool,
};
use crate::log::{Log, State};

/// Rings when a block is done.
pub struct Worker {
    orders: SyncSender<u32>,
    pub done: Arc<OwnedFd>,
    log: Receiver<Log>,
}

impl Worker {
    pub fn start(tool: Tool, name: &str) -> Self {
        let done = Arc::new(bell());
        let (orders, ordered) = mpsc::sync_channel(1);
        let (give_log, log) = mpsc::sync_channel(1);
        let tell = Arc::clone(&done);
        let work = move || {
            let mut log = Log::begin();
            for block in ordered {
                log.did(State::Wait, 0);
                tool.act(block, &mut log);
                ring(&tell);
            }
            // Nobody asks if the program failed.
            let _ = give_log.send(log);
        };
        thread::Builder::new().name(name.to_owned()).spawn(work).expect("start the worker");
        Self { orders, done, log }
    }

    pub fn order(&self, block: u32) {
        self.orders.send(block).expect("the worker runs");
    }

    pub fn finish(self, log: &mut Log) {
        drop(self.orders);
        log.append(self.log.recv().expect("the worker ends"));
    }
}

/// A worker behind two condition variables.
pub struct Hand {
    shared: Arc<Shared>,
    log: Receiver<Log>,
}

#[derive(Default)]
struct Shared {
    order: Mutex<Order>,
    ordered: Condvar,
    done: Condvar,
}

#[derive(Default, PartialEq)]
enum Order {
    #[default]
    None,
    Block(u32),
    End,
}

impl Hand {
    pub fn start(tool: Tool) -> Self {
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        let (give_log, log) = mpsc::sync_channel(1);
        let work = move || {
            let mut log = Log::begin();
            loop {
                let order = own.order.lock().expect("no holder panicked");
                let order = own.ordered.wait_while(order, |order| *order == Order::None);
                let Order::Block(block) = *order.expect("no holder panicked") else { break };
                log.did(State::Wait, 0);
                tool.act(block, &mut log);
                *own.order.lock().expect("no holder panicked") = Order::None;
                own.done.notify_one();
            }
            // Nobody asks if the program failed.
            let _ = give_log.send(log);
        };
        thread::Builder::new().name("hasher".to_owned()).spawn(work).expect("start the worker");
        Self { shared, log }
    }

    /// Waits until the block is done.
    pub fn act(&self, block: u32, log: &mut Log) {
        self.order(Order::Block(block));
        let order = self.shared.order.lock().expect("no holder panicked");
        let done = self.shared.done.wait_while(order, |order| *order != Order::None);
        drop(done.expect("no holder panicked"));
        log.did(State::WaitForWorker, 0);
    }

    pub fn finish(self, log: &mut Log) {
        self.order(Order::End);
        log.append(self.log.recv().expect("the worker ends"));
    }

    fn order(&self, order: Order) {
        *self.shared.order.lock().expect("no holder panicked") = order;
        self.shared.ordered.notify_one();
    }
}
