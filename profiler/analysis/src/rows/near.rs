//! The block that this thread read last, of each of some lists: who walks through a list reads a block many times in a row, and
//! to find it among all, where all threads look, costs more than what is read there.

use std::{any::Any, cell::RefCell, sync::Arc};

/// A list has one place that its block may be at; who comes later takes it.
const PLACES: usize = 512;

struct Near {
    list: u64,
    /// Place of its first row in the list.
    start: usize,
    rows: Arc<dyn Any + Send + Sync>,
}

thread_local! {
    static NEAR: RefCell<[Option<Near>; PLACES]> = const { RefCell::new([const { None }; PLACES]) };
}

/// Looks at the block that was read last of a list, with the place of its first row; None if it is not held.
pub fn look<T: 'static, R>(list: u64, look: impl FnOnce(usize, &[T]) -> Option<R>) -> Option<R> {
    held(list, |near| look(near.start, near.rows.downcast_ref::<Vec<T>>()?))
}

/// The block of a list that begins at a place, if it was read last.
pub fn block<T: Send + Sync + 'static>(list: u64, start: usize) -> Option<Arc<Vec<T>>> {
    let rows = held(list, |near| (near.start == start).then(|| Arc::clone(&near.rows)))?;
    rows.downcast().ok()
}

/// Holds what was read.
pub fn hold<T: Send + Sync + 'static>(list: u64, start: usize, rows: Arc<Vec<T>>) {
    NEAR.with(|near| {
        // Nobody reads a list while it looks at a block; who did would not find it here.
        if let Ok(mut near) = near.try_borrow_mut() {
            near[list as usize % PLACES] = Some(Near { list, start, rows });
        }
    });
}

fn held<R>(list: u64, look: impl FnOnce(&Near) -> Option<R>) -> Option<R> {
    NEAR.with(|near| {
        let near = near.try_borrow().ok()?;
        look(near[list as usize % PLACES].as_ref().filter(|near| near.list == list)?)
    })
}
