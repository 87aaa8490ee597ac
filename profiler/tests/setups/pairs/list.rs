//! Which programs there are, and with which noise each is paired.

use std::time::Duration;

use super::{
    noise::{NOISES, Noise, Side, TICK},
    programs::{Ask, Style, Work},
};

/// A program whose log says what its transfer waited for.
#[derive(Clone, Copy, Debug)]
pub struct Base {
    pub name: &'static str,
    pub nodes: Nodes,
    pub blocks: u32,
    pub block_bytes: usize,
    /// What the peer does before each block; of an upload, after it.
    pub peer: Work,
    pub style: Style,
    pub ask: Ask,
    /// What the downloader does after each block; of an upload, the uploader before it.
    pub own: Work,
    pub in_worker: bool,
    /// Of synchronous writes, where it has some.
    pub disk_bytes_per_s: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nodes {
    /// A leecher and a seeder.
    Two,
    /// The same with a link of limited rate between them.
    Linked,
    /// A leecher whose peer is a leecher of the seeder.
    Relayed,
    /// A leecher with a second seeder, which sends a ninth of the first one's bytes and sleeps before each.
    Uneven,
    /// An uploader, and one who stores.
    Upload,
}

/// A base with a noise, or without.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    pub base: Base,
    pub noise: Option<(&'static str, Noise)>,
    /// CI runs it.
    pub in_third: bool,
}

pub const LINK_BITS_PER_S: u32 = 100_000_000;
/// Of the second seeder of [`Nodes::Uneven`].
pub const SECOND_SLEEPS: Duration = ms(40);

const BLOCK_BYTES: usize = 64 << 10;

/// Blocks come unasked, and nobody does anything.
pub const PLAIN: Base = Base {
    name: "",
    nodes: Nodes::Two,
    blocks: 320,
    block_bytes: BLOCK_BYTES,
    peer: Work::Nothing,
    style: Style::Blocking,
    ask: Ask::Never,
    own: Work::Nothing,
    in_worker: false,
    disk_bytes_per_s: 16_000_000,
};
const ONE: Ask = Ask::Outstanding(1);

/// Each takes 1.6 s or a little more.
const BASES: [Base; 23] = [
    Base { name: "disk", blocks: 400, peer: Work::Sync, ..PLAIN },
    Base { name: "paced", peer: Work::Sleep(ms(5)), ..PLAIN },
    Base { name: "paced-timeout", blocks: 240, peer: Work::Sleep(ms(7)), style: Style::TimeOut, ..PLAIN },
    Base { name: "paced-timerfd", blocks: 240, peer: Work::Sleep(ms(7)), style: Style::Timerfd, ..PLAIN },
    Base { name: "computes", peer: Work::Compute(ms(5)), style: Style::Loop, ask: ONE, ..PLAIN },
    Base {
        name: "computes-worker",
        blocks: 200,
        peer: Work::Compute(ms(8)),
        style: Style::Worker,
        ask: ONE,
        ..PLAIN
    },
    Base { name: "delay-timeout", style: Style::TimeOut, ..DELAY },
    Base { name: "delay-timerfd", style: Style::Timerfd, ..DELAY },
    Base { name: "delay-ahead", blocks: 400, style: Style::Timerfd, ask: Ask::Ahead, ..DELAY },
    Base { name: "hashes", own: Work::Compute(ms(5)), ..PLAIN },
    Base { name: "hashes-worker", own: Work::Compute(ms(5)), in_worker: true, ..PLAIN },
    Base { name: "syncs", blocks: 400, own: Work::Sync, ..PLAIN },
    Base { name: "slower-receiver", peer: Work::Sleep(us(4500)), own: Work::Compute(us(5000)), ..ABREAST },
    Base { name: "faster-receiver", peer: Work::Sleep(us(5000)), own: Work::Compute(us(4500)), ..ABREAST },
    Base { name: "link", nodes: Nodes::Linked, ask: Ask::Outstanding(4), ..PLAIN },
    Base { name: "ask1", ask: ONE, ..SLEEPY },
    Base { name: "ask4", ask: Ask::Outstanding(4), ..SLEEPY },
    Base { name: "ask16", ask: Ask::Outstanding(16), ..SLEEPY },
    Base { name: "tick", blocks: 160, style: Style::Loop, ask: Ask::EveryTick(TICK), ..PLAIN },
    Base {
        name: "tick-computes",
        blocks: 160,
        peer: Work::Compute(ms(4)),
        style: Style::Loop,
        ask: Ask::EveryTick(TICK),
        ..PLAIN
    },
    Base { name: "relay", nodes: Nodes::Relayed, blocks: 80, peer: Work::Sleep(ms(20)), ..PLAIN },
    Base {
        name: "uneven",
        nodes: Nodes::Uneven,
        blocks: 40,
        block_bytes: 9 * BLOCK_BYTES,
        peer: Work::Compute(ms(40)),
        ..PLAIN
    },
    Base {
        name: "upload",
        nodes: Nodes::Upload,
        blocks: 200,
        peer: Work::Sleep(ms(5)),
        own: Work::Compute(ms(3)),
        ..PLAIN
    },
];

/// The request arms the peer's timer; for 3 ms of each round the receiver hashes.
const DELAY: Base =
    Base { blocks: 240, peer: Work::Sleep(ms(4)), ask: ONE, own: Work::Compute(ms(3)), ..PLAIN };
/// Both ends work at the same time, for times that are a tenth apart.
const ABREAST: Base = Base { ask: Ask::Outstanding(2), ..PLAIN };
const SLEEPY: Base = Base { peer: Work::Sleep(ms(5)), ..PLAIN };

/// Base, noises of the third that CI runs, and the others.
const PAIRS: [(&str, &str, &str); 23] = [
    ("disk", "beat-3 dribble", "beat-20 beat-100 peer-beat-3 reader nine control chatter"),
    ("paced", "peer-beat-20 chatter", "beat-3 keepalive ticker crowd dribble"),
    ("paced-timeout", "beat-20 peer-keepalive", "keepalive nine peer-poker"),
    ("paced-timerfd", "keepalive peer-poker", "peer-beat-3 peer-keepalive idle"),
    ("computes", "nine crowd", "beat-3 keepalive peer-keepalive poker control"),
    ("computes-worker", "control peer-poker", "peer-beat-20 keepalive reader"),
    ("delay-timeout", "peer-beat-3 keepalive", "beat-3 peer-keepalive peer-poker ticker"),
    ("delay-timerfd", "peer-keepalive ticker", "keepalive nine crowd"),
    ("delay-ahead", "beat-100 poker", "beat-3 keepalive peer-keepalive"),
    ("hashes", "peer-beat-100 reader", "beat-3 peer-beat-3 ticker idle crowd chatter"),
    ("hashes-worker", "beat-20 reader", "nine poker"),
    ("syncs", "control idle", "beat-3 peer-beat-20 reader chatter"),
    ("slower-receiver", "peer-beat-3 ticker", "beat-3 reader keepalive"),
    ("faster-receiver", "beat-3 idle", "reader nine keepalive"),
    ("link", "beat-100 chatter", "beat-3 keepalive reader"),
    ("ask1", "nine bursts", "beat-3 beat-20 keepalive control"),
    ("ask4", "peer-beat-20 dribble", "beat-3 keepalive bursts"),
    ("ask16", "peer-beat-100", "beat-3 keepalive"),
    ("tick", "tick-keepalive peer-tick-keepalive bursts", "beat-3 keepalive peer-keepalive reader"),
    ("tick-computes", "tick-keepalive peer-tick-keepalive poker", "peer-beat-3 reader"),
    ("relay", "crowd", "beat-3 nine"),
    ("uneven", "beat-3 nine", "peer-beat-20 reader control"),
    ("upload", "keepalive control", "beat-3 reader poker"),
];

/// Each base is followed by what it is paired with.
pub fn all() -> Vec<Pair> {
    let base = |name: &str| BASES.into_iter().find(|base| base.name == name).expect("a base of that name");
    let noise = |name: &'static str| (name, Noise::named(name).expect("a noise of that name"));
    let noisy = |names: &'static str, in_third| {
        names.split_whitespace().map(move |name| (Some(noise(name)), in_third))
    };
    let pairs = PAIRS.into_iter().flat_map(|(name, third, others)| {
        let noises = [(None, true)].into_iter().chain(noisy(third, true)).chain(noisy(others, false));
        noises.map(move |(noise, in_third)| Pair { base: base(name), noise, in_third })
    });
    pairs.collect()
}

impl Pair {
    /// As in `disk` and `disk+beat-3`.
    pub fn name(&self) -> String {
        match self.noise {
            None => self.base.name.to_owned(),
            Some((noise, _)) => format!("{}+{noise}", self.base.name),
        }
    }

    pub fn noise(&self) -> Option<Noise> {
        self.noise.map(|(_, noise)| noise)
    }

    /// Some noises need a program that can make them.
    fn makes_noise(&self) -> bool {
        let Base { nodes, style, ask, .. } = self.base;
        let has_seeder = nodes != Nodes::Upload;
        match self.noise() {
            Some(Noise::KeepAlive(Side::Peer) | Noise::Poker(Side::Peer)) => style != Style::Blocking,
            Some(Noise::KeepAliveAtTick(side, tick)) => {
                ask == Ask::EveryTick(tick) && (side == Side::Own || style != Style::Blocking)
            }
            Some(Noise::Dribble) => has_seeder && style == Style::Blocking,
            Some(Noise::Bursts) => ask != Ask::Never,
            Some(Noise::Chatter) => has_seeder,
            _ => true,
        }
    }
}

impl Base {
    pub fn syncs(&self) -> bool {
        [self.peer, self.own].contains(&Work::Sync)
    }

    pub fn payload_bytes(&self) -> usize {
        let bytes = self.blocks as usize * self.block_bytes;
        if self.nodes == Nodes::Uneven { bytes + bytes / 9 } else { bytes }
    }

    /// How long a work takes by the plan.
    pub fn planned(&self, work: Work) -> Duration {
        match work {
            Work::Nothing => Duration::ZERO,
            Work::Sleep(time) | Work::Compute(time) => time,
            Work::Sync => Duration::from_secs_f64(self.block_bytes as f64 / self.disk_bytes_per_s as f64),
        }
    }
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

const fn us(us: u64) -> Duration {
    Duration::from_micros(us)
}

/// What must hold of the lists.
pub fn check() {
    let all = all();
    assert!(BASES.iter().all(|base| all.iter().any(|pair| pair.base.name == base.name)), "every base is run");
    for (name, noise) in NOISES {
        let in_third = all.iter().filter(|pair| pair.in_third && pair.noise() == Some(noise)).count();
        assert!(in_third >= 2, "CI runs {name} {in_third} times");
    }
    let without: Vec<_> = all.iter().filter(|pair| !pair.makes_noise()).map(Pair::name).collect();
    assert!(without.is_empty(), "no noise comes of {}", without.join(", "));
}
