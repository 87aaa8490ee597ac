//! What the loop of a seeder does besides.

use std::{os::fd::OwnedFd, sync::Arc, time::Duration};

use super::{
    besides::{KEEP_ALIVE_PERIOD, poker},
    events::{Events, clear, every},
    messages::{Connection, Kind, message},
};
use crate::{
    log::{Log, State},
    pairs::noise::{Noise, Side},
};

pub struct PeerBesides {
    keep_alive: Option<OwnedFd>,
    poked: Option<Arc<OwnedFd>>,
}

const KEEP_ALIVE: u64 = 100;
const POKE: u64 = 101;

/// So long before the other's tick its keep-alive is sent.
const LEAD: Duration = Duration::from_micros(300);

impl PeerBesides {
    pub fn begin(noise: Option<Noise>, events: &Events) -> Self {
        let keep_alive = match noise {
            Some(Noise::KeepAlive(Side::Peer)) => Some(every(KEEP_ALIVE_PERIOD, Duration::ZERO)),
            Some(Noise::KeepAliveAtTick(Side::Peer, tick)) => Some(every(tick, LEAD)),
            _ => None,
        };
        if let Some(timer) = &keep_alive {
            events.watch(timer, KEEP_ALIVE);
        }
        let poked = (noise == Some(Noise::Poker(Side::Peer))).then(poker);
        if let Some(bell) = &poked {
            events.watch(&**bell, POKE);
        }
        Self { keep_alive, poked }
    }

    pub fn handle(&self, token: u64, to: &Connection, log: &mut Log) {
        match token {
            KEEP_ALIVE => {
                clear(self.keep_alive.as_ref().expect("there is a timer"));
                to.send(&message(Kind::KeepAlive, 0, 0));
            }
            POKE => clear(self.poked.as_ref().expect("there is a bell")),
            _ => panic!("nobody watches {token}"),
        }
        log.did(State::Besides, 0);
    }
}
