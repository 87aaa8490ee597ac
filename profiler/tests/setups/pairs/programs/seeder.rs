//! Sends blocks, asked for or not, and does its work before each.

use std::{
    collections::VecDeque,
    net::{IpAddr, TcpListener},
    path::PathBuf,
    thread,
    time::Duration,
};

use profiler::clock::now_ns;
use serde::{Deserialize, Serialize};

use super::{
    events::{Events, arm, clear, timer},
    messages::{Connection, Kind, Received, message, set_number},
    peer_besides::PeerBesides,
    work::{Tool, Work},
    worker::Worker,
};
use crate::{
    log::{Log, State},
    pairs::noise::Noise,
    programs::Prepared,
};

#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct Seeder {
    pub on: IpAddr,
    /// The number of the first block, and how many there are.
    pub first: u32,
    pub blocks: u32,
    pub block_bytes: usize,
    /// It sends only what it was asked for.
    pub asked: bool,
    pub work: Work,
    pub style: Style,
    /// For the work, if it needs one.
    pub file: PathBuf,
    pub noise: Option<Noise>,
}

/// How it does its work.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Every call blocks.
    Blocking,
    /// In an event loop, which does nothing else meanwhile.
    Loop,
    /// The time-out of an event loop; sleeping only.
    TimeOut,
    /// A timerfd in an event loop; sleeping only.
    Timerfd,
    /// A thread, which tells the event loop through an eventfd.
    Worker,
}

const PEER: u64 = 0;
const DELAY: u64 = 1;
const DONE: u64 = 2;

/// What comes of a block ahead of the work, in pieces.
const DRIBBLE_PIECES: usize = 3;
const DRIBBLE_BYTES: usize = 500;

const CHATTER: Duration = Duration::from_millis(10);
const CHATTER_MESSAGES: u32 = 50;

impl Seeder {
    pub fn prepare(self) -> Prepared {
        let listener = TcpListener::bind((self.on, 0)).expect("listen");
        let port = listener.local_addr().expect("know the own address").port();
        let tool = Tool::new(self.work, self.block_bytes, &self.file);
        let block = message(Kind::Block, 0, self.block_bytes);
        Prepared::new(Some(port), move |log| {
            let stream = listener.accept().expect("accept the receiver").0;
            let to = Connection::new(stream);
            let chatters = self.noise == Some(Noise::Chatter);
            let to = if self.style == Style::Blocking {
                self.serve_blocking(to, &tool, block, log)
            } else {
                self.serve_in_loop(to.non_blocking(), tool, block, log)
            };
            if chatters {
                for number in 0..CHATTER_MESSAGES {
                    thread::sleep(CHATTER);
                    to.send(&message(Kind::KeepAlive, number, 0));
                }
                to.end();
            }
            to.finish();
            log.did(State::Wait, 0);
        })
    }

    fn serve_blocking(
        &self,
        mut to: Connection,
        tool: &Tool,
        mut message: Vec<u8>,
        log: &mut Log,
    ) -> Connection {
        for block in self.first..self.first + self.blocks {
            if self.asked {
                while asked(&mut to, log).is_none() {}
            }
            let begun = self.begin(&to, block, &mut message, log);
            tool.act(block, log);
            to.send(&message[begun..]);
            log.did_with(State::Send, block, message.len());
        }
        to
    }

    /// What is sent ahead of the work, in bytes.
    fn begin(&self, to: &Connection, block: u32, message: &mut [u8], log: &mut Log) -> usize {
        set_number(message, block);
        if self.noise != Some(Noise::Dribble) {
            return 0;
        }
        for piece in message.chunks(DRIBBLE_BYTES).take(DRIBBLE_PIECES) {
            to.send(piece);
        }
        log.did(State::Besides, DRIBBLE_PIECES * DRIBBLE_BYTES);
        DRIBBLE_PIECES * DRIBBLE_BYTES
    }

    fn serve_in_loop(
        &self,
        mut to: Connection,
        tool: Tool,
        mut message: Vec<u8>,
        log: &mut Log,
    ) -> Connection {
        let events = Events::new();
        events.watch(&to, PEER);
        let besides = PeerBesides::begin(self.noise, &events);
        let delay = timer();
        events.watch(&delay, DELAY);
        let (tool, worker) = match self.style {
            Style::Worker => (None, Some(Worker::start(tool, "worker"))),
            _ => (Some(tool), None),
        };
        if let Some(worker) = &worker {
            events.watch(&*worker.done, DONE);
        }
        let end = self.first + self.blocks;
        let mut wanted: VecDeque<u32> =
            if self.asked { VecDeque::new() } else { (self.first..end).collect() };
        // Since when the delay runs, or the worker works, for the first that is wanted.
        let mut since_ns = None;
        let mut sent = 0;
        let mut send = |to: &Connection, block: u32, log: &mut Log| {
            set_number(&mut message, block);
            to.send(&message);
            log.did_with(State::Send, block, message.len());
        };
        while sent < self.blocks {
            let mut limit = None;
            while let Some(&block) = wanted.front() {
                if let Some(tool) = tool.as_ref().filter(|_| self.style == Style::Loop) {
                    tool.act(block, log);
                } else if let Some(worker) = &worker {
                    if since_ns.is_none() {
                        worker.order(block);
                        since_ns = Some(now_ns());
                    }
                    break;
                } else {
                    let Work::Sleep(time) = self.work else { panic!("a delay is a sleep") };
                    let armed_ns = *since_ns.get_or_insert_with(|| {
                        // Before it is armed: as it fires, the time is over, and nothing else would tell.
                        let armed_ns = now_ns();
                        if self.style == Style::Timerfd {
                            arm(&delay, time);
                        }
                        armed_ns
                    });
                    let left_ns = (armed_ns + time.as_nanos() as u64).saturating_sub(now_ns());
                    if left_ns > 0 {
                        // epoll_wait counts in ms, and must not be early.
                        let limit_ms = Duration::from_millis(left_ns.div_ceil(1_000_000));
                        limit = Some(limit_ms).filter(|_| self.style == Style::TimeOut);
                        break;
                    }
                    log.timer(block, armed_ns);
                    since_ns = None;
                }
                send(&to, block, log);
                wanted.pop_front();
                sent += 1;
            }
            if sent == self.blocks {
                break;
            }
            let ready = events.wait(limit);
            log.did(State::Wait, 0);
            for token in ready {
                match token {
                    PEER => {
                        if let Some(block) = asked(&mut to, log) {
                            wanted.push_back(block);
                        }
                    }
                    DELAY => clear(&delay),
                    DONE => {
                        clear(&worker.as_ref().expect("there is a worker").done);
                        let block = wanted.pop_front().expect("the worker was given a block");
                        since_ns = None;
                        send(&to, block, log);
                        sent += 1;
                    }
                    _ => besides.handle(token, &to, log),
                }
            }
        }
        if let Some(worker) = worker {
            worker.finish(log);
        }
        to
    }
}

/// A request, if one is there.
fn asked(to: &mut Connection, log: &mut Log) -> Option<u32> {
    match to.receive() {
        Received::Message(Kind::Request, block) => {
            log.did_with(State::Asked, block, 0);
            return Some(block);
        }
        Received::End => panic!("the receiver has gone"),
        _ => log.did(State::Besides, 0),
    }
    None
}
