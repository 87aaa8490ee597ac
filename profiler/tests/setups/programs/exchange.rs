//! Request and response: one asks, the other answers, and one message is under way at a time.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

use serde::{Deserialize, Serialize};

use super::{
    Prepared,
    socket::{Socket, Style},
    step::{Step, Stepper},
};
use crate::log::{Log, State};

#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct Asker {
    pub of: SocketAddr,
    pub talk: Talk,
}

#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct Answerer {
    pub talk: Talk,
}

/// What both agree on.
#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct Talk {
    pub rounds: usize,
    /// The writes that make up a question.
    pub question_bytes: Vec<usize>,
    pub answer_bytes: usize,
    /// Each side does it with what it got.
    pub after_each: Step,
    pub no_delay: bool,
    pub style: Style,
}

impl Asker {
    pub(super) fn prepare(self) -> Prepared {
        let Self { of, talk } = self;
        let mut step = Stepper::new(talk.after_each, 0);
        let mut memory = vec![1; talk.question_bytes.iter().sum::<usize>().max(talk.answer_bytes)];
        Prepared::new(None, move |log| {
            let stream = TcpStream::connect(of).expect("connect to the answerer");
            let socket = Socket::new(stream, talk.style, talk.no_delay);
            for _ in 0..talk.rounds {
                for &bytes in &talk.question_bytes {
                    send(&socket, &memory[..bytes], log);
                }
                receive(&socket, &mut memory[..talk.answer_bytes], log);
                step.act(&socket, log);
            }
            socket.finish();
            log.did(State::Receive, 0);
        })
    }
}

impl Answerer {
    pub(super) fn prepare(self) -> Prepared {
        let Self { talk } = self;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("listen");
        let port = listener.local_addr().expect("know the own address").port();
        let mut step = Stepper::new(talk.after_each, 0);
        let mut question = vec![1; talk.question_bytes.iter().sum()];
        let answer = vec![1; talk.answer_bytes];
        Prepared::new(Some(port), move |log| {
            let stream = listener.accept().expect("accept the asker").0;
            let socket = Socket::new(stream, talk.style, talk.no_delay);
            for _ in 0..talk.rounds {
                receive(&socket, &mut question, log);
                step.act(&socket, log);
                send(&socket, &answer, log);
            }
            socket.finish();
            log.did(State::Receive, 0);
        })
    }
}

fn send(socket: &Socket, message: &[u8], log: &mut Log) {
    let mut sent = 0;
    while sent < message.len() {
        let bytes = socket.send(&message[sent..]);
        log.did(State::Send, bytes);
        sent += bytes;
    }
}

fn receive(socket: &Socket, message: &mut [u8], log: &mut Log) {
    let mut got = 0;
    while got < message.len() {
        let bytes = socket.receive(&mut message[got..]);
        assert!(bytes > 0, "the other has gone");
        log.did(State::Receive, bytes);
        got += bytes;
    }
}
