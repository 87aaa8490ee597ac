//! Gets blocks and passes each on, in an event loop.

use std::net::{IpAddr, SocketAddr, TcpListener};

use serde::{Deserialize, Serialize};

use super::{
    events::Events,
    leecher::receive,
    messages::{Connection, Kind, message, set_number},
};
use crate::{log::State, programs::Prepared};

#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct Relay {
    pub on: IpAddr,
    pub of: SocketAddr,
    pub blocks: u32,
    pub block_bytes: usize,
}

impl Relay {
    pub fn prepare(self) -> Prepared {
        let listener = TcpListener::bind((self.on, 0)).expect("listen");
        let port = listener.local_addr().expect("know the own address").port();
        let mut passed_on = message(Kind::Block, 0, self.block_bytes);
        Prepared::new(Some(port), move |log| {
            let mut from = Connection::to(self.of).non_blocking();
            let to = Connection::new(listener.accept().expect("accept the leecher").0).non_blocking();
            let events = Events::new();
            events.watch(&from, 0);
            let mut passed = 0;
            while passed < self.blocks {
                events.wait(None);
                log.did(State::Wait, 0);
                if let Some(block) = receive(&mut from, self.block_bytes, log) {
                    set_number(&mut passed_on, block);
                    to.send(&passed_on);
                    log.did_with(State::Send, block, passed_on.len());
                    passed += 1;
                }
            }
            to.finish();
        })
    }
}
