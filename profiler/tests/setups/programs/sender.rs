//! Sends blocks to a receiver.

use std::net::{SocketAddr, TcpStream};

use rustix::net::sockopt::set_socket_send_buffer_size;
use serde::{Deserialize, Serialize};

use super::{
    Prepared,
    socket::{Socket, Style},
    step::{Step, Stepper},
};
use crate::log::State;

#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct Sender {
    pub to: SocketAddr,
    pub blocks: usize,
    pub block_bytes: usize,
    /// As the kernel chooses if not given.
    pub send_buffer_bytes: Option<usize>,
    pub before_each: Step,
    pub style: Style,
}

impl Sender {
    pub(super) fn prepare(self) -> Prepared {
        let block = vec![1; self.block_bytes];
        let mut step = Stepper::new(self.before_each, self.block_bytes);
        Prepared::new(None, move |log| {
            let stream = TcpStream::connect(self.to).expect("connect to the receiver");
            if let Some(bytes) = self.send_buffer_bytes {
                set_socket_send_buffer_size(&stream, bytes).expect("limit the send buffer");
            }
            let socket = Socket::new(stream, self.style, true);
            step.begin(&socket);
            for _ in 0..self.blocks {
                step.act(&socket, log);
                let mut sent = 0;
                while sent < block.len() {
                    let bytes = socket.send(&block[sent..]);
                    log.did(State::Send, bytes);
                    sent += bytes;
                }
            }
            socket.finish();
            log.did(State::Receive, 0);
            step.finish(log);
        })
    }
}
