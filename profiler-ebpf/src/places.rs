//! Tables whose elements are handed out and given back: a queue keeps those that are nobody's, and a hash says where
//! the element of a key stands.

use abi::loss::Loss;
use aya_ebpf::maps::{HashMap, Queue};

use crate::emit::lose;

/// Element 0 of every such table is nobody's.
pub const NO_PLACE: u32 = 0;

/// Takes an element that is nobody's, of a table with so many slots; without one, the loss is counted.
#[inline(always)]
pub fn take(free: &Queue<u32>, slots: u32, loss: Loss) -> Option<u32> {
    match free.pop() {
        Ok(Some(slot)) if slot != NO_PLACE && slot < slots => Some(slot),
        _ => {
            lose(loss);
            None
        }
    }
}

/// Gives an element back whose key could not be inserted, and finds the one that another CPU has inserted meanwhile. If
/// there is none, the hash is full: the loss is counted, and the answer is [`NO_PLACE`].
#[inline(always)]
pub fn give_way<K>(free: &Queue<u32>, slot: u32, places: &HashMap<K, u32>, key: K, loss: Loss) -> u32 {
    let given_back = free.push(slot, 0);
    // SAFETY: map values are live.
    match unsafe { places.get(key) } {
        Some(slot) if given_back.is_ok() => *slot,
        _ => {
            lose(loss);
            NO_PLACE
        }
    }
}
