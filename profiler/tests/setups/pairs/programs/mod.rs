//! The nodes of the pairs, as programs of this binary.

mod besides;
mod companion;
mod events;
mod leecher;
mod messages;
mod peer_besides;
mod relay;
mod seeder;
mod slice;
mod upload;
mod work;
mod worker;

use serde::{Deserialize, Serialize};

pub use self::{
    companion::{Companion, Does},
    leecher::{Ask, Leecher},
    relay::Relay,
    seeder::{Seeder, Style},
    upload::{Storer, Uploader},
    work::Work,
};
use crate::programs::Prepared;

#[derive(Serialize, Deserialize, Clone, Debug)]
pub enum Node {
    Companion(Companion),
    Leecher(Leecher),
    Relay(Relay),
    Seeder(Seeder),
    Storer(Storer),
    Uploader(Uploader),
}

impl Node {
    pub fn prepare(self) -> Prepared {
        // Its threads inherit it.
        slice::shorten();
        match self {
            Self::Companion(node) => node.prepare(),
            Self::Leecher(node) => node.prepare(),
            Self::Relay(node) => node.prepare(),
            Self::Seeder(node) => node.prepare(),
            Self::Storer(node) => node.prepare(),
            Self::Uploader(node) => node.prepare(),
        }
    }
}
