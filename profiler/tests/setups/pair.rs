//! A sender and a receiver, each with a transfer of its own.

use capture::Direction;

use crate::{
    outcome::Outcome,
    programs::{Program, Receiver, Sender, Step, Style},
    stage::{ANYWHERE, LOOPBACK, Place, Stage, core},
};

/// As in most of the set-ups, if nothing else is said: on loopback, each on a core of its own, blocks of a
/// stride.
pub struct Pair<'a> {
    pub blocks: usize,
    pub block_bytes: usize,
    /// Of each end. As the kernel chooses if not given.
    pub buffer_bytes: Option<usize>,
    pub before_send: Step,
    pub after_receive: Step,
    pub sender: (Style, Place<'a>),
    pub receiver: (Style, Place<'a>),
}

pub const SENDER: &str = "sender";
pub const RECEIVER: &str = "receiver";
const BLOCK_BYTES: usize = 64 << 10;

impl Pair<'_> {
    pub fn of(style: Style) -> Self {
        Self {
            blocks: 100,
            block_bytes: BLOCK_BYTES,
            buffer_bytes: None,
            before_send: Step::Nothing,
            after_receive: Step::Nothing,
            sender: (style, ANYWHERE),
            receiver: (style, ANYWHERE),
        }
    }

    pub fn bytes(&self) -> usize {
        self.blocks * self.block_bytes
    }

    pub fn play(self, stage: Stage) -> Outcome {
        self.play_and(stage, || ()).0
    }

    /// The same, and what is done before the stage is given up.
    pub fn play_and<T>(self, mut stage: Stage, last: impl FnOnce() -> T) -> (Outcome, T) {
        let bytes = self.bytes();
        let Self { blocks, block_bytes, buffer_bytes, before_send, after_receive, sender, receiver } = self;
        let on = receiver.1.host.map_or(LOOPBACK, |host| host.address.into());
        let program = Receiver {
            on,
            block_bytes,
            receive_buffer_bytes: buffer_bytes,
            after_each: after_receive,
            style: receiver.0,
        };
        let port = stage.start(RECEIVER, Program::Receiver(program), Place { core: core(0), ..receiver.1 });
        stage.transfers(Direction::Download, bytes);
        let program = Sender {
            to: (on, port).into(),
            blocks,
            block_bytes,
            send_buffer_bytes: buffer_bytes,
            before_each: before_send,
            style: sender.0,
        };
        stage.start(SENDER, Program::Sender(program), Place { core: core(1), ..sender.1 });
        stage.transfers(Direction::Upload, bytes);
        stage.play_and(last)
    }
}
