//! An upload: one sends a block after its work, and the next when the other has dealt with it.

use std::{
    net::{IpAddr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    besides::Besides,
    events::Events,
    leecher::receive,
    messages::{Connection, Kind, Received, message, set_number},
    work::{Tool, Work},
};
use crate::{log::State, pairs::noise::Noise, programs::Prepared};

#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct Uploader {
    pub to: SocketAddr,
    pub blocks: u32,
    pub block_bytes: usize,
    /// Before each block.
    pub work: Work,
    /// For the work, if it needs one.
    pub file: PathBuf,
    pub noise: Option<Noise>,
    pub companion: Option<SocketAddr>,
}

/// Works after each block, and says that it is done.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct Storer {
    pub on: IpAddr,
    pub blocks: u32,
    pub work: Work,
}

const PEER: u64 = 0;

impl Uploader {
    pub fn prepare(self) -> Prepared {
        let tool = Tool::new(self.work, self.block_bytes, &self.file);
        let mut sent = message(Kind::Block, 0, self.block_bytes);
        Prepared::new(None, move |log| {
            let events = Events::new();
            let mut peer = Connection::to(self.to).non_blocking();
            events.watch(&peer, PEER);
            let mut besides = Besides::begin(self.noise, self.companion, &events);
            for block in 0..self.blocks {
                tool.act(block, log);
                set_number(&mut sent, block);
                peer.send(&sent);
                log.did_with(State::Send, block, sent.len());
                let mut is_done = false;
                while !is_done {
                    let ready = events.wait(None);
                    log.did(State::Wait, 0);
                    for token in ready {
                        match token {
                            PEER => is_done |= receive(&mut peer, 0, log).is_some(),
                            _ => besides.handle(token, &peer, log),
                        }
                    }
                }
            }
        })
    }
}

impl Storer {
    pub fn prepare(self) -> Prepared {
        let listener = TcpListener::bind((self.on, 0)).expect("listen");
        let port = listener.local_addr().expect("know the own address").port();
        let tool = Tool::new(self.work, 0, Path::new(""));
        Prepared::new(Some(port), move |log| {
            let mut peer = Connection::new(listener.accept().expect("accept the uploader").0);
            let mut stored = 0;
            while stored < self.blocks {
                match peer.receive() {
                    Received::Message(Kind::Block, block) => {
                        log.did_with(State::Receive, block, 0);
                        tool.act(block, log);
                        peer.send(&message(Kind::Done, block, 0));
                        log.did_with(State::Send, block, 0);
                        stored += 1;
                    }
                    Received::End => panic!("the uploader has gone"),
                    _ => {}
                }
            }
            peer.finish();
        })
    }
}
