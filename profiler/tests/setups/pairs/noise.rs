//! What a node does beside its transfer, and delays nothing.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::programs::Does;

#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noise {
    /// 10 bytes on another connection, so often, and back.
    Heartbeat(Side, Duration),
    /// On the connection of the transfer.
    KeepAlive(Side),
    /// The same at each tick of the downloader's own timer.
    KeepAliveAtTick(Side, Duration),
    /// A thread reads 50 bytes a millisecond from a third process.
    Reader,
    /// A peer sends 9 bytes every 10 ms.
    Nine,
    /// A control port is asked every 5 ms.
    Control,
    /// A thread sleeps a millisecond at a time.
    Ticker,
    /// A thread pokes the loop every millisecond through an eventfd.
    Poker(Side),
    /// Ten threads that do nothing.
    Idle,
    /// Small messages after the last block.
    Chatter,
    /// A second peer is asked for 100 bytes along with each block, and answers just before it.
    Bursts,
    /// A hundred connections to one loop.
    Crowd,
    /// The first bytes of each block come before the peer's work.
    Dribble,
}

/// Of the transfer's connection: the process that is profiled for its transfer, or the other one.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Own,
    Peer,
}

use Side::{Own, Peer};

pub const TICK: Duration = Duration::from_millis(10);

pub const NOISES: [(&str, Noise); 21] = [
    ("beat-3", Noise::Heartbeat(Own, Duration::from_millis(3))),
    ("beat-20", Noise::Heartbeat(Own, Duration::from_millis(20))),
    ("beat-100", Noise::Heartbeat(Own, Duration::from_millis(100))),
    ("peer-beat-3", Noise::Heartbeat(Peer, Duration::from_millis(3))),
    ("peer-beat-20", Noise::Heartbeat(Peer, Duration::from_millis(20))),
    ("peer-beat-100", Noise::Heartbeat(Peer, Duration::from_millis(100))),
    ("keepalive", Noise::KeepAlive(Own)),
    ("peer-keepalive", Noise::KeepAlive(Peer)),
    ("tick-keepalive", Noise::KeepAliveAtTick(Own, TICK)),
    ("peer-tick-keepalive", Noise::KeepAliveAtTick(Peer, TICK)),
    ("reader", Noise::Reader),
    ("nine", Noise::Nine),
    ("control", Noise::Control),
    ("ticker", Noise::Ticker),
    ("poker", Noise::Poker(Own)),
    ("peer-poker", Noise::Poker(Peer)),
    ("idle", Noise::Idle),
    ("chatter", Noise::Chatter),
    ("bursts", Noise::Bursts),
    ("crowd", Noise::Crowd),
    ("dribble", Noise::Dribble),
];

impl Noise {
    pub fn named(name: &str) -> Option<Self> {
        NOISES.into_iter().find_map(|(known, noise)| (known == name).then_some(noise))
    }

    /// What the third process does, where there is one. `delay` is what the peer takes for a block.
    pub fn companion(self, delay: Duration) -> Option<Does> {
        let send = |every, bytes| Does::Send { every, bytes, connections: 1 };
        match self {
            Self::Heartbeat(Own, _) => Some(Does::Echo),
            Self::Heartbeat(Peer, every) => Some(send(every, 10)),
            Self::Reader => Some(send(Duration::from_millis(1), 50)),
            Self::Nine => Some(send(Duration::from_millis(10), 9)),
            Self::Control => Some(send(Duration::from_millis(5), 20)),
            Self::Crowd => {
                Some(Does::Send { every: Duration::from_millis(100), bytes: 20, connections: CROWD })
            }
            Self::Bursts => {
                Some(Does::Answer { after: delay.saturating_sub(Duration::from_micros(300)), bytes: 100 })
            }
            Self::KeepAlive(_)
            | Self::KeepAliveAtTick(..)
            | Self::Ticker
            | Self::Poker(_)
            | Self::Idle
            | Self::Chatter
            | Self::Dribble => None,
        }
    }

    /// How many connections go to the third process.
    pub fn connections(self) -> usize {
        self.companion(Duration::ZERO).map_or(0, Does::connections)
    }
}

const CROWD: usize = 100;
