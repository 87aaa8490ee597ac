//! Receives blocks until the sender has no more.

use std::net::{IpAddr, TcpListener};

use rustix::net::sockopt::set_socket_recv_buffer_size;
use serde::{Deserialize, Serialize};

use super::{
    Prepared,
    socket::{Socket, Style},
    step::{Step, Stepper},
};
use crate::log::State;

#[derive(Serialize, Deserialize, Clone, Debug)]
pub struct Receiver {
    pub on: IpAddr,
    pub block_bytes: usize,
    /// As the kernel chooses if not given.
    pub receive_buffer_bytes: Option<usize>,
    pub after_each: Step,
    pub style: Style,
}

impl Receiver {
    pub(super) fn prepare(self) -> Prepared {
        let listener = TcpListener::bind((self.on, 0)).expect("listen");
        if let Some(bytes) = self.receive_buffer_bytes {
            // Connections inherit it.
            set_socket_recv_buffer_size(&listener, bytes).expect("limit the receive buffer");
        }
        let port = listener.local_addr().expect("know the own address").port();
        let mut block = vec![1; self.block_bytes];
        let mut step = Stepper::new(self.after_each, self.block_bytes);
        Prepared::new(Some(port), move |log| {
            let stream = listener.accept().expect("accept the sender").0;
            let socket = Socket::new(stream, self.style, true);
            step.begin(&socket);
            let mut got = 0;
            loop {
                let bytes = socket.receive(&mut block[got..]);
                log.did(State::Receive, bytes);
                got += bytes;
                if bytes == 0 {
                    break;
                }
                if got == block.len() {
                    step.act(&socket, log);
                    got = 0;
                }
            }
            step.finish(log);
        })
    }
}
