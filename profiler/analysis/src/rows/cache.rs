//! The blocks that were read last, unpacked.

use std::{
    any::Any,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// A block has one place that it may be at; who comes later takes it.
const PLACES: usize = 8192;

/// How much all places hold, at most, and a block for each thread.
const MOST_BYTES: usize = 24 << 20;

#[derive(Default)]
struct Place {
    key: (u64, usize),
    rows: Option<Arc<dyn Any + Send + Sync>>,
    bytes: usize,
}

static HELD: [Mutex<Place>; PLACES] =
    [const { Mutex::new(Place { key: (0, 0), rows: None, bytes: 0 }) }; PLACES];
static HELD_BYTES: AtomicUsize = AtomicUsize::new(0);

/// A block of a list, unpacked here if it is not held.
pub fn get<T: Send + Sync + 'static>(
    list: u64,
    block: usize,
    unpack: impl FnOnce() -> Vec<T>,
) -> Arc<Vec<T>> {
    let key = (list, block);
    // Neighbours do not push each other out, and lists begin far apart.
    let place = (list.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize + block;
    let mut held = lock(place);
    if held.key == key
        && let Some(rows) = &held.rows
        && let Ok(rows) = Arc::clone(rows).downcast()
    {
        return rows;
    }
    let rows = Arc::new(unpack());
    held.give_up();
    let bytes = rows.len() * size_of::<T>();
    *held = Place { key, rows: Some(rows.clone()), bytes };
    drop(held);
    if HELD_BYTES.fetch_add(bytes, Ordering::Relaxed) + bytes > MOST_BYTES {
        give_up_some();
    }
    rows
}

/// Goes on around the places from where it stopped the last time.
fn give_up_some() {
    static HAND: AtomicUsize = AtomicUsize::new(0);
    for _ in 0..PLACES {
        if HELD_BYTES.load(Ordering::Relaxed) <= MOST_BYTES {
            return;
        }
        lock(HAND.fetch_add(1, Ordering::Relaxed)).give_up();
    }
}

fn lock(place: usize) -> std::sync::MutexGuard<'static, Place> {
    HELD[place % PLACES].lock().unwrap_or_else(PoisonError::into_inner)
}

impl Place {
    fn give_up(&mut self) {
        self.rows = None;
        HELD_BYTES.fetch_sub(std::mem::take(&mut self.bytes), Ordering::Relaxed);
    }
}
