//! The blocks that were read last, unpacked.

use std::{
    any::Any,
    sync::{Arc, Mutex, PoisonError},
};

/// A block has one place that it may be at; who comes later takes it.
const PLACES: usize = 512;

type Held = Option<((u64, usize), Arc<dyn Any + Send + Sync>)>;

static HELD: [Mutex<Held>; PLACES] = [const { Mutex::new(None) }; PLACES];

/// A block of a list, unpacked here if it is not held.
pub fn get<T: Send + Sync + 'static>(
    list: u64,
    block: usize,
    unpack: impl FnOnce() -> Vec<T>,
) -> Arc<Vec<T>> {
    let key = (list, block);
    // Neighbours do not push each other out, and lists begin far apart.
    let place = (list.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize + block;
    let mut held = HELD[place % PLACES].lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((other, rows)) = &*held
        && *other == key
        && let Ok(rows) = Arc::clone(rows).downcast()
    {
        return rows;
    }
    let rows = Arc::new(unpack());
    *held = Some((key, rows.clone()));
    rows
}
