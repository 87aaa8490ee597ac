//! What the loop and the threads of a node with a transfer do besides: the noise.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    os::fd::OwnedFd,
    sync::Arc,
    thread,
    time::Duration,
};

use super::{
    events::{Events, bell, clear, every, ring},
    messages::{Connection, Kind, message, plain},
};
use crate::{
    log::{Log, State},
    pairs::noise::{Noise, Side},
};

pub const KEEP_ALIVE_PERIOD: Duration = Duration::from_millis(20);

pub struct Besides {
    noise: Option<Noise>,
    /// To the third process.
    others: Vec<TcpStream>,
    timer: Option<OwnedFd>,
    poked: Option<Arc<OwnedFd>>,
}

const TIMER: u64 = 100;
const POKED: u64 = 101;
/// And one for each connection.
const OTHERS: u64 = 102;

const BEAT: [u8; 10] = [8; 10];
const CONTROL_ANSWER: [u8; 100] = [9; 100];
const IDLE_THREADS: usize = 10;

impl Besides {
    pub fn begin(noise: Option<Noise>, companion: Option<SocketAddr>, events: &Events) -> Self {
        let connections = noise.map_or(0, Noise::connections);
        let connect = || {
            let stream = TcpStream::connect(companion.expect("the noise has a third process"));
            let stream = stream.expect("connect to the third process");
            plain(&stream);
            stream
        };
        let mut others: Vec<_> = (0..connections).map(|_| connect()).collect();
        let timer = match noise {
            Some(Noise::Heartbeat(Side::Own, period)) => Some(every(period, Duration::ZERO)),
            Some(Noise::KeepAlive(Side::Own)) => Some(every(KEEP_ALIVE_PERIOD, Duration::ZERO)),
            _ => None,
        };
        let poked = (noise == Some(Noise::Poker(Side::Own))).then(poker);
        match noise {
            Some(Noise::Reader) => others.drain(..).for_each(read_alone),
            Some(Noise::Ticker) => start("ticker", || {
                loop {
                    thread::sleep(Duration::from_millis(1));
                }
            }),
            Some(Noise::Idle) => (0..IDLE_THREADS).for_each(|_| {
                start("idle", || {
                    loop {
                        thread::park();
                    }
                });
            }),
            _ => {}
        }
        if let Some(timer) = &timer {
            events.watch(timer, TIMER);
        }
        if let Some(bell) = &poked {
            events.watch(&**bell, POKED);
        }
        for (token, other) in (OTHERS..).zip(&others) {
            other.set_nonblocking(true).expect("make the socket non-blocking");
            events.watch(other, token);
        }
        Self { noise, others, timer, poked }
    }

    /// What nobody else watches.
    pub fn handle(&mut self, token: u64, peer: &Connection, log: &mut Log) {
        match token {
            TIMER => {
                clear(self.timer.as_ref().expect("there is a timer"));
                match self.noise {
                    Some(Noise::KeepAlive(_)) => keep_alive(peer),
                    _ => send(&self.others[0], &BEAT),
                }
            }
            POKED => clear(self.poked.as_ref().expect("there is a bell")),
            _ => {
                let mut other = &self.others[(token - OTHERS) as usize];
                let mut got = 0;
                while let Ok(bytes @ 1..) = other.read(&mut [0; 256]) {
                    got += bytes;
                }
                assert!(got > 0, "the third process has gone");
                match self.noise {
                    Some(Noise::Heartbeat(Side::Peer, _)) => send(other, &BEAT),
                    Some(Noise::Control) => send(other, &CONTROL_ANSWER),
                    _ => {}
                }
            }
        }
        log.did(State::Besides, 0);
    }

    /// Before a block is asked for.
    pub fn before_request(&self, log: &mut Log) {
        if self.noise == Some(Noise::Bursts) {
            send(&self.others[0], &BEAT);
            log.did(State::Besides, 0);
        }
    }

    /// At a tick of the node's own.
    pub fn at_tick(&self, peer: &Connection, log: &mut Log) {
        if let Some(Noise::KeepAliveAtTick(Side::Own, _)) = self.noise {
            keep_alive(peer);
            log.did(State::Besides, 0);
        }
    }
}

fn keep_alive(peer: &Connection) {
    peer.send(&message(Kind::KeepAlive, 0, 0));
}

fn send(mut to: &TcpStream, bytes: &[u8]) {
    to.write_all(bytes).expect("a few bytes have room");
}

/// In a thread of its own.
fn read_alone(mut from: TcpStream) {
    start("reader", move || while let Ok(1..) = from.read(&mut [0; 256]) {});
}

fn start(name: &str, work: impl FnOnce() + Send + 'static) {
    thread::Builder::new().name(name.to_owned()).spawn(work).expect("start a thread");
}

/// A thread that rings every millisecond, for nothing.
pub fn poker() -> Arc<OwnedFd> {
    let bell = Arc::new(bell());
    let own = Arc::clone(&bell);
    let poke = move || {
        loop {
            thread::sleep(Duration::from_millis(1));
            ring(&own);
        }
    };
    start("poker", poke);
    bell
}
