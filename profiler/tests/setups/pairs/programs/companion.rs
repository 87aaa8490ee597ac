//! The third process of some noises.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::messages::plain;
use crate::{log::State, programs::Prepared};

#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct Companion {
    pub on: IpAddr,
    pub does: Does,
}

#[derive(Serialize, Deserialize, Clone, Copy, Debug)]
pub enum Does {
    /// Sends back what it gets.
    Echo,
    /// On each connection, so often.
    Send { every: Duration, bytes: usize, connections: usize },
    /// So long after each question.
    Answer { after: Duration, bytes: usize },
}

impl Does {
    pub fn connections(self) -> usize {
        match self {
            Self::Send { connections, .. } => connections,
            Self::Echo | Self::Answer { .. } => 1,
        }
    }
}

impl Companion {
    pub fn prepare(self) -> Prepared {
        let listener = TcpListener::bind((self.on, 0)).expect("listen");
        let port = listener.local_addr().expect("know the own address").port();
        Prepared::new(Some(port), move |log| {
            let accept = |_| {
                let stream = listener.accept().expect("accept a connection").0;
                plain(&stream);
                stream
            };
            let streams: Vec<_> = (0..self.does.connections()).map(accept).collect();
            // Until the other has gone.
            match self.does {
                Does::Echo => answer(&streams[0], Duration::ZERO, None),
                Does::Answer { after, bytes } => answer(&streams[0], after, Some(bytes)),
                Does::Send { every, bytes, .. } => send(&streams, every, bytes),
            }
            log.did(State::Besides, 0);
        })
    }
}

/// With as many bytes as came, if none are given.
fn answer(mut stream: &TcpStream, after: Duration, bytes: Option<usize>) {
    let mut memory = [6; 256];
    while let Ok(got @ 1..) = stream.read(&mut memory) {
        if !after.is_zero() {
            thread::sleep(after);
        }
        if stream.write_all(&memory[..bytes.unwrap_or(got)]).is_err() {
            return;
        }
    }
}

fn send(streams: &[TcpStream], every: Duration, bytes: usize) {
    let memory = vec![6; bytes];
    let apart = every / streams.len() as u32;
    loop {
        for mut stream in streams {
            thread::sleep(apart);
            if stream.write_all(&memory).is_err() {
                return;
            }
        }
    }
}
