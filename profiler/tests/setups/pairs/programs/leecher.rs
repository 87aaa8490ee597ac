//! Gets blocks in an event loop, and does its work after each.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    besides::Besides,
    events::{Events, clear, every},
    messages::{Connection, Kind, Received, message},
    work::{Tool, Work},
    worker::Hand,
};
use crate::{
    log::{Log, State},
    pairs::noise::Noise,
    programs::Prepared,
};

#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct Leecher {
    pub of: SocketAddr,
    pub blocks: u32,
    pub block_bytes: usize,
    pub ask: Ask,
    /// A second peer, which sends as many blocks unasked.
    pub second: Option<SocketAddr>,
    pub work: Work,
    /// A thread works, and the loop waits for it.
    pub in_worker: bool,
    /// For the work, if it needs one.
    pub file: PathBuf,
    pub noise: Option<Noise>,
    pub companion: Option<SocketAddr>,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Blocks come unasked.
    Never,
    /// So many requests are under way; the next is sent after the work.
    Outstanding(u32),
    /// One is under way; the next is sent before the work.
    Ahead,
    /// One block at each tick of the own timer.
    EveryTick(Duration),
}

enum Works {
    Itself(Tool),
    Hand(Hand),
}

const PEER: u64 = 0;
const SECOND: u64 = 1;
const TICK: u64 = 2;

impl Leecher {
    pub fn prepare(self) -> Prepared {
        let tool = Tool::new(self.work, self.block_bytes, &self.file);
        Prepared::new(None, move |log| {
            let works = if self.in_worker { Works::Hand(Hand::start(tool)) } else { Works::Itself(tool) };
            let peer = self.download(&works, log);
            if self.noise == Some(Noise::Chatter) {
                peer.finish();
                log.did(State::Besides, 0);
            }
            if let Works::Hand(hand) = works {
                hand.finish(log);
            }
        })
    }

    fn download(&self, works: &Works, log: &mut Log) -> Connection {
        let events = Events::new();
        let mut peer = Connection::to(self.of).non_blocking();
        events.watch(&peer, PEER);
        let mut second = self.second.map(|second| Connection::to(second).non_blocking());
        if let Some(second) = &second {
            events.watch(second, SECOND);
        }
        let mut besides = Besides::begin(self.noise, self.companion, &events);
        let tick = match self.ask {
            Ask::EveryTick(period) => Some(every(period, Duration::ZERO)),
            _ => None,
        };
        if let Some(tick) = &tick {
            events.watch(tick, TICK);
        }
        let (mut asked, mut got, mut got_of_second) = (0, 0, 0);
        let mut ask = |peer: &Connection, besides: &Besides, log: &mut Log| {
            if asked < self.blocks {
                besides.before_request(log);
                peer.send(&message(Kind::Request, asked, 0));
                log.did_with(State::Ask, asked, 0);
                asked += 1;
            }
        };
        let at_first = match self.ask {
            Ask::Outstanding(blocks) => blocks,
            Ask::Ahead => 1,
            Ask::Never | Ask::EveryTick(_) => 0,
        };
        for _ in 0..at_first {
            ask(&peer, &besides, log);
        }
        let of_second = if second.is_some() { self.blocks } else { 0 };
        while got < self.blocks || got_of_second < of_second {
            let ready = events.wait(None);
            log.did(State::Wait, 0);
            for token in ready {
                match token {
                    PEER => {
                        let Some(block) = receive(&mut peer, self.block_bytes, log) else { continue };
                        got += 1;
                        if self.ask == Ask::Ahead {
                            ask(&peer, &besides, log);
                        }
                        match works {
                            Works::Itself(tool) => tool.act(block, log),
                            Works::Hand(hand) => hand.act(block, log),
                        }
                        if let Ask::Outstanding(_) = self.ask {
                            ask(&peer, &besides, log);
                        }
                    }
                    SECOND => {
                        let second = second.as_mut().expect("there is a second peer");
                        got_of_second += u32::from(receive(second, 0, log).is_some());
                    }
                    TICK => {
                        clear(tick.as_ref().expect("there is a tick"));
                        besides.at_tick(&peer, log);
                        ask(&peer, &besides, log);
                    }
                    _ => besides.handle(token, &peer, log),
                }
            }
        }
        peer
    }
}

/// What has come; the number of a block whose last bytes have. One message at most, so that the loop goes round.
pub fn receive(from: &mut Connection, block_bytes: usize, log: &mut Log) -> Option<u32> {
    loop {
        match from.receive() {
            Received::Part => {}
            Received::Message(Kind::Block | Kind::Done, block) => {
                log.did_with(State::Receive, block, block_bytes);
                return Some(block);
            }
            Received::Nothing => {
                log.did(State::Receive, 0);
                return None;
            }
            Received::Message(..) => {
                log.did(State::Besides, 0);
                return None;
            }
            Received::End => panic!("the peer has gone"),
        }
    }
}
